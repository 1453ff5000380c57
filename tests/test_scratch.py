"""scratch: every derivative against the definition of the derivative in float128, and what its parts promise."""

import tracemalloc

import mpmath
import numpy as np
import pytest

from backends import float128
from backends.numpy_backend import NumpyTwin, as_dtype
from comparisons.gradients import Probe, central_difference, check_truth, make_probes
from scratch import ACTIVATIONS, SGD, Adam, Dense, Model, Workspace
from scratch.arrays import Work
from scratch.losses import LOSSES
from scratch.optimizers import CHUNK, OptimizerState
from tests.networks import LOSS_CASES, batch_for, loss_id, network
from tests.test_float128 import exact

CENTRAL = 1e-20
"""Issue's bound for float128 against central differences: h^2 f''' / 6 + u |f| / h is about 1e-22 at h = 1e-11; the values
here are below 100."""


def smooth_samples(activation, rng):
    samples = np.array(activation.samples + tuple(rng.standard_normal(40)))
    away = np.array([z for z in samples if all(abs(z - kink) > 1e-6 for kink in activation.kinks)])
    return away[: 2 * (away.size // 2)]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_derivatives(name, rng):
    activation = ACTIVATIONS[name]
    z = float128.array(smooth_samples(activation, rng).reshape(1, -1))
    units = activation.units(z.size)
    cotangent = float128.array(rng.standard_normal((1, units)))
    work = Work.empty(z, 1, units)

    def value(point):
        a = np.empty_like(point, shape=(1, units))
        activation.forward({}, point, a, work)
        return np.add.reduce(np.multiply(a, cotangent), axis=None)

    a, dz = np.empty_like(cotangent), np.empty_like(z)
    activation.forward({}, z, a, work)
    activation.backward({}, z, a, cotangent, {}, dz, work)
    for index in range(z.shape[1]):
        direction = np.zeros_like(z)
        direction[0, index] = 1
        assert abs(float(central_difference(value, z, direction) - dz[0, index])) <= CENTRAL


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "softmax"])
def test_activations_agree_with_mpmath(name, rng):
    activation = ACTIVATIONS[name]
    z = float128.array((rng.standard_normal(12) * 20).reshape(1, -1))
    a = np.empty_like(z)
    activation.forward({}, z, a, Work.empty(z, *z.shape))
    points = [exact(value) for value in z[0]]
    total = mpmath.fsum(mpmath.exp(point) for point in points)
    true = {
        "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
        "tanh": mpmath.tanh,
        "softmax": lambda x: mpmath.exp(x) / total,
    }[name]
    for value, point in zip(a[0], points, strict=True):
        # exp turns the rounding of its argument, up to 60 in size here, into a relative error of as many roundoffs.
        assert abs(float(exact(value) / true(point) - 1)) <= 200 * float128.UNIT_ROUNDOFF


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_extreme_inputs_give_no_warning_and_no_nan(name, dtype):
    activation = ACTIVATIONS[name]
    z = np.array([[-1e4, -100.0, -0.0, 0.0, 100.0, 1e4]], dtype=dtype)
    if activation.overflows:
        z = np.minimum(z, 50)
    a, dz = np.empty_like(z, shape=(1, activation.units(6))), np.empty_like(z)
    work = Work.empty(z, *a.shape)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        activation.forward({}, z, a, work)
        activation.backward({}, z, a, np.ones_like(a), {}, dz, work)
    assert np.isfinite(a).all()
    assert np.isfinite(dz).all()


@pytest.mark.parametrize("case", LOSS_CASES, ids=loss_id)
def test_loss_derivatives(case, rng):
    loss, indices = case
    z = float128.array(rng.standard_normal((5, 4)) * 3)
    _, y = batch_for(Model(4, (), loss), 5, rng, indices)
    y = y if y.ndim == 1 else as_dtype(y, "float128")
    dz, work = np.empty_like(z), Work.empty(z, 5, 4)

    def value(point):
        return loss.value_and_gradient(point, y, np.empty_like(point), work)

    loss.value_and_gradient(z, y, dz, work)
    for index in np.ndindex(*z.shape):
        direction = np.zeros_like(z)
        direction[index] = 1
        assert abs(float(central_difference(value, z, direction) - dz[index])) <= CENTRAL


def test_loss_values_and_reductions():
    z, y = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]]), np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 2.0]])
    squares = {"mean": 20 / 6, "batchmean": 10.0, "half_batchmean": 5.0, "sum": 20.0}
    for reduction, expected in squares.items():
        loss = LOSSES["mean_squared_error"](reduction)
        assert loss.value_and_gradient(z, y, np.empty_like(z), Work.empty(z, 2, 3)) == pytest.approx(expected, rel=1e-15)
    loss = LOSSES["softmax_cross_entropy"]("mean")
    two = loss.value_and_gradient(np.zeros((2, 3)), np.array([0, 2]), np.empty((2, 3)), Work.empty(z, 2, 3))
    assert two == pytest.approx(np.log(3), rel=1e-15)
    loss = LOSSES["binary_cross_entropy"]("sum")
    far = np.array([[800.0, -800.0]])
    right = loss.value_and_gradient(far, np.array([[1.0, 0.0]]), np.empty_like(far), Work.empty(far, 1, 2))
    wrong = loss.value_and_gradient(far, np.array([[0.0, 1.0]]), np.empty_like(far), Work.empty(far, 1, 2))
    assert (right, wrong) == (0.0, 1600.0)


def test_the_worked_figures_of_softmax():
    """Of the lecture notes that the project reproduces: softmax of [3.0, 1.0, 0.2]."""
    z = np.array([[3.0, 1.0, 0.2]])
    a = np.empty_like(z)
    ACTIVATIONS["softmax"].forward({}, z, a, Work.empty(z, 1, 3))
    assert np.round(a, 8).tolist() == [[0.8360188, 0.11314284, 0.05083836]]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_whole_networks_in_float128_agree_with_central_differences(activation, rng):
    model = network((6, 5, 4), activation)
    parameters = model.initialize(rng)
    truth = NumpyTwin(model, parameters, SGD(), "float128")
    for probe in make_probes(model, [parameters], [batch_for(model, 4, rng)], rng):
        twins = {dtype: NumpyTwin(model, parameters, SGD(), dtype) for dtype in ("float32", "float64")}
        for row in check_truth(model, probe, truth, twins, rng):
            assert row["float128"] <= CENTRAL, row
            assert row["verdict"] == "rounding", row


def test_the_check_of_the_truth_can_fail(rng):
    model = network((6, 5, 4), "tanh")
    parameters = model.initialize(rng)
    x, y = batch_for(model, 4, rng)

    class Broken(NumpyTwin):
        """Wrong by 1e-16: nothing that float32 or float64 could show."""

        def loss_and_gradients(self, x, y):
            loss, pullback = super().loss_and_gradients(x, y)
            return loss, pullback._replace(gradients=pullback.gradients * (1 + float128.array(1e-16)[()]))

    broken = Broken(model, parameters, SGD(), "float128")
    twins = {dtype: Broken(model, parameters, SGD(), dtype) for dtype in ("float32", "float64")}
    for row in check_truth(model, Probe(parameters, x, y), broken, twins, rng):
        assert row["verdict"] == "wrong", row
        assert row["float128"] == pytest.approx(1e-16, rel=1e-3)


@pytest.mark.parametrize("hidden", [(1, 1, 1), (2, 2)])
def test_the_check_of_the_truth_stays_away_from_kinks(hidden, rng):
    """Dead units and no biases: many rows have pre-activations of exactly zero in the layers behind."""
    model = network((5, *hidden, 3), "relu", bias=False)
    for seed in range(10):
        parameters = model.initialize(np.random.default_rng(seed))
        truth = NumpyTwin(model, parameters, SGD(), "float128")
        twins = {dtype: NumpyTwin(model, parameters, SGD(), dtype) for dtype in ("float32", "float64")}
        for probe in make_probes(model, [parameters], [batch_for(model, 8, rng)], rng):
            for row in check_truth(model, probe, truth, twins, rng):
                assert row["verdict"] != "wrong", (seed, row)


def test_initial_parameters_are_exact_in_float32_and_depend_on_the_seed_alone():
    model = network((20, 7, 3))
    first, again, other = (model.initialize(np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(first, first.astype(np.float32))


def test_names_shapes_and_views():
    model = network((4, 3, 2))
    assert model.layer_names == ("dense_1", "relu_1", "dense_2", "linear_1")
    shapes = {"dense_1.kernel": (4, 3), "dense_1.bias": (3,), "dense_2.kernel": (3, 2), "dense_2.bias": (2,)}
    assert model.shapes == shapes
    vector = np.arange(float(model.size))
    views = model.views(vector)
    views["dense_2.bias"][...] = -1
    assert vector[-2:].tolist() == [-1, -1]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="takes 3 inputs, but the layer before has 4"):
        Model(4, (Dense(3, 2),), LOSSES["mean_squared_error"]("mean"))
    with pytest.raises(ValueError, match="does not hold the model's"):
        network((4, 3, 2)).views(np.zeros(5))
    with pytest.raises(ValueError, match="no reduction"):
        LOSSES["softmax_cross_entropy"]("batchmean")
    with pytest.raises(ValueError, match="empty"):
        Dense(0, 3)
    for bad in (lambda: Adam(beta_1=1.0), lambda: Adam(epsilon=-1), lambda: SGD(momentum=1.5), lambda: Adam(convention="jax")):
        with pytest.raises(ValueError, match=r"adam|sgd"):
            bad()
    with pytest.raises(ValueError, match="nothing to look ahead"):
        SGD(nesterov=True)


@pytest.mark.parametrize("optimizer", [SGD(), SGD(momentum=0.9), SGD(momentum=0.9, nesterov=True), Adam()])
def test_the_hot_loop_allocates_no_array(optimizer, rng):
    model = network((80, 70, 60))
    parameters = model.initialize(rng).astype(np.float32)
    gradients = np.zeros_like(parameters)
    workspace = Workspace(model, parameters, gradients, 256)
    x, y = batch_for(model, 256, rng, indices=False)
    state = optimizer.init(parameters, gradients)

    def step():
        np.copyto(workspace.input, x)
        workspace.forward()
        workspace.loss(y)
        workspace.backward()
        optimizer.update(state)

    step()
    tracemalloc.start()
    step()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    step()
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    # The loop's smallest matrix, (256, 60) in float32, has 61,440 bytes, a vector of parameters 39,440. NumPy's own
    # iterator takes a buffer of at most 8,192 elements, 32,768 bytes, for an operation that broadcasts.
    assert peak < 36_000


@pytest.mark.parametrize("optimizer", [SGD(momentum=0.9), Adam(), Adam(convention="torch"), Adam(convention="keras")])
def test_updates_in_chunks_give_the_same_bits(optimizer, rng):
    size = 8 * CHUNK + 5
    start = rng.standard_normal(size).astype(np.float32)
    whole, chunked = start.copy(), start.copy()
    gradients = rng.standard_normal(size).astype(np.float32)
    states = []
    for parameters in (whole, chunked):
        states.append(optimizer.init(parameters, gradients))
    one = states[0]
    assert len(states[1].chunks) == 9
    one.chunks = [(whole, gradients, *one.slots.values(), *(np.empty_like(whole) for _ in range(2)))]
    if optimizer.name != "adam":
        one.chunks = [one.chunks[0][:4]]
    for _ in range(3):
        for state in states:
            optimizer.update(state)
    assert np.array_equal(whole, chunked)


def test_saved_optimizer_state_continues_with_the_same_bits(rng):
    start = rng.standard_normal(30)
    steps = rng.standard_normal((6, 30))
    for optimizer in (SGD(momentum=0.9), Adam()):
        straight, gradients = start.copy(), np.empty(30)
        state = optimizer.init(straight, gradients)
        for step in steps:
            gradients[...] = step
            optimizer.update(state)
        first = start.copy()
        before = optimizer.init(first, gradients)
        for step in steps[:3]:
            gradients[...] = step
            optimizer.update(before)
        restored: OptimizerState = optimizer.init(first, gradients)
        restored.load({name: slot.copy() for name, slot in before.slots.items()}, before.step)
        for step in steps[3:]:
            gradients[...] = step
            optimizer.update(restored)
        assert np.array_equal(first, straight)
