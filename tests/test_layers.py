"""Every layer on every backend, in training and in inference: outputs, gradients, state; and mistakes that must be caught."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from backends import NotOffered
from backends.numpy_backend import NumpyBackend, NumpyTwin, as_dtype
from comparisons.gradients import check_truth, make_probes
from comparisons.ladder import judge, relative_error
from comparisons.structured import check_model
from scratch import ACTIVATIONS, LOSSES, SGD, Adam, Model, Workspace
from scratch.layers import (
    LAYERS,
    REGULARIZERS,
    VARIANTS,
    BatchNormalization,
    Dense,
    Dropout,
    Embedding,
    GroupNormalization,
    LayerNormalization,
    PReLU,
    Regularizer,
    RMSNormalization,
    UnitNormalization,
)
from scratch.layers.standardizing import standardize
from tests.conftest import BACKENDS, DTYPES
from tests.networks import batch_for, keeping_width, ladder_rows, network, random_networks

RIGHT = ("exact", "rounding")
FRAMEWORKS = ("torch", "keras", "jax")
WIDTH, ROWS, BATCHES = 6, 9, 3
MEAN_SQUARED_ERROR = LOSSES["mean_squared_error"]("mean")
CASES = [(name, "") for name in LAYERS] + [(name, variant) for name, variants in VARIANTS.items() for variant in variants]
"""Every layer with its typical settings, and with those of each variant."""


def made(case, width=WIDTH):
    name, variant = case
    return (VARIANTS[name][variant] if variant else LAYERS[name])(width)


def case_id(case):
    return "-".join(part for part in case if part)


def alone(layer, width=WIDTH):
    return Model(width, (layer,), MEAN_SQUARED_ERROR)


def drawn(model, rng):
    """Parameters that hide nothing: no scale is one, no offset zero; exact in float32."""
    return (model.initialize(rng) + 0.3 * rng.standard_normal(model.size)).astype(np.float32).astype(np.float64)


def measured(model, parameters, batches, cotangent, masks, make_twin, dtypes):
    """By precision, everything that a layer gives: output and gradients in both modes, and the state after all batches."""
    found = {}
    for dtype in dtypes:
        twin = make_twin(dtype)
        twin.set_parameters(as_dtype(parameters, dtype))
        twin.set_masks(masks)
        passes = [twin.vjp(as_dtype(x, dtype), as_dtype(cotangent, dtype)) for x in batches]
        inference = twin.vjp(as_dtype(batches[0], dtype), as_dtype(cotangent, dtype), training=False)
        found[dtype] = {
            **dict(zip(("output", "dx", "dp"), passes[0], strict=True)),
            "state": twin.state(),
            **dict(zip(("output in inference", "dx in inference", "dp in inference"), inference, strict=True)),
            "prediction": twin.predict(as_dtype(batches[0], dtype)),
        }
    return found


def ladders(layer, backend, rng, truth_layer=None, scale=1.0):
    """Each of them on the ladder against scratch in float128, in the backend's convention or as `truth_layer` says."""
    model, truth = alone(layer), alone(truth_layer or layer.in_convention(backend.convention or "paper"))
    batches = [scale * batch_for(model, ROWS, rng)[0] for _ in range(BATCHES)]
    cotangent = rng.standard_normal((ROWS, model.widths[-1])).astype(np.float32)
    point = drawn(model, rng), batches, cotangent, model.draw_masks(rng, ROWS)
    found = measured(model, *point, lambda dtype: backend.mirror(model, point[0], SGD(), dtype), DTYPES)
    true = measured(truth, *point, lambda dtype: NumpyTwin(truth, point[0], SGD(), dtype), ["float128"])["float128"]
    return {
        name: judge({dtype: relative_error(found[dtype][name], reference) for dtype in DTYPES})
        for name, reference in true.items()
    }


@pytest.mark.parametrize("case", CASES, ids=case_id)
@pytest.mark.parametrize("name", BACKENDS)
def test_layers_alone(name, case, backends, rng):
    for what, ladder in ladders(made(case), backends[name], rng).items():
        assert ladder.verdict in RIGHT, (what, ladder)


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_derivatives_in_float128_agree_with_central_differences(case, rng):
    """In training, between a dense layer and a loss, so that the derivative by the layer's input is in the dense one's."""
    layer = made(case, 4)
    around = (layer,) if isinstance(layer, Embedding) else (Dense(5, 4), layer)
    width = 4 if isinstance(layer, Embedding) else 5
    model = Model(width, (*around, ACTIVATIONS["tanh"]), MEAN_SQUARED_ERROR)
    parameters = drawn(model, rng)
    truth = NumpyTwin(model, parameters, SGD(), "float128")
    twins = {dtype: NumpyTwin(model, parameters, SGD(), dtype) for dtype in DTYPES}
    for probe in make_probes(model, [parameters], [batch_for(model, 6, rng)], rng):
        for row in check_truth(model, probe, truth, twins, rng):
            assert row["verdict"] in RIGHT, row
            # The differences' own error is h^2 f'''/6 + u |f| / h; a normalization's third derivative is 1 / sigma^3.
            assert row["float128"] <= max(100 * row["reference_error"], 1e-20), row


@pytest.mark.parametrize("layer", [name for name in LAYERS if name != "embedding"])
@pytest.mark.parametrize("name", BACKENDS)
def test_training_steps_agree(name, layer, backends, rng):
    """Three steps of Adam through a layer between dense ones: parameters and state."""
    convention = backends[name].convention or "paper"
    hidden = LAYERS[layer](WIDTH)
    model = Model(5, (Dense(5, WIDTH), hidden, Dense(hidden.units(WIDTH), 3)), MEAN_SQUARED_ERROR)
    truth = model.in_convention(convention)
    batches = [batch_for(model, ROWS, rng) for _ in range(BATCHES)]
    parameters, masks = drawn(model, rng), model.draw_masks(rng, ROWS)
    after = {}
    for dtype in (*DTYPES, "float128"):
        optimizer = Adam(epsilon=1e-3, convention=convention)
        made_by = NumpyBackend() if dtype == "float128" else backends[name]
        twin = made_by.mirror(truth if dtype == "float128" else model, parameters, optimizer, dtype)
        twin.set_masks(masks)
        for x, y in batches:
            twin.train_step(as_dtype(x, dtype), as_dtype(y, dtype))
        after[dtype] = np.concatenate([twin.parameters(), twin.state()])
    ladder = judge({dtype: relative_error(after[dtype], after["float128"]) for dtype in DTYPES})
    assert ladder.verdict in RIGHT, ladder


@pytest.mark.parametrize("regularizer", REGULARIZERS)
@pytest.mark.parametrize("name", BACKENDS)
def test_regularizers(name, regularizer, backends, rng):
    """Loss and gradients with a penalty on two kernels, one of whose entries is zero, in each framework's convention."""
    penalty = REGULARIZERS[regularizer]
    layers = (Dense(5, 4, kernel_regularizer=penalty), ACTIVATIONS["tanh"], Dense(4, 3, kernel_regularizer=penalty))
    model = Model(5, layers, MEAN_SQUARED_ERROR)
    parameters = drawn(model, rng)
    model.views(parameters)["dense_1.kernel"][0, 0] = 0
    x, y = batch_for(model, ROWS, rng)
    losses, gradients = {}, {}
    truth = NumpyTwin(model.in_convention(backends[name].convention or "paper"), parameters, SGD(), "float128")
    loss, true = truth.loss_and_gradients(as_dtype(x, "float128"), as_dtype(y, "float128"))
    unpenalised = NumpyTwin(Model(5, (Dense(5, 4), layers[1], Dense(4, 3)), model.loss), parameters, SGD(), "float128")
    assert float(loss - unpenalised.loss_and_gradients(as_dtype(x, "float128"), as_dtype(y, "float128"))[0]) > 0.01
    for dtype in DTYPES:
        twin = backends[name].mirror(model, parameters, SGD(), dtype)
        value, found = twin.loss_and_gradients(x.astype(dtype), y.astype(dtype))
        losses[dtype] = relative_error(np.array([value]), as_dtype([loss], "float128"))
        gradients[dtype] = relative_error(found.gradients, true.gradients)
    assert judge(losses).verdict in RIGHT, losses
    assert judge(gradients).verdict in RIGHT, gradients


@given(random_networks(mixed=True))
@settings(max_examples=80, deadline=None, derandomize=True)
def test_random_networks_in_scratch_are_not_called_wrong(case):
    model, indices, rows, seed = case
    for row in ladder_rows(model, NumpyBackend(), np.random.default_rng(seed), rows, indices=indices):
        assert row["verdict"] != "wrong", row


# Keras advises against a softmax over one class, which is right in what it computes.
@pytest.mark.filterwarnings("ignore:In loss categorical_.*crossentropy:SyntaxWarning")
@pytest.mark.parametrize("name", FRAMEWORKS)
def test_random_networks_on_frameworks_are_not_called_wrong(name, backends):
    @given(random_networks(mixed=True, gaps=backends[name].gaps))
    @settings(
        max_examples={"torch": 30, "keras": 8, "jax": 3}[name],
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    def check(case):
        model, indices, rows, seed = case
        for row in ladder_rows(model, backends[name], np.random.default_rng(seed), rows, indices=indices):
            assert row["verdict"] != "wrong", row

    check()


def test_random_networks_draw_every_layer_that_keeps_the_width():
    assert {layer.name for layer in keeping_width(4)} == set(LAYERS) - {"dense", "embedding"}


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_the_running_variance_is_a_convention(name, backends, rng):
    """In its own convention every framework agrees; in the other one the state is wrong, and nothing else is."""
    own = BatchNormalization(WIDTH).in_convention(backends[name].convention)
    assert own.running_variance == ("biased" if name == "keras" else "unbiased")
    other = replace(own, running_variance="unbiased" if name == "keras" else "biased")
    found = ladders(own, backends[name], rng, truth_layer=other)
    in_training = {"output", "dx", "dp"}
    assert {what for what, ladder in found.items() if ladder.verdict not in RIGHT} == set(found) - in_training
    assert found["state"].verdict == "wrong"


class PlantedBatch(BatchNormalization):
    """Batch normalization whose backward takes mean and variance for constants."""

    def backward(self, parameters, x, y, dy, gradients, dx, work):
        super().backward(parameters, x, y, dy, gradients, dx, work)
        if dx is not None:
            np.divide(dy * parameters["scale"], work.buffer("sigma"), out=dx)


class PlantedState(BatchNormalization):
    """Batch normalization that takes the momentum for the batch's share."""

    def _update(self, work, rows):
        BatchNormalization._update(replace(self, momentum=1 - self.momentum), work, rows)


class PlantedRMS(RMSNormalization):
    """Epsilon beside the root."""

    def forward(self, parameters, x, y, work):
        z = work.buffer("normalized", *x.shape)
        standardize(x.reshape(len(x), 1, -1), z.reshape(len(x), 1, -1), 2, 1e-300, work, center=False)
        sigma = work.buffer("sigma").reshape(-1, 1)
        z *= sigma / (sigma + self.epsilon)
        self.scale_and_shift(parameters, z, y)


class PlantedPReLU(PReLU):
    """The slope's gradient summed over all units as well."""

    def backward(self, parameters, x, y, dy, gradients, dx, work):
        super().backward(parameters, x, y, dy, gradients, dx, work)
        gradients["slope"][...] = np.add.reduce(gradients["slope"])


class PlantedEmbedding(Embedding):
    """Tokens that repeat in a batch counted once."""

    def backward(self, parameters, x, y, dy, gradients, dx, work):
        gradients["kernel"][...] = 0
        gradients["kernel"][x.astype(int)] = dy.reshape(*x.shape, self.dimension)


class PlantedDropout(Dropout):
    """No scaling."""

    def forward(self, parameters, x, y, work):
        np.multiply(x, work.mask if work.training else 1, out=y)


PLANTED = {
    "mean and variance constant": (PlantedBatch(WIDTH), {"dx"}),
    "momentum for its complement": (PlantedState(WIDTH), {"state"}),
    "epsilon beside the root": (PlantedRMS(WIDTH), {"output"}),
    "one slope for all": (PlantedPReLU(WIDTH), {"dp"}),
    "repeated tokens once": (PlantedEmbedding(10, 3), {"dp"}),
    "no scaling": (PlantedDropout(0.5), {"output", "dx"}),
    "two groups for three": (GroupNormalization(WIDTH, groups=3), {"output", "dx"}),
    "epsilon by a thousandth": (LayerNormalization(WIDTH, 1.001e-5), {"output"}),
}


@pytest.mark.parametrize("mistake", PLANTED)
def test_planted_mistakes_are_wrong(mistake, rng):
    layer, expected = PLANTED[mistake]
    right = LAYERS[layer.name](WIDTH)
    found = ladders(layer, NumpyBackend(), rng, truth_layer=right)
    assert expected <= {what for what, ladder in found.items() if ladder.verdict == "wrong"}, found
    assert all(ladder.verdict in RIGHT for ladder in ladders(right, NumpyBackend(), rng).values())


def test_a_forgotten_penalty_is_wrong(rng):
    right = Model(5, (Dense(5, 3, kernel_regularizer=Regularizer(l2=0.01)),), MEAN_SQUARED_ERROR)
    forgotten = Model(5, (Dense(5, 3),), MEAN_SQUARED_ERROR)
    verdicts = {row["verdict"] for row in ladder_rows(forgotten, NumpyBackend(), rng, truth_model=right)}
    assert "wrong" in verdicts


CENTERED = (BatchNormalization(1), LayerNormalization(ROWS), GroupNormalization(ROWS, groups=1))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layer", CENTERED, ids=lambda layer: layer.name)
@pytest.mark.parametrize("value", [0.1, 1000.1, 123456.7])
def test_scratch_normalizes_a_constant_to_exactly_zero(value, layer, dtype):
    """The mean of equal numbers is not always that number; what it misses by is taken off again."""
    found = NumpyTwin(alone(layer, layer.inputs), drawn_once(layer), SGD(), dtype).vjp(
        np.full((ROWS, 1) if layer.inputs == 1 else (1, ROWS), value, dtype), np.ones((ROWS, 1)).reshape(-1, layer.inputs)
    )
    assert not found.output.any()


def drawn_once(layer):
    return alone(layer, layer.inputs).initialize(np.random.default_rng(0))


@pytest.mark.parametrize("layer", CENTERED, ids=lambda layer: layer.name)
@pytest.mark.parametrize("offset", [1e3, 1e5])
def test_scratch_keeps_the_digits_of_nearly_constant_inputs(offset, layer):
    """The inputs are exact in float32, and so is their difference from a mean nearby: a few roundoffs are left."""
    x = (offset + np.arange(ROWS) / 64).astype(np.float32).reshape(-1, layer.inputs)
    outputs = {}
    for dtype in ("float32", "float128"):
        twin = NumpyTwin(alone(layer, layer.inputs), drawn_once(layer), SGD(), dtype)
        outputs[dtype] = twin.vjp(as_dtype(x, dtype), np.ones_like(x)).output
    # Sum, mean, rest, square, root and quotient: about ten roundings.
    assert relative_error(outputs["float32"], outputs["float128"]) <= 10 * 2.0**-24


@pytest.mark.parametrize("size", [1e-30, 1e-20, 1e20, 1e30])
@pytest.mark.parametrize("name", [name for name in LAYERS if "normalization" in name])
def test_normalizations_in_scratch_neither_overflow_nor_lose_small_inputs(name, size, rng):
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        model = alone(LAYERS[name](WIDTH))
        x = (size * rng.standard_normal((ROWS, WIDTH))).astype(np.float32)
        if name == "batch_normalization" and size > 1:
            model = alone(BatchNormalization(WIDTH, momentum=0.0))
            x = x.astype(np.float64)  # the variance itself, which is the state, is beyond float32
        dtype = x.dtype.name
        found = NumpyTwin(model, drawn(model, rng), SGD(), dtype).vjp(x, np.ones_like(x))
    assert np.isfinite(found.output).all()
    assert np.isfinite(found.input_gradient).all()
    assert found.output.any()


@pytest.mark.parametrize("name", BACKENDS)
def test_a_batch_of_one_row(name, backends):
    """The unbiased variance of one row is 0 / 0: all but Keras refuse, whose biased one gives the offset."""
    model = alone(BatchNormalization(3), 3).in_convention(backends[name].convention or "paper")
    twin = backends[name].mirror(model, np.array([1.0, 2, 3, 4, 5, 6]), SGD(), "float64")
    x = np.array([[0.5, 2.0, -3.0]])
    if name != "keras":
        with pytest.raises(ValueError, match=r"one row|more than 1 value"):
            twin.vjp(x, np.ones((1, 3)))
    else:
        found = twin.vjp(x, np.ones((1, 3)))
        assert np.allclose(found.output, [[4, 5, 6]], rtol=0, atol=1e-13)  # Keras adds x / sqrt(epsilon) and takes it off
        assert np.abs(found.input_gradient).max() < 1e-10


@pytest.mark.parametrize("name", BACKENDS)
def test_the_padding_row_gets_no_gradient(name, backends, rng):
    model = alone(Embedding(5, 3, padding_index=2), 4)
    parameters = drawn(model, rng)
    if name == "keras":
        with pytest.raises(NotOffered, match="padding row"):
            backends[name].mirror(model, parameters, SGD(), "float64")
        return
    x = np.array([[0.0, 2, 2, 4], [2, 1, 1, 1]])
    found = backends[name].mirror(model, parameters, SGD(), "float64").vjp(x, rng.standard_normal((2, 12)))
    assert np.array_equal(found.output.reshape(2, 4, 3), parameters.reshape(5, 3)[x.astype(int)])
    assert found.gradients.reshape(5, 3).any(axis=1).tolist() == [True, True, False, False, True]


def test_a_zero_row_normalized_to_length_one(backends):
    """Its derivative is dy / epsilon; PyTorch and Keras agree, with JAX users' safe norm too."""
    model = alone(UnitNormalization(), 2)
    for name in BACKENDS:
        found = backends[name].mirror(model, np.zeros(0), SGD(), "float64").vjp(np.zeros((1, 2)), np.ones((1, 2)))
        assert not found.output.any()
        assert np.allclose(found.input_gradient, 1e12, rtol=1e-15), name


def test_kink_distances_see_a_slope_that_jumps():
    model = alone(PReLU(2), 2)
    workspace = Workspace(model, model.initialize(np.random.default_rng(0)), np.zeros(2), 2)
    workspace.input[...] = [[0.0, 1.0], [-2.0, 4.0]]
    workspace.forward()
    assert workspace.kink_distances().tolist() == [0.0, 0.5]


def test_layers_say_their_own_first_state():
    model = Model(3, (BatchNormalization(3), Dense(3, 2), BatchNormalization(2)), MEAN_SQUARED_ERROR)
    assert model.initial_state().tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 1, 1]
    assert list(model.state_shapes) == [
        f"batch_normalization_{index}.{name}" for index in (1, 2) for name in ("mean", "variance")
    ]
    assert (model.fewest_rows, model.in_convention("keras").fewest_rows, network((3, 2)).fewest_rows) == (2, 1, 1)


@pytest.mark.parametrize("layer", [name for name in LAYERS if name != "embedding"])
def test_forward_and_backward_allocate_no_array(layer, rng):
    model = alone(LAYERS[layer](80), 80)
    parameters = model.initialize(rng).astype(np.float32)
    workspace = Workspace(model, parameters, np.zeros_like(parameters), 512)
    workspace.input[...] = rng.standard_normal((512, 80))
    workspace.output_gradient[...] = 1

    def step():
        workspace.forward()
        workspace.backward(input_gradient=True)

    step()
    tracemalloc.start()
    step()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    step()
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    # One matrix has 163,840 bytes; NumPy's own iterator takes at most 8,192 elements, 32,768 bytes, per operand that it buffers.
    assert peak < 100_000


def test_structured_perturbations_name_the_layer_that_they_cannot_take(rng):
    normalized = Model(4, (Dense(4, 3), LayerNormalization(3)), MEAN_SQUARED_ERROR)
    with pytest.raises(ValueError, match=r"layer_normalization_1: only dense layers .*check_truth"):
        check_model(normalized, normalized.initialize(rng), *batch_for(normalized, 5, rng))
    penalised = Model(4, (Dense(4, 3, kernel_regularizer=Regularizer(l1=0.1)),), MEAN_SQUARED_ERROR)
    with pytest.raises(ValueError, match=r"dense_1\.kernel_regularizer: .*check_truth"):
        check_model(penalised, penalised.initialize(rng), *batch_for(penalised, 5, rng))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BatchNormalization(0), "empty"),
        (lambda: LayerNormalization(3, epsilon=0.0), "layer_normalization.epsilon: 0.0 is not a positive number"),
        (lambda: BatchNormalization(3, momentum=1.0), r"batch_normalization.momentum: 1.0 is not in \[0, 1\)"),
        (lambda: GroupNormalization(4, groups=3), "3 groups do not divide 4 inputs"),
        (lambda: RMSNormalization(4, offset=True), "rms_normalization.offset: it has none"),
        (lambda: UnitNormalization(-1.0), "unit_normalization.epsilon"),
        (lambda: Embedding(0, 2), "0 tokens"),
        (lambda: Embedding(3, 2, padding_index=3), "embedding.padding_index: 3 is not one of the 3 tokens"),
        (lambda: PReLU(0), "empty"),
        (lambda: Regularizer(l1=-1.0), "must not be negative"),
        (lambda: alone(LayerNormalization(3), 4), "takes 3 inputs, but the layer before has 4"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("token", [3.0, -1.0, 0.5, np.nan])
def test_what_is_no_token_is_refused_with_its_place(token):
    x = np.zeros((2, 3))
    x[1, 2] = token
    with pytest.raises(ValueError, match=r"input\[1, 2\] = .* is not one of the 3 tokens. Give whole numbers from 0 to 2"):
        NumpyTwin(alone(Embedding(3, 2), 3), np.zeros(6), SGD(), "float64").predict(x)
