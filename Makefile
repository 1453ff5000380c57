# `make report` and `make test` set everything up in .venv and run; see README.md.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: report test lint bench catalogue verify reproduce gallery docs clean

report: .venv/.report
	$(BIN)/backproof compare --out backproof-report

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: .venv/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: .venv/.bench
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench_tuning

# Planted mistakes, right derivations and random networks, beside five other gradient checkers; about ten minutes on two cores.
catalogue: .venv/.test .venv/.bench
	$(BIN)/python -m tests.catalogue.run --networks 2000 --markdown

# The committed sample, with the pictures that the README shows.
gallery: .venv/.test
	$(BIN)/python -m tests.make_gallery

# docs/ledger.md, from the ledger's entries.
docs: .venv/.report
	$(BIN)/python -m tests.make_docs

# Every operation on every framework, 1,000 steps and all settings; half an hour at most on two cores. It goes on where it stopped.
verify: .venv/.test
	$(BIN)/backproof verify --html backproof-verify/index.html

# The five source systems in full, on every backend; about an hour and a half on two cores. Needs MNIST's files, in BACKPROOF_MNIST.
reproduce: .venv/.test
	$(BIN)/backproof reproduce all

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis backproof-report backproof-verify backproof-fuzz backproof-reproduction backproof-tune

# A stamp tells that .venv holds what pyproject.toml and constraints.txt ask for; .venv itself may have been there before.
.venv/.report: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("backproof needs Python 3.11 or newer; this is %d.%d. Say which: make PYTHON=python3.12" % sys.version_info[:2])'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) install -c constraints.txt -e '.[torch,tensorflow]'
	@touch $@

.venv/.test: .venv/.report
	$(PIP) install -c constraints.txt -e '.[torch,tensorflow,jax,cluster,test,lint]'
	@touch $@

.venv/.bench: .venv/.report
	$(PIP) install -c constraints.txt -e '.[torch,tensorflow,jax]'
	@touch $@
