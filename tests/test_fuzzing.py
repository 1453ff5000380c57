"""Fuzzing: planted mistakes are found and shrunk, right operations are left alone, campaigns go on, programs show what was found."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import backproof.strategies as public
from backends.numpy_backend import NumpyBackend
from backends.on_torch.backend import TorchBackend
from backproof.cli import app
from comparisons.fuzzing import campaign as campaign_module
from comparisons.fuzzing.campaign import FuzzError, forget, fuzz, load, program_of
from comparisons.fuzzing.cases import STRATEGIES, Case, loss_of, network_of
from comparisons.fuzzing.domains import DOMAINS, allows
from comparisons.fuzzing.edges import EDGES, HUGE
from comparisons.fuzzing.findings import Finding
from comparisons.fuzzing.judging import convention_of, examine
from comparisons.fuzzing.reproducers import PACKAGES, reproducer
from comparisons.fuzzing.running import results
from scratch.activations import ACTIVATIONS
from scratch.losses import LOSSES, OUTPUTS, TARGETS, cases
from scratch.optimizers import OPTIMIZERS, SGD, VARIANTS
from tests.conftest import DTYPES
from tests.networks import LateAdam, with_activation_mistake

RUNNER = CliRunner()
QUICK = {"database": None, "deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True}


class Planted(NumpyBackend):
    """Scratch with one mistake."""

    name = "planted"
    title = "Planted"

    def __init__(self, model=lambda model: model, optimizer=lambda optimizer: optimizer):
        self.model, self.optimizer = model, optimizer

    def mirror(self, model, parameters, optimizer, dtype):
        return super().mirror(self.model(model), parameters, self.optimizer(optimizer), dtype)


def _leaky(z, a, da, dz, work):
    np.multiply(da, np.where(z > 0, 1, 1e-3), out=dz)


def _naive(z, a, da, dz, work):
    np.exp(z, out=dz)
    np.divide(dz, 1 + dz, out=dz)
    np.multiply(dz, da, out=dz)


def _late(optimizer):
    settings = {field.name: getattr(optimizer, field.name) for field in fields(optimizer) if field.init}
    return LateAdam(**settings) if optimizer.name == "adam" else optimizer


MISTAKES = {
    "a leaky ReLU": ("activation/relu", Planted(lambda m: with_activation_mistake(m, "relu", _leaky)), "derivative: wrong"),
    "a softplus that overflows": (
        "activation/softplus",
        Planted(lambda m: with_activation_mistake(m, "softplus", _naive)),
        "derivative: NaN where the truth is finite",
    ),
    "a loss in another reduction": (
        "mean_squared_error",
        Planted(lambda m: replace(m, loss=replace(m.loss, reduction="sum"))),
        "value: wrong",
    ),
    "Adam's t off by one": ("optimizer/adam", Planted(optimizer=_late), "parameters: wrong"),
    "a network with a leaky ReLU": (
        "network/relu",
        Planted(lambda m: with_activation_mistake(m, "relu", _leaky)),
        "gradients: wrong",
    ),
}


@pytest.fixture
def planted(monkeypatch):
    """Have a campaign load this backend in place of the one that it asks for."""

    def plant(backend):
        monkeypatch.setattr(campaign_module, "load_backend", lambda name: backend)

    return plant


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_found_and_shrunk(mistake, planted):
    name, backend, symptom = MISTAKES[mistake]
    planted(backend)
    found = fuzz(0.02, names=[name], backends=["planted"]).findings
    finding = next((one for signature, one in found.items() if signature.endswith(symptom)), None)
    assert finding is not None, list(found)
    numbers = np.concatenate([array.ravel() for array in finding.case.arrays.values()])
    # What a mistake needs to show: an input, a cotangent, and in a network a parameter for each of two layers beside them.
    assert np.count_nonzero(numbers) <= (8 if finding.case.kind == "network" else 4), finding.case
    if finding.case.kind == "optimizer":
        assert len(finding.case.arrays["gradients"]) == 1
    assert finding.signature in {again.signature for again in examine(finding.case, backend)}


@pytest.mark.parametrize("name", ["relu", "mean_squared_error", "softmax_cross_entropy", "sgd", "adam"])
def test_a_right_operation_gives_no_finding(name):
    assert list(fuzz(0.02, names=[name], backends=["torch"]).findings) == []


def test_a_backend_that_raises_is_a_finding(planted):
    class Failing(Planted):
        def mirror(self, model, parameters, optimizer, dtype):
            raise RuntimeError("no such kernel")

    planted(Failing())
    (finding,) = fuzz(0.005, names=["activation/relu"], backends=["planted"]).findings.values()
    assert (finding.quantity, finding.symptom, finding.message) == ("run", "raises RuntimeError", "no such kernel")


@pytest.mark.parametrize(
    ("name", "z", "symptom"),
    [
        ("gelu", [-8.0, 0, 0, 0], "value: loses digits"),
        ("gelu_tanh", [-1e20, 0, 0, 0], "derivative: NaN where the truth is finite"),
        ("hard_tanh", [1.0, 0, 0, 0], "derivative: another one at z = 1"),
        ("gelu", [np.inf, 0, 0, 0], "derivative: NaN at infinity, where there is a limit"),
    ],
)
def test_what_is_known_of_pytorch_shows(name, z, symptom):
    case = Case("activation", name, arrays={"z": np.array([z] * 2, np.float32), "cotangent": np.ones((2, 4), np.float32)})
    assert any(finding.signature.endswith(symptom) for finding in examine(case, TorchBackend()))


@pytest.mark.parametrize("name", ["tanh", "softmax", "log_softmax", "standardize"])
def test_rounding_of_a_badly_conditioned_input_is_none(name):
    z = np.array([[3e4, 3e4 + 1 / 256, 3e4, 3e4 - 1 / 512], [9.0, 9.0, 9.0, 9.5]], np.float32)
    case = Case("activation", name, arrays={"z": z, "cotangent": np.ones((2, 4), np.float32)})
    assert [finding.signature for finding in examine(case, TorchBackend())] == []


def test_a_campaign_goes_on(tmp_path, planted):
    planted(MISTAKES["a leaky ReLU"][1])
    first = fuzz(0.01, names=["relu"], backends=["planted"], folder=tmp_path)
    kept = load(tmp_path)
    assert (kept.rounds, kept.cases, list(kept.findings)) == (first.rounds, first.cases, list(first.findings))
    programs = sorted(path.name for path in tmp_path.glob("*.py"))
    assert programs == sorted(program_of(finding) for finding in first.findings.values())
    second = fuzz(0.01, names=["relu"], backends=["planted"], folder=tmp_path)
    assert second.rounds > first.rounds
    assert second.seconds > first.seconds
    assert list(second.findings)[: len(first.findings)] == list(first.findings)
    assert len(set(second.findings)) == len(second.findings)
    planted(Planted())
    (tmp_path / "campaign.json").write_text((tmp_path / "campaign.json").read_text().replace('"numpy"', '"another"'))
    third = fuzz(0, names=["relu"], backends=["planted"], folder=tmp_path)
    assert third.findings == {}, "what no longer shows under other circumstances is dropped"
    forget(tmp_path)
    assert not (tmp_path / "campaign.json").exists()


def test_a_kill_leaves_the_state_whole(tmp_path):
    command = [sys.executable, "-m", "backproof", "fuzz", "activation/*elu", "--backends", "torch", "--out", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 50
    state = tmp_path / "campaign.json"
    try:
        while time.monotonic() < deadline and not (state.exists() and json.loads(state.read_text())["rounds"] >= 2):
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = load(tmp_path)
    assert before.rounds >= 2
    after = fuzz(0.02, names=["activation/*elu"], backends=["torch"], folder=tmp_path)
    assert after.rounds > before.rounds
    assert list(after.findings)[: len(before.findings)] == list(before.findings)
    assert {path.name for path in tmp_path.glob("*.py")} == {program_of(finding) for finding in after.findings.values()}


def test_a_file_that_is_no_campaign_is_named(tmp_path):
    (tmp_path / "campaign.json").write_text("[]")
    with pytest.raises(FuzzError, match="holds no campaign"):
        fuzz(0, backends=["torch"], folder=tmp_path)
    forget(tmp_path)
    assert load(tmp_path).rounds == 0


def _row_cases():
    """A case for every row of every table, in some of its forms."""
    rng = np.random.default_rng(0)

    def draw(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    for name, entry in ACTIVATIONS.items():
        yield Case("activation", name, arrays={"z": draw(2, 4), "cotangent": draw(2, entry.units(4))})
    for name in ("relu", "glu"):
        size = network_of(name, (2, 1, 2)).size
        given = {"parameters": draw(size), "x": draw(2, 2), "cotangent": draw(2, 2)}
        yield Case("network", name, widths=(2, 1, 2), arrays=given)
    for name in LOSSES:
        forms = {
            (form.indices, form.weighted, bool(form.loss.given)): i for i, form in enumerate(cases(name)) if not form.edges
        }
        for setting in forms.values():
            z, y, weights = cases(name)[setting].sample(rng, 2)
            yield Case("loss", name, setting, arrays={"z": z, "y": y} | ({} if weights is None else {"weights": weights}))
    for name in OPTIMIZERS:
        for setting in range(1 + len(VARIANTS["sgd"]) if name == "sgd" else 1):
            yield Case("optimizer", name, setting, arrays={"gradients": draw(3, 2, 2), "parameters": draw(2, 2)})


@pytest.mark.parametrize("name", PACKAGES)
def test_every_row_has_a_program_that_gives_what_the_adapter_gives(name, backends):
    backend = backends[name]
    if name == "jax":  # compiling every optimizer would take most of the time
        import jax

        with jax.disable_jit():
            compare_programs(backend)
    else:
        compare_programs(backend)


def compare_programs(backend):
    name, run = backend.name, 0
    for case in _row_cases():
        if f"{case}" in backend.gaps or (name == "jax" and case.kind == "optimizer" and case.setting):
            continue
        dtype = "float64" if name == "jax" else DTYPES[run % 2]  # JAX compiles every function for each
        try:
            expected = results(case, backend, dtype, convention_of(backend))
        except NotImplementedError:
            continue
        program = reproducer(Finding(case, name, next(iter(expected)), "none", (0,), 0.0, {}))
        assert not any(word in program for word in ("backproof", "scratch", "backends", "comparisons"))
        defined = {"print": lambda *_: None}
        exec(compile(program.split("\nfor dtype in ")[0], f"{case}", "exec"), defined)
        found = defined["compute"](dtype)
        for key, values in expected.items():
            # Programs weight terms in another order, and run without a graph: a few roundings in sums of eight.
            allowed = 64 * np.finfo(dtype).eps * np.nanmax(np.abs(values), initial=0)
            same = np.allclose(found[key], values, rtol=0, atol=allowed, equal_nan=True)
            assert same, (program, found[key], values)
        run += 1
    assert run > 40


def test_a_program_runs_alone_and_shows_the_finding(tmp_path):
    case = Case(
        "activation",
        "gelu",
        arrays={"z": np.array([[-8, 0, 0, np.inf]] * 2, np.float32), "cotangent": np.ones((2, 4), np.float32)},
    )
    finding = next(one for one in examine(case, TorchBackend()) if one.quantity == "value")
    (tmp_path / "finding.py").write_text(reproducer(finding))
    command = [sys.executable, "-P", str(tmp_path / "finding.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "float32 value[0, 3] is nan and should be inf",
        "float64 value[0, 3] is inf and should be inf",
    ]


def test_a_finding_survives_being_written():
    case = Case("activation", "relu", arrays={"z": np.array([[np.nan, -np.inf, -0.0, 2.0**-149]], np.float32)})
    found = {"float32": float("nan"), "float64": float("-inf")}
    finding = Finding(case, "torch", "value", "hides NaN", (0, 1), float("inf"), found)
    again = Finding.from_dict(json.loads(json.dumps(finding.to_dict(), allow_nan=False)))
    assert again.signature == finding.signature
    assert str(again.to_dict()) == str(finding.to_dict())
    z = again.case.arrays["z"]
    assert z.dtype == np.float32
    assert z.tobytes() == case.arrays["z"].tobytes()


def test_every_domain_has_a_strategy():
    assert {*OUTPUTS, *TARGETS} - {"index"} == set(DOMAINS)


@pytest.mark.parametrize("kind", STRATEGIES)
def test_cases_are_what_they_say(kind):
    strategy, names, _ = STRATEGIES[kind]

    @settings(max_examples=60, **QUICK)
    @given(st.sampled_from(names).flatmap(strategy))
    def check(case):
        assert case.allowed
        assert case.kind == kind
        for array in case.arrays.values():
            assert array.dtype in (np.float32, np.int64)
        if kind == "loss":
            form = loss_of(case)
            assert ("weights" in case.arrays) == form.weighted
            assert (case.arrays["y"].ndim == 1) == (form.indices or form.loss.targets == "index")

    check()


@settings(max_examples=150, **QUICK)
@given(st.data())
def test_public_strategies_give_what_they_say(data):
    low, high = sorted(data.draw(st.tuples(public.edge_values(), public.edge_values())))
    number = data.draw(public.numbers(low, high)) if low < high else low
    assert low <= number <= high
    assert np.float32(number) == number
    loss = data.draw(public.losses())
    z, y = data.draw(public.outputs(loss, 3, 4)), data.draw(public.targets(loss, 3, 4))
    assert allows(loss, z, y)
    optimizer = data.draw(public.optimizers(convention="torch"))
    assert optimizer.convention == "torch"
    model = data.draw(public.networks(layers=2))
    x, y = data.draw(public.batches(model, rows=5))
    assert x.shape == (5, model.inputs)
    twin = NumpyBackend().mirror(model, model.initialize(np.random.default_rng(0)), optimizer, "float64")
    assert np.isfinite(float(twin.loss_and_gradients(x, y)[0]))


def test_the_example_of_a_test_of_ones_own_runs():
    text = public.__doc__ or ""
    example = "\n".join(line[4:] for line in text.splitlines() if line.startswith("    "))

    def my_gradients(model, x, y):
        twin = NumpyBackend().mirror(model, model.initialize(np.random.default_rng(0)), SGD(), "float64")
        return twin.loss_and_gradients(x, y)[1].gradients

    defined = {"np": np, "my_gradients": my_gradients}
    exec(example, defined)
    settings(max_examples=20, **QUICK)(defined["test_my_network_gives_finite_gradients"])()


def test_edge_values_reach_the_ends_of_float32():
    assert max(EDGES) == HUGE == -min(EDGES)
    assert {np.signbit(x) for x in EDGES if x == 0} == {True, False}
    assert min(x for x in EDGES if x > 0) == np.nextafter(np.float32(0), np.float32(1))


def invoke(*arguments):
    return RUNNER.invoke(app, ["fuzz", *(str(argument) for argument in arguments)])


def test_the_command(tmp_path):
    done = invoke("activation/relu", "--backends", "torch", "--minutes", 0.02, "--out", tmp_path)
    assert done.exit_code == 0, done.output
    assert "nothing found" in done.stdout
    done = invoke("activation/gelu", "--backends", "torch", "--minutes", 0.03, "--out", tmp_path, "--json")
    told = json.loads(done.stdout)
    assert told["findings"]
    unexplained = [finding for finding in told["findings"] if not finding["ledger"]]
    assert done.exit_code == (1 if unexplained else 0)
    for finding in told["findings"]:
        assert (tmp_path / finding["program"]).exists()
    done = invoke("gelu", "--backends", "torch", "--minutes", 0, "--out", tmp_path)
    assert "activation/gelu/torch/value" in done.stdout
    assert "expected" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gelus"], "did you mean elu or gelu or glu?"),
        (["--backends", "nothing"], "no backend is left"),
    ],
)
def test_what_cannot_run_is_told(arguments, said, tmp_path):
    done = invoke(*arguments, "--out", tmp_path, "--minutes", 0)
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())


def test_help_loads_neither_hypothesis_nor_a_framework():
    code = """
import sys
from backproof.cli import main
sys.argv = ["backproof", "fuzz", "--help"]
try:
    main()
except SystemExit:
    loaded = {"hypothesis", "torch", "tensorflow", "jax"} & set(sys.modules)
    sys.exit(f"loaded {loaded}" if loaded else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert "expected" not in done.stderr
