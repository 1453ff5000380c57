"""`backproof verify`: the plan, cells that must be called wrong, resuming, the page and the command."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from backends.numpy_backend import NumpyBackend, NumpyTwin
from comparisons.ledger import explanations, ledger
from comparisons.verification import matrix as module
from comparisons.verification.cells import FULL, KINDS, QUICK, RIGHT, Cell, Effort, Task
from comparisons.verification.matrix import REGISTRIES, VerifyError, plan, run, verify
from reports.verification import sentence, summary, to_json
from reports.verification_page import to_html
from scratch.activations import ACTIVATIONS
from scratch.layers import BatchNormalization, LayerNormalization
from scratch.losses import LOSSES
from scratch.optimizers import CHOICES, OPTIMIZERS

TINY = Effort(steps=8, draws=40_000, variants=False)


def test_the_figures_of_the_catalogue():
    assert len(REGISTRIES["activation"]) >= 30
    assert len(REGISTRIES["loss"]) >= 20
    assert len(REGISTRIES["layer"]) >= 8
    assert len(REGISTRIES["optimizer"]) >= 18
    assert len(REGISTRIES["schedule"]) >= 12
    assert len(REGISTRIES["initializer"]) >= 12
    assert set(REGISTRIES) == set(KINDS)
    assert (FULL.steps, FULL.draws, FULL.variants) == (1000, 1_000_000, True)
    assert len(ledger()) >= 60


def test_every_choice_has_an_entry_in_the_ledger():
    assert set(CHOICES) == {choice for entry in ledger().values() for choice in entry.choices}


def test_every_pattern_of_the_ledger_can_match():
    """A pattern names a kind, an operation and a backend that there are."""
    for entry in ledger().values():
        for pattern in entry.cells:
            kind, name, backend, convention, *_ = pattern.split("/")
            if convention != "fuzz":
                assert kind in KINDS, pattern
                assert plan([f"{kind}/{name}"], ["numpy"]), pattern
            assert backend in ("torch", "keras", "jax", "*"), pattern


def test_the_plan():
    assert [str(task) for task in plan(["relu"], ["numpy", "torch"])] == ["activation/relu/numpy", "activation/relu/torch"]
    assert len(plan(["activations"], ["numpy"])) == len(ACTIVATIONS)
    assert len(plan(["losses"], ["numpy"])) == len(LOSSES)
    assert len(plan(["loss/*entropy"], ["torch"])) == 2
    assert len(plan([], ["a", "b"])) == 2 * sum(len(registry) for registry in REGISTRIES.values())
    with pytest.raises(VerifyError, match='nothing is called "rellu"; did you mean'):
        plan(["rellu"], ["numpy"])


class Right(NumpyBackend):
    """Scratch, as if it were a framework."""

    name = "right"
    convention = "paper"


class Wrong(NumpyBackend):
    """Computes something else than it is asked for, in every kind."""

    name = "wrong"
    convention = "paper"

    def mirror(self, model, parameters, optimizer, dtype):
        layers = [self._layer(layer) for layer in model.layers]
        loss = replace(model.loss, rule=self._rule(model.loss.rule)) if not layers else model.loss
        if optimizer.name != "sgd":
            optimizer = replace(optimizer, learning_rate=optimizer.learning_rate * (1 + 1e-6))
        return NumpyTwin(replace(model, layers=tuple(layers), loss=loss), parameters, optimizer, dtype)

    @staticmethod
    def _layer(layer):
        if isinstance(layer, BatchNormalization | LayerNormalization):
            return replace(layer, epsilon=layer.epsilon * (1 + 1e-6))
        if layer.name == "sigmoid":
            return replace(layer, derivative_rule=lambda z, a, da, dz, work: np.multiply(da, a, out=dz))
        return layer

    @staticmethod
    def _rule(rule):
        def changed(z, y, dz, work, **settings):
            terms = rule(z, y, dz, work, **settings)
            np.multiply(dz, 1 + 1e-10, out=dz)
            return terms

        return changed

    def rates(self, schedule, steps, dtype):
        return (schedule.rates(steps + 1)[1:]).astype(dtype)

    def draw(self, initializer, shape, seed):
        return initializer.draw(np.random.default_rng(seed), *shape[::-1], shape)


@pytest.mark.parametrize(
    ("task", "quantity"),
    [
        ("activation/sigmoid", "input derivative"),
        ("layer/batch_normalization", "value"),
        ("layer/layer_normalization", "value"),
        ("loss/huber", "derivative"),
        ("loss/softmax_cross_entropy", "derivative"),
        ("optimizer/adam", "8 steps"),
        ("optimizer/rmsprop", "8 steps"),
        ("schedule/cosine", "8 rates"),
        ("initializer/he_normal", "distribution"),
    ],
)
def test_what_is_wrong_is_called_wrong(task, quantity):
    kind, name = task.split("/")
    cells = [Cell.from_dict(data) for data in run(Task(kind, name, "wrong"), Wrong(), TINY)["cells"]]
    verdicts = {cell.quantity: cell.verdict for cell in cells}
    assert verdicts[quantity] == "wrong", verdicts
    right = [Cell.from_dict(data) for data in run(Task(kind, name, "right"), Right(), TINY)["cells"]]
    assert right
    assert all(cell.verdict in RIGHT for cell in right), right


def test_restored_state_that_is_not_taken_over_is_wrong():
    class Forgetful(NumpyTwin):
        def set_optimizer_state(self, saved, step):
            super().set_optimizer_state(saved, 0)

    class Backend(NumpyBackend):
        def mirror(self, *given):
            return Forgetful(*given)

    cells = run(Task("optimizer", "adam", "numpy"), Backend(), TINY)["cells"]
    assert {cell["quantity"]: cell["verdict"] for cell in cells}["restored"] == "wrong"


def test_a_backend_that_breaks_loses_no_other_task(monkeypatch):
    class Broken(NumpyBackend):
        def mirror(self, model, parameters, optimizer, dtype):
            if any(layer.name == "tanh" for layer in model.layers):
                raise RuntimeError("no tanh today")
            return super().mirror(model, parameters, optimizer, dtype)

    monkeypatch.setattr(module, "load_backend", lambda name: Broken())
    found = verify(["tanh", "relu"], backends=["numpy"], effort=TINY)
    by_name = {cell.name: cell for cell in found.cells}
    assert by_name["tanh"].verdict == "inconclusive"
    assert "no tanh today" in by_name["tanh"].reason
    assert by_name["relu"].verdict in RIGHT
    assert [cell.name for cell in found.open] == ["tanh"]


def test_what_is_done_is_not_done_again(tmp_path, monkeypatch):
    first = verify(["relu", "constant"], backends=["numpy"], effort=TINY, folder=tmp_path)
    with (tmp_path / "cells.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"task": "activation/tanh/numpy", "gap": "", "cel')  # a kill in the middle of a line
    monkeypatch.setattr(module, "RUNNERS", {})  # nothing can be run any more
    again = verify(["relu", "constant"], backends=["numpy"], effort=TINY, folder=tmp_path)
    assert again.cells == first.cells
    assert len(first.seconds) == 3
    assert not again.seconds
    monkeypatch.undo()
    other = verify(["relu"], backends=["numpy"], effort=replace(TINY, steps=9), folder=tmp_path)
    assert other.seconds  # other circumstances: nothing is taken over
    assert not verify(["relu", "constant"], backends=["numpy"], effort=TINY, folder=tmp_path).seconds  # nor is anything lost
    (tmp_path / "file").touch()
    with pytest.raises(VerifyError, match="cannot be written"):
        verify(["relu"], backends=["numpy"], effort=TINY, folder=tmp_path / "file")


def test_the_ledger_explains_and_what_it_does_not_stays_open(backends, monkeypatch):
    found = verify(["adagrad"], backends=["numpy", "torch", "keras"], effort=TINY)
    differing = [cell for cell in found.cells if cell.verdict not in RIGHT]
    assert {(cell.backend, cell.convention) for cell in differing} == {("keras", "paper")}
    assert differing[0].causes == ("epsilon_inside_root",)
    assert not found.open
    assert "differ as the ledger says" in sentence(found)
    keras = [cell for cell in found.cells if cell.backend == "keras"]
    assert "≠ 1" in summary(found, keras)[0]
    monkeypatch.setattr(module, "explanations", lambda *_: [])
    assert found.open == differing
    assert "not explained" in sentence(found)


def test_the_page_holds_every_cell_and_needs_nothing_beside_it(backends):
    found = verify(["relu", "adagrad", "dropout", "squareplus"], backends=["numpy", "torch", "keras"], effort=TINY)
    page = to_html(found)
    assert page.count("<tr><td>") == len(found.cells)
    assert "<script" not in page
    assert "http" not in page.replace("https://", "").replace("http://www.w3.org", "") or "src=" not in page
    assert "a = max(z, 0)" in page
    assert "0.5 * (z + torch.sqrt" in page  # what there is instead
    assert ACTIVATIONS["relu"].source.split(",")[0] in page
    data = json.loads(json.dumps(to_json(found), allow_nan=False))
    assert len(data["cells"]) == len(found.cells)
    assert data["gaps"].keys() == {"activation/squareplus/torch"}


def backproof(*arguments, **kwargs):
    return subprocess.run(
        [sys.executable, "-m", "backproof", *arguments], capture_output=True, text=True, check=False, timeout=300, **kwargs
    )


def test_the_command(tmp_path):
    done = backproof("verify", "relu", "rmsprop", "--backends", "numpy,torch", "--quick", "--html", "page.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "rmsprop-epsilon-in-root" in done.stdout
    assert "page.html" in done.stderr
    assert (tmp_path / "page.html").exists()
    again = backproof("verify", "relu", "--backends", "numpy", "--quick", "--json", cwd=tmp_path)
    assert again.returncode == 0
    assert {cell["verdict"] for cell in json.loads(again.stdout)["cells"]} <= set(RIGHT)
    typo = backproof("verify", "adamm", cwd=tmp_path)
    assert typo.returncode == 2
    assert "did you mean adam" in typo.stderr
    unknown = backproof("verify", "relu", "--backends", "torhc", cwd=tmp_path)
    assert unknown.returncode == 2
    assert 'there is no backend "torhc"' in unknown.stderr
    missing = backproof("verify", "relu", "--out", "page.html", cwd=tmp_path)
    assert missing.returncode == 2
    assert "--out" in missing.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_killed_run_goes_on(tmp_path):
    command = [
        sys.executable,
        "-m",
        "backproof",
        "verify",
        "activations",
        "--backends",
        "numpy",
        "--quick",
        "--out",
        str(tmp_path),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    store = tmp_path / "cells.jsonl"
    for _ in range(600):
        if store.exists() and store.read_text(encoding="utf-8").count('"task"') > 4:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = sum(line.endswith("}") for line in store.read_text(encoding="utf-8").splitlines())
    assert done >= 3
    found = verify(["activations"], backends=["numpy"], effort=QUICK, folder=tmp_path)
    assert len(found.seconds) <= len(ACTIVATIONS) - done + 1
    assert {cell.name for cell in found.cells} == set(ACTIVATIONS)


def test_a_ledgers_entry_explains_only_what_is_as_small_as_it_says():
    place = "schedule/cosine/keras/keras/60 rates"
    assert [entry.name for entry in explanations(place, (), {"float64": 1e-7})] == ["schedule-computed-in-float32"]
    assert explanations(place, (), {"float64": 2.0}) == []
    own = {"torch": "torch", "keras": "keras", "jax": "optax"}
    for entry in ledger().values():
        for pattern in entry.cells:
            _, _, backend, convention, *_ = pattern.split("/")
            assert convention == "fuzz" or entry.largest is not None or convention not in (own.get(backend), "*"), pattern


def test_a_folder_that_cannot_be_written_any_more_loses_no_result(tmp_path):
    folder = tmp_path / "gone"

    def remove(task, done, total):
        if done == 1:
            shutil.rmtree(folder)

    found = verify(["relu", "tanh"], backends=["numpy"], effort=TINY, folder=folder, progress=remove)
    assert {cell.name for cell in found.cells} == {"relu", "tanh"}
    assert "cannot be written any more" in found.unsaved


def test_names_do_not_collide_between_kinds():
    """`backproof verify NAME` and `backproof ledger NAME` take a name without its kind."""
    assert not set(ACTIVATIONS) & set(LOSSES)
    assert not set(ACTIVATIONS) & set(OPTIMIZERS)
