"""Optimizers on every backend, teacher-forced and over 1,000 steps, in the right and in the wrong convention."""

import numpy as np
import pytest

from backends.numpy_backend import NumpyBackend, NumpyTwin
from comparisons.optimizers import Recording, Replays, compare_optimizer, find_causes, judge, record, replay
from comparisons.optimizers import trajectory_error as error_of
from comparisons.recipe import COMPARED_OPTIMIZERS as OPTIMIZERS
from comparisons.recipe import OptimizerTable
from comparisons.training import batch_order
from scratch.optimizers import CONVENTIONS, SGD, Adam
from tests.conftest import BACKENDS, DTYPES
from tests.networks import OPTIMIZER_MISTAKES, network

STEPS = 1000


@pytest.fixture(scope="module")
def recording():
    """Gradients of a real run: 60 steps of a small network on random data."""
    rng = np.random.default_rng(0)
    model = network((12, 8, 4))
    x = rng.standard_normal((200, 12)).astype(np.float32)
    y = rng.integers(0, 4, 200)
    batches = [(x[rows], y[rows]) for _, rows in batch_order(200, 20, 6, seed=0)]
    return model, record(model, model.initialize(rng), batches, Adam(0.01))[0]


def in_every_convention(name):
    return {convention: OptimizerTable(name=name).build(convention) for convention in CONVENTIONS}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", BACKENDS)
def test_teacher_forced(name, optimizer, backends, recording):
    model, recorded = recording
    backend = backends[name]
    convention = backend.convention or "paper"
    row, others = compare_optimizer(backend, in_every_convention(optimizer), convention, Replays(model, recorded))
    assert row["verdict"] in ("exact", "rounding"), row
    # The frameworks fuse multiplication and addition, and Eigen's pow differs from NumPy's in the last place.
    assert row["ulp_float64"] <= 2
    if name == "keras" and optimizer == "adam":
        assert row["ulp_float64"] == 0
    if name != "numpy" and optimizer != "sgd":
        assert [other["verdict"] for other in others] == ["wrong"]
        names = {"adam": ["float32_coefficients", "epsilon_hat"]}.get(optimizer, ["float32_coefficients"])
        assert sorted(cause["choice"] for cause in others[0]["causes"]) == sorted(names)


@pytest.mark.parametrize("asked", ["paper", "torch"])
def test_the_wrong_convention_asked_for_is_wrong_and_explained(asked, backends, recording):
    model, recorded = recording
    row, _ = compare_optimizer(backends["keras"], in_every_convention("adam"), asked, Replays(model, recorded))
    assert row["verdict"] == "wrong"
    explanations = " ".join(cause["explanation"] for cause in row["causes"])
    assert "epsilon's place" in explanations
    assert "float32-rounded betas" in explanations


def test_a_cause_counts_only_if_it_explains_everything(recording):
    model, recorded = recording
    replays = Replays(model, recorded)
    asked, own = Adam(convention="keras"), Adam()

    def against(mistaken):
        trajectories = {dtype: replay(NumpyTwin(model, recorded.parameters, mistaken, dtype), recorded) for dtype in DTYPES}
        return lambda formula: judge(
            {dtype: error_of(values, replays.reference(formula)) for dtype, values in trajectories.items()}
        )

    assert [cause["choice"] for cause in find_causes(asked, own, against(own))] == ["epsilon_hat", "float32_coefficients"]
    assert find_causes(asked, own, against(Adam(learning_rate=0.002))) == []
    only_epsilon = Adam(choices=frozenset({"epsilon_hat"}))
    assert [cause["choice"] for cause in find_causes(Adam(), only_epsilon, against(only_epsilon))] == ["epsilon_hat"]


@pytest.mark.parametrize(("beta_1", "beta_2"), [(0.0, 0.999), (0.5, 0.9), (0.9, 0.0), (0.0, 0.0)])
@pytest.mark.parametrize("name", BACKENDS)
def test_betas_of_every_size(name, beta_1, beta_2, backends, recording):
    """Small betas: an interpolation from the far end would lose the digits of a gradient that follows a large one."""
    model, recorded = recording
    optimizers = {convention: Adam(0.001, beta_1, beta_2, 1e-8, convention=convention) for convention in CONVENTIONS}
    row, _ = compare_optimizer(backends[name], optimizers, backends[name].convention or "paper", Replays(model, recorded))
    assert row["verdict"] in ("exact", "rounding"), row


@pytest.mark.parametrize("mistake", OPTIMIZER_MISTAKES)
def test_planted_mistakes(mistake, recording):
    model, recorded = recording
    wrong, right = OPTIMIZER_MISTAKES[mistake]
    replays = Replays(model, recorded)
    for optimizer, verdicts in ((wrong, ("wrong",)), (right, ("exact", "rounding"))):
        errors = {}
        for dtype in DTYPES:
            trajectory = replay(NumpyTwin(model, recorded.parameters, optimizer, dtype), recorded)
            errors[dtype] = error_of(trajectory, replays.reference(right))
        assert judge(errors).verdict in verdicts, errors


@pytest.mark.parametrize(("name", "convention"), [("torch", "torch"), ("keras", "keras")])
def test_a_thousand_adam_steps_on_the_default_network(name, convention, backends, mnist_5k):
    """Free-running in float64 from the same bits: the largest parameter difference stays below 1e-13."""
    model = network((784, 16, 16, 10))
    parameters = model.initialize(np.random.default_rng(0))
    twin = backends[name].mirror(model, parameters, Adam(), "float64")
    scratch = NumpyTwin(model, parameters, Adam(convention=convention), "float64")
    other = NumpyTwin(model, parameters, Adam(convention="keras" if name == "torch" else "torch"), "float64")
    order = list(batch_order(len(mnist_5k.train_labels), 32, 8, seed=0))[:STEPS]
    assert len(order) == STEPS
    for _, rows in order:
        x, y = mnist_5k.train_images[rows], mnist_5k.train_labels[rows]
        for each in (twin, scratch, other):
            each.train_step(x, y)
    assert np.abs(twin.parameters() - scratch.parameters()).max() <= 1e-13
    assert np.abs(twin.parameters() - other.parameters()).max() > 1e-4
    assert twin.optimizer_state()[1] == STEPS


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", ["torch", "keras"])
def test_a_thousand_steps_of_every_optimizer(name, optimizer, backends, rng):
    """Teacher-forced over 1,000 gradients: against scratch in the same precision, on the ladder."""
    model = network((6, 5, 3))
    gradients = rng.standard_normal((STEPS, model.size)).astype(np.float32) * np.float32(0.1)
    recorded = Recording(model.initialize(rng), gradients)
    scratch = OptimizerTable(name=optimizer).build(backends[name].convention)
    reference = replay(NumpyTwin(model, recorded.parameters, scratch, "float128"), recorded)
    errors = {}
    for dtype in DTYPES:
        twin = backends[name].mirror(model, recorded.parameters, scratch, dtype)
        errors[dtype] = error_of(replay(twin, recorded), reference)
    assert judge(errors).verdict == "rounding", errors


@pytest.mark.parametrize("optimizer", [SGD(momentum=0.9), Adam()])
@pytest.mark.parametrize("name", BACKENDS)
def test_optimizer_state_can_be_taken_out_and_put_back(name, optimizer, backends, rng):
    model = network((6, 5, 3))
    parameters = model.initialize(rng)
    gradients = rng.standard_normal((4, model.size))
    first = backends[name].mirror(model, parameters, optimizer, "float64")
    for gradient in gradients[:2]:
        first.apply_gradients(gradient)
    slots, step = first.optimizer_state()
    assert step == 2
    second = backends[name].mirror(model, first.parameters(), optimizer, "float64")
    second.set_optimizer_state(slots, step)
    for gradient in gradients[2:]:
        first.apply_gradients(gradient)
        second.apply_gradients(gradient)
    assert np.array_equal(first.parameters(), second.parameters())
    assert second.optimizer_state()[1] == 4


def test_the_paper_and_torch_are_one_formula(recording):
    model, recorded = recording
    trajectories = [
        replay(NumpyTwin(model, recorded.parameters, Adam(convention=convention), "float128"), recorded)
        for convention in ("paper", "torch")
    ]
    # Twelve roundings per step in another order, over the recorded steps, each amplified by g / epsilon at most once.
    assert error_of(*trajectories) <= 1e-30
    assert NumpyBackend.convention is None
