"""Every parameter by perturbations of the forward pass: against the float128 truth, and the mistakes that it must name."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from backends.numpy_backend import NumpyTwin
from comparisons import structured
from comparisons.gradients import Probe
from comparisons.structured import check_model, structured_gradients
from scratch import ACTIVATIONS, LOSSES, SGD, Dense, Model
from scratch.activations import Activation
from scratch.initializers import he_normal
from tests.networks import LOSS_CASES, batch_for, loss_id, network, random_networks, with_activation_mistake

RIGHT = ("exact", "rounding")


def backward(model, parameters, x, y, dtype):
    """Scratch's own backward pass."""
    return Probe(parameters, x, y).gradients(NumpyTwin(model, parameters, SGD(), dtype), dtype)


def distance(model, parameters, x, y):
    """How far the perturbations are from the float128 backward pass, relative to the largest gradient."""
    true = backward(model, parameters, x, y, "float128")
    found = structured_gradients(model, parameters, x, y)
    assert found.complex_step
    assert not found.on_kink.any()
    return float(np.abs(found.gradients - true).max() / np.abs(true).max())


@pytest.fixture(scope="module")
def large():
    """784-100-100-2-1 on a batch of eight as sparse as MNIST, and its gradients at both precisions."""
    rng = np.random.default_rng(0)
    widths, outputs = (784, 100, 100, 2, 1), ("relu", "relu", "linear", "linear")
    layers = []
    for fan_in, fan_out, activation in zip(widths, widths[1:], outputs, strict=False):
        layers += [Dense(fan_in, fan_out, he_normal()), ACTIVATIONS[activation]]
    model = Model(784, tuple(layers), LOSSES["binary_cross_entropy"]("mean"))
    x = rng.random((8, 784), dtype=np.float32) * (rng.random((8, 784)) < 0.19)
    point = model, model.initialize(rng), x, rng.integers(0, 2, (8, 1)).astype(float)
    return point, {dtype: backward(*point, dtype) for dtype in ("float32", "float64")}


def test_all_88805_parameters_agree_with_the_float128_truth(large):
    point, _ = large
    assert point[0].size == 88_805
    assert distance(*point) < 1e-14  # the bar of the issue; rounding alone gives 5e-16
    check = check_model(*point)
    assert check.verdict in RIGHT, check.parameters
    assert (check.verified, check.complex_step) == (88_805, True)
    assert check.error < 1e-14


@pytest.mark.parametrize("alone", [True, False], ids=["float64 alone", "both precisions"])
def test_one_wrong_entry_among_88805_is_named(large, alone, rng):
    """Wrong by 1e-9 of itself. Of the entries at least a tenth of their scale, so that it is 1e-10 of that: the ladder calls
    2.6e-12 times the condition number wrong."""
    point, right = large
    truth = structured_gradients(*point)
    (visible,) = np.nonzero(np.abs(right["float64"]) > 0.1 * truth.scales)
    for index in rng.choice(visible, 2):
        wrong = {dtype: gradient.copy() for dtype, gradient in right.items()}
        for gradient in wrong.values():
            gradient[index] *= 1 + 1e-9
        check = check_model(*point, wrong["float64"] if alone else wrong)
        rows = check.parameters[check.parameters["verdict"] == "wrong"]
        assert list(rows["worst"]) == [path_of(point[0], index)]
        assert check.verdict == "wrong"


def path_of(model, index):
    """The path of an entry of the flat vector."""
    for path, view in model.views(np.arange(model.size)).items():
        for place in np.argwhere(view == index):
            return f"{path}[{', '.join(str(i) for i in place)}]"
    raise IndexError(index)


def test_the_sign_of_one_bias_is_named(large):
    point, right = large
    wrong = {dtype: gradient.copy() for dtype, gradient in right.items()}
    for gradient in wrong.values():
        bias = point[0].views(gradient)["dense_2.bias"]
        unit = int(np.argmax(np.abs(bias)))
        bias[unit] *= -1
    check = check_model(*point, wrong)
    rows = check.parameters[check.parameters["verdict"] == "wrong"]
    assert list(rows["worst"]) == [f"dense_2.bias[{unit}]"]
    assert float(rows["found"].iloc[0]) * float(rows["expected"].iloc[0]) < 0


def test_a_mask_missing_on_one_unit_is_named(rng):
    def no_mask_on_unit_2(z, a, da, dz, work):
        ACTIVATIONS["relu"].derivative_rule(z, a, da, dz, work)
        dz[:, 2] = da[:, 2]

    model = network((9, 6, 6, 4))
    point = (model.initialize(rng), *batch_for(model, 8, rng))
    assert check_model(model, *point).verdict in RIGHT
    check = check_model(with_activation_mistake(model, "relu", no_mask_on_unit_2), *point).parameters.set_index("parameter")
    assert check.loc["dense_2.kernel", "worst"].endswith(", 2]")
    assert check.loc["dense_2.bias", "worst"] == "dense_2.bias[2]"
    assert set(check["verdict"][["dense_1.kernel", "dense_1.bias", "dense_2.kernel", "dense_2.bias"]]) == {"wrong"}
    assert set(check["verdict"][["dense_3.kernel", "dense_3.bias"]]) <= set(RIGHT)


@pytest.mark.parametrize(
    ("activation", "output"),
    [(name, output) for name, entry in ACTIVATIONS.items() for output in ("linear", "softmax") if not entry.overflows]
    + [("tanh", name) for name in ACTIVATIONS],
)
def test_every_activation(activation, output, rng):
    model = network((9, 6, 6, 4), activation, LOSSES["mean_squared_error"]("mean"), output)
    assert check_model(model, model.initialize(rng), *batch_for(model, 7, rng)).verdict in RIGHT


@pytest.mark.parametrize("case", LOSS_CASES, ids=loss_id)
def test_every_loss_and_reduction(case, rng):
    loss, indices = case
    model = network((9, 6, 6, 4), "tanh", loss)
    assert check_model(model, model.initialize(rng), *batch_for(model, 7, rng, indices)).verdict in RIGHT


@pytest.mark.parametrize(
    "layers",
    [
        (Dense(5, 4), Dense(4, 3)),
        (ACTIVATIONS["tanh"], Dense(5, 4), ACTIVATIONS["tanh"], ACTIVATIONS["relu"], Dense(4, 3, bias=False)),
        (Dense(5, 3), ACTIVATIONS["softmax"], ACTIVATIONS["tanh"], ACTIVATIONS["softmax"], Dense(3, 3)),
    ],
)
def test_layers_in_any_order(layers, rng):
    model = Model(5, layers, LOSSES["softmax_cross_entropy"]("mean"))
    point = (model.initialize(rng), *batch_for(model, 6, rng))
    assert check_model(model, *point).verdict in RIGHT
    assert distance(model, *point) < 1e-14


@given(random_networks())
@settings(max_examples=100, deadline=None, derandomize=True)
def test_random_networks_pass(case):
    model, indices, rows, seed = case
    rng = np.random.default_rng(seed)
    check = check_model(model, model.initialize(rng), *batch_for(model, rows, rng, indices))
    assert check.verdict in RIGHT, check.parameters
    assert check.verified == model.size


def test_chunks_change_nothing_but_the_memory(large, monkeypatch, rng):
    model = network((9, 6, 7, 4), "softmax")
    point = model, model.initialize(rng), *batch_for(model, 8, rng)
    whole = structured_gradients(*point).gradients
    monkeypatch.setattr(structured, "CHUNK", 1)
    assert np.allclose(structured_gradients(*point).gradients, whole, rtol=0, atol=16 * 2**-53 * np.abs(whole).max())


def test_a_unit_on_a_kink_is_reported_and_not_guessed(rng):
    """An empty image, without biases, puts all units of the first layer on the kink, but no weight moves them there. A unit whose
    weights are zero sits on it too, and its own weights do; those of the layer above see an input of zero."""
    model = network((5, 4, 3), bias=False)
    parameters = model.initialize(rng)
    x, y = batch_for(model, 6, rng)
    x[2] = 0
    check = check_model(model, parameters, x, y)
    assert check.verdict in RIGHT
    assert check.verified == model.size
    model.views(parameters)["dense_1.kernel"][:, 1] = 0
    check = check_model(model, parameters, x, y)
    rows = check.parameters.set_index("parameter")
    assert check.verdict == "inconclusive"
    assert check.verified == model.size - 5
    assert "dense_1.kernel[0, 1] first" in rows.loc["dense_1.kernel", "reason"]
    assert rows.loc["dense_2.kernel", "verdict"] in RIGHT
    wrong = backward(model, parameters, x, y, "float64")
    wrong[0] += 1
    assert check_model(model, parameters, x, y, wrong).verdict == "wrong"


def test_what_is_not_analytic_gets_central_differences(rng):
    """The arctangent of two arguments takes no complex ones: real steps show its derivative, and the ladder knows their error."""

    def rule(z, a, work):
        np.arctan2(z, 1, out=a)

    def derivative_rule(z, a, da, dz, work):
        np.divide(da, 1 + np.square(z), out=dz)

    arctan = Activation("arctan", "arctan(z)", "da / (1 + z^2)", "definition", rule, derivative_rule)
    layers = (Dense(5, 4), arctan, Dense(4, 3))
    model = Model(5, layers, LOSSES["softmax_cross_entropy"]("mean"))
    point = (model.initialize(rng), *batch_for(model, 6, rng))
    found = structured_gradients(model, *point)
    assert not found.complex_step
    assert 0 < found.error < 1e-8
    assert check_model(model, *point).verdict in RIGHT
    twice = replace(arctan, derivative_rule=lambda z, a, da, dz, work: np.divide(2 * da, 1 + np.square(z), out=dz))
    assert check_model(replace(model, layers=(layers[0], twice, layers[2])), *point).verdict == "wrong"


def test_a_crossed_kink_is_reported_where_the_step_is_real(rng):
    """A central difference whose step leads across a kink is worth nothing."""

    def hard(z, a, work):
        np.fmax(z, 0, out=a)  # not among what ComplexStep lets through

    relu = replace(ACTIVATIONS["relu"], rule=hard)
    model = Model(3, (Dense(3, 2), relu, Dense(2, 2)), LOSSES["softmax_cross_entropy"]("mean"))
    parameters = model.initialize(rng)
    views = model.views(parameters)
    x, y = batch_for(model, 1, rng)
    x[...] = 1
    views["dense_1.kernel"][:, 0] = (1, -1, 1e-6)
    found = structured_gradients(model, parameters, x, y)
    assert not found.complex_step
    assert model.views(found.on_kink)["dense_1.kernel"].tolist() == [[True, False]] * 3


def test_what_is_not_finite_is_not_called_right(rng):
    model = network((5, 4, 3), "tanh")
    parameters, (x, y) = model.initialize(rng), batch_for(model, 6, rng)
    wrong = {dtype: backward(model, parameters, x, y, dtype) for dtype in ("float32", "float64")}
    for gradient in wrong.values():
        gradient[7] = np.nan
    check = check_model(model, parameters, x, y, wrong)
    assert check.parameters["worst"][0] == path_of(model, 7)
    assert check.verdict == "wrong"
    x[0, 0] = np.inf
    assert check_model(model, parameters, x, y).verdict == "inconclusive"


def test_a_layer_that_cannot_be_perturbed_is_named():
    class Strange:
        name = "strange"
        parameters = {}  # noqa: RUF012

        def units(self, inputs):
            return inputs

    model = Model(3, (Dense(3, 2), Strange()), LOSSES["mean_squared_error"]("mean"))
    with pytest.raises(ValueError, match="strange_1: only dense layers"):
        check_model(model, np.zeros(model.size), np.zeros((1, 3)), np.zeros((1, 2)))


def test_a_network_without_parameters_has_nothing_to_verify(rng):
    model = Model(3, (ACTIVATIONS["tanh"],), LOSSES["mean_squared_error"]("mean"))
    check = check_model(model, np.zeros(0), *batch_for(model, 2, rng))
    assert (check.verdict, check.verified) == ("inconclusive", 0)
