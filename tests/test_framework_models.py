"""Networks as the frameworks' own models and back, and layers with a planted mistake on every backend."""

import importlib
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch

from backends import NotOffered
from backends.numpy_backend import NumpyTwin, as_dtype
from comparisons.ladder import judge, relative_error
from comparisons.verification.cells import judge_results
from comparisons.verification.networks import Point
from scratch import ACTIVATIONS, SGD, Adam, Dense, Model
from scratch.activations import Activation
from scratch.layers import LAYERS, VARIANTS, BatchNormalization, Dropout, LayerNormalization, Regularizer, RMSNormalization
from scratch.losses import softmax_cross_entropy
from scratch.mistakes import DropoutWithoutFactor, mended, without_mask
from scratch.optimizers import FTRL, OPTIMIZERS
from tests.conftest import BACKENDS, DTYPES

RIGHT = ("exact", "rounding")
FRAMEWORKS = ("torch", "keras")
WIDTH = 6


# Planted mistakes

WITHOUT_MASK, WITHOUT_FACTOR = without_mask(ACTIVATIONS["relu"]), DropoutWithoutFactor(0.3)
MISTAKEN = Model(5, (Dense(5, 8), WITHOUT_MASK, WITHOUT_FACTOR, Dense(8, 3)), softmax_cross_entropy())
MEANT = replace(MISTAKEN, layers=tuple(mended(layer) for layer in MISTAKEN.layers))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BACKENDS)
def test_a_planted_mistake_is_the_one_described(name, dtype, backends, rng):
    x, cotangent = rng.standard_normal((2, 7, WIDTH)).astype(np.float32).astype(dtype)
    for layer in (WITHOUT_MASK, WITHOUT_FACTOR):
        model = Model(WIDTH, (layer,), softmax_cross_entropy())
        right = replace(model, layers=(mended(layer),))
        masks = model.draw_masks(rng, len(x))
        found, meant = (backends[name].mirror(m, m.initialize(rng), SGD(), dtype) for m in (model, right))
        found.set_masks(masks)
        meant.set_masks(dict(zip(right.layer_names, masks.values(), strict=False)))
        wrong = cotangent * next(iter(masks.values())).astype(dtype) if masks else cotangent
        np.testing.assert_array_equal(found.vjp(x, cotangent).input_gradient, wrong)
        np.testing.assert_array_equal(found.vjp(x, cotangent).output, meant.vjp(x, cotangent).output)
        np.testing.assert_array_equal(found.predict(x), meant.predict(x))
        assert not np.array_equal(meant.vjp(x, cotangent).input_gradient, wrong)
        inference = found.vjp(x, cotangent, training=False).input_gradient
        np.testing.assert_array_equal(inference, cotangent)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_planted_mistake_is_the_same_one_everywhere(name, backends, rng):
    """Gradients of a network against scratch's: to rounding with the mistakes, and never with the layers that were meant."""
    parameters = MISTAKEN.initialize(rng)
    x, y = rng.standard_normal((6, 5)).astype(np.float32), rng.integers(0, 3, 6)
    masks = MISTAKEN.draw_masks(rng, len(x))

    def gradients(twin, dtype):
        twin.set_masks(dict(zip(twin.model.layer_names[2:3], masks.values(), strict=True)))
        return twin.loss_and_gradients(as_dtype(x, dtype), y)[1].gradients

    found = {dtype: gradients(backends[name].mirror(MISTAKEN, parameters, SGD(), dtype), dtype) for dtype in DTYPES}
    for model, verdicts in ((MISTAKEN, RIGHT), (MEANT, ("wrong",))):
        ladder = judge_results(found, gradients(NumpyTwin(model, parameters, SGD(), "float128"), "float128"))
        assert ladder.verdict in verdicts, ladder


@pytest.mark.parametrize("layer", [WITHOUT_MASK, WITHOUT_FACTOR], ids=lambda layer: layer.name)
@pytest.mark.parametrize("name", BACKENDS)
def test_the_ladder_finds_a_planted_mistake(name, layer, backends):
    """Against central differences in float128, which know of no backward pass."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((8, WIDTH)).astype(np.float32)
    for each, verdicts in ((layer, ("wrong",)), (mended(layer), RIGHT)):
        point = Point.of(each, WIDTH, (x,), rng)
        true, _, uncertain = point.differences(training=True)
        twins = {dtype: backends[name].mirror(point.model, point.parameters, SGD(), dtype) for dtype in DTYPES}
        found = {dtype: point.pull_back(twin, dtype, training=True).input_gradient for dtype, twin in twins.items()}
        assert judge_results(found, true, uncertain).verdict in verdicts


# Rates and outputs, beside what the conformance checks say of them


@pytest.mark.parametrize("name", BACKENDS)
def test_a_rate_that_is_none_is_refused(name, backends, rng):
    def twin(optimizer):
        return backends[name].mirror(MEANT, MEANT.initialize(rng), optimizer, "float32")

    for rate in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not a number of 0 or more"):
            twin(SGD()).set_learning_rate(rate)
    if "optimizer/rprop" not in backends[name].gaps:
        convention = backends[name].convention or "paper"
        with pytest.raises(NotOffered, match="first step only"):
            twin(OPTIMIZERS["rprop"](convention=convention)).set_learning_rate(0.1)
    if "optimizer/ftrl" not in backends[name].gaps:
        with pytest.raises(ValueError, match="divides by it"):
            twin(FTRL()).set_learning_rate(0)
    with pytest.raises(ValueError, match="none before the first train_step"):
        twin(SGD()).last_output()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BACKENDS)
def test_going_back_to_the_first_rate_goes_back_to_its_bits(name, dtype, backends, rng):
    """As if the rate had never been another: a run that is resumed may have been told so or not."""
    parameters, optimizer = MEANT.initialize(rng), OPTIMIZERS["adagrad"](convention=backends[name].convention or "paper")
    x, y = rng.standard_normal((6, 5)).astype(dtype), rng.integers(0, 3, 6)
    one, other = (backends[name].mirror(MEANT, parameters, optimizer, dtype) for _ in range(2))
    other.set_learning_rate(0.5)
    other.set_learning_rate(optimizer.learning_rate)
    for _ in range(5):
        assert one.train_step(x, y) == other.train_step(x, y)
    np.testing.assert_array_equal(one.parameters(), other.parameters())


def test_another_rate_compiles_nothing_anew(backends, rng):
    """In JAX one compilation for the constant rate and one for all others, in Keras one for all."""
    x, y = rng.standard_normal((6, 5)), rng.integers(0, 3, 6)
    jax, keras = (backends[name].mirror(MEANT, MEANT.initialize(rng), Adam(), "float64") for name in ("jax", "keras"))
    for rate in (None, 0.1, 0.2, 0.3):
        for twin in (jax, keras):
            if rate is not None:
                twin.set_learning_rate(rate)
            twin.train_step(x, y)
    assert jax._jitted_step._cache_size() == 2
    assert keras._traced_step.experimental_get_tracing_count() == 1


# To the frameworks and back

NO_PLAIN_LAYER = {
    "torch": {
        "rrelu",
        "exponential",
        "standardize",
        "sparse_sigmoid",
        "sparse_plus",
        "squareplus",
        "sparsemax",
        "unit_normalization",
        "unit_normalization epsilon 0.5",
        "embedding",
        "embedding one number each",
    },
    "keras": {
        "rrelu",
        "threshold",
        "softmin",
        "standardize",
        "gelu_tanh",
        "glu",
        "unit_normalization epsilon 0.5",
        "embedding",
        "embedding one number each",
    },
}
CASES = {
    **ACTIVATIONS,
    **{name: make(WIDTH) for name, make in LAYERS.items()},
    **{f"{name} {case}": make(WIDTH) for name, cases in VARIANTS.items() for case, make in cases.items()},
    "leaky_relu 0.3": importlib.import_module("scratch.activations.rectifiers").leaky_relu(0.3),
    "elu 0.5": importlib.import_module("scratch.activations.exponential_units").elu(0.5),
}


def export(name):
    return importlib.import_module(f"backends.on_{name}.export")


def outputs(name, made, x, *, training=False):
    if name == "keras":
        return np.asarray(made(x, training=training))
    torch = importlib.import_module("torch")
    made.train(training)
    return made(torch.tensor(x)).detach().numpy()


def in_framework(name, model, rng):
    """The network in the framework's convention, with parameters and a state that are not the first ones."""
    model = model.in_convention(name)
    parameters = model.initialize(rng) + 0.25 * rng.standard_normal(model.size)
    state = model.initial_state() + 0.25 * rng.random(model.state_size)
    return model, *(values.astype(np.float32).astype(np.float64) for values in (parameters, state))


def assert_same_predictions(name, made_by_dtype, model, parameters, state, x):
    truth = NumpyTwin(model, parameters, SGD(), "float128")
    truth.set_state(as_dtype(state, "float128"))
    true = truth.predict(as_dtype(x, "float128"))
    ladder = judge({dtype: relative_error(outputs(name, made, x.astype(dtype)), true) for dtype, made in made_by_dtype.items()})
    assert ladder.verdict in RIGHT, ladder


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", FRAMEWORKS)
def test_every_plain_layer_there_and_back(name, case, backends, rng):
    layer = CASES[case]
    layers = (layer,) if layer.name == "embedding" else (Dense(5, WIDTH), layer)
    model, parameters, state = in_framework(name, Model(5, layers, softmax_cross_entropy()), rng)
    if case in NO_PLAIN_LAYER[name]:
        with pytest.raises(NotOffered):
            export(name).to_sequential(model, parameters, state, "float32")
        return
    made = {dtype: export(name).to_sequential(model, parameters, state, dtype) for dtype in DTYPES}
    x = rng.standard_normal((9, 5)).astype(np.float32)
    assert_same_predictions(name, made, model, parameters, state, x)
    for dtype, module in made.items():
        back, found, kept = export(name).from_sequential(module, model.loss)
        assert (back.inputs, back.layer_names, back.shapes) == (model.inputs, model.layer_names, model.shapes)
        assert found.dtype == kept.dtype == dtype
        np.testing.assert_array_equal(found, parameters)
        np.testing.assert_array_equal(kept, state)
        np.testing.assert_array_equal(
            predictions(back.in_convention(name), found, kept, x), predictions(model, parameters, state, x)
        )


def predictions(model, parameters, state, x):
    twin = NumpyTwin(model, parameters, SGD(), "float64")
    twin.set_state(state)
    return twin.predict(x)


DEEP = Model(
    5,
    (
        Dense(5, 16, bias=False),
        BatchNormalization(16, momentum=0.8),
        ACTIVATIONS["relu"],
        Dropout(0.2),
        Dense(16, 8),
        LayerNormalization(8, offset=False),
        ACTIVATIONS["tanh"],
        RMSNormalization(8, scale=False),
        Dense(8, 3),
    ),
    softmax_cross_entropy(),
)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_plain_model_is_trained_as_it_is(name, dtype, backends, rng):
    model = DEEP.in_convention(name)
    made = export(name).to_sequential(model, model.initialize(rng), model.initial_state(), dtype)
    x, y = rng.standard_normal((64, 5)).astype(dtype), rng.integers(0, 3, 64)
    if name == "torch":
        torch = importlib.import_module("torch")
        assert not any(type(module).__module__.startswith("backends") for module in made.modules())
        optimizer, losses = torch.optim.Adam(made.parameters(), 0.01), []
        made.train()
        for _ in range(60):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(made(torch.tensor(x)), torch.tensor(y))
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    else:
        keras = importlib.import_module("keras")
        assert all(type(layer).__module__.startswith("keras.") for layer in made.layers)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        made.compile(optimizer=keras.optimizers.Adam(0.01), loss=loss)
        losses = made.fit(x, y, epochs=60, batch_size=64, verbose=0, shuffle=False).history["loss"]
    assert np.mean(losses[-5:]) < 0.8 * losses[0]
    trained, parameters, state = export(name).from_sequential(made, model.loss)
    assert trained.layer_names == model.layer_names
    assert trained.shapes == model.shapes
    twin = NumpyTwin(trained, parameters, SGD(), dtype)
    twin.set_state(state)
    # Some twenty operations, each of them a sum over at most 16 products, on numbers near 1.
    allowed = 20 * 16 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(
        twin.predict(x), outputs(name, made, x), rtol=0, atol=allowed * np.abs(outputs(name, made, x)).max()
    )


def test_a_plain_torch_model_is_saved_by_torch(backends, rng, tmp_path):
    torch = importlib.import_module("torch")
    model, parameters, state = in_framework("torch", DEEP, rng)
    made = export("torch").to_sequential(model, parameters, state, "float64")
    fresh = export("torch").to_sequential(model, 0 * parameters, 0 * state, "float64")
    x = rng.standard_normal((9, 5))
    before = outputs("torch", made, x)
    torch.save(made.state_dict(), tmp_path / "model.pt")
    fresh.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    np.testing.assert_array_equal(outputs("torch", fresh, x), before)
    torch.save(made, tmp_path / "whole.pt")
    np.testing.assert_array_equal(outputs("torch", torch.load(tmp_path / "whole.pt", weights_only=False), x), before)
    safetensors.torch.save_model(made, tmp_path / "model.safetensors")
    safetensors.torch.load_model(fresh, tmp_path / "model.safetensors")
    np.testing.assert_array_equal(outputs("torch", fresh, x), before)
    assert {"dense_1.weight", "batch_normalization_1.running_mean"} <= set(made.state_dict())


# Keras's own way to NumPy is an old one.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
def test_a_plain_keras_model_is_saved_by_keras(backends, rng, tmp_path):
    """With every activation in it, each before a normalization that keeps its numbers near 1."""
    keras = importlib.import_module("keras")
    plain = [entry for name, entry in CASES.items() if isinstance(entry, Activation) and name not in NO_PLAIN_LAYER["keras"]]
    every = [layer for entry in plain for layer in (entry, BatchNormalization(3))]
    model, parameters, state = in_framework("keras", replace(DEEP, layers=(*DEEP.layers, *every)), rng)
    made = export("keras").to_sequential(model, parameters, state, "float32")
    made.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    x = rng.standard_normal((9, 5)).astype(np.float32)
    expected = outputs("keras", made, x)
    assert np.isfinite(expected).all()
    np.testing.assert_array_equal(outputs("keras", loaded, x), expected)
    back, found, kept = export("keras").from_sequential(loaded, model.loss)
    assert back.layer_names == model.layer_names
    np.testing.assert_array_equal(found, parameters)
    np.testing.assert_array_equal(kept, state)


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_planted_mistakes_stay_behind(name, backends, rng):
    model, parameters, state = in_framework(name, MISTAKEN, rng)
    made = export(name).to_sequential(model, parameters, state, "float32")
    back, found, _ = export(name).from_sequential(made, model.loss)
    assert back.layer_names == MEANT.layer_names
    np.testing.assert_array_equal(found, parameters)


def test_a_penalty_stays_with_keras_and_is_refused_for_torch(backends, rng):
    model = Model(5, (Dense(5, 3, kernel_regularizer=Regularizer(0.25, 0.5)),), softmax_cross_entropy())
    parameters = model.initialize(rng)
    made = export("keras").to_sequential(model, parameters, model.initial_state(), "float64")
    assert float(made.losses[0]) == pytest.approx(float(model.penalty(parameters)), rel=8 * 15 * np.finfo("float64").eps)
    assert export("keras").from_sequential(made, model.loss)[0].layers[0].kernel_regularizer == Regularizer(0.25, 0.5)
    with pytest.raises(NotOffered, match="no penalty"):
        export("torch").to_sequential(model, parameters, model.initial_state(), "float64")


# Models that others have made


def others_in_torch(nn):
    return nn.Sequential(
        nn.Flatten(),
        nn.LeakyReLU(0.2),
        nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.ReLU(inplace=True), nn.Dropout(0.1)),
        nn.Linear(4, 8, bias=False),
        nn.GLU(),
        nn.Identity(),
        nn.Softmax(dim=-1),
    )


def others_in_keras(keras):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((2, 3)),
            layers.Flatten(),
            layers.LeakyReLU(),
            keras.Sequential([layers.Dense(4, activation="relu"), layers.BatchNormalization(), layers.Dropout(0.1)]),
            layers.Dense(4, use_bias=False, activation="leaky_relu", kernel_regularizer="l2"),
            layers.ReLU(max_value=3),
            layers.RMSNormalization(),
            layers.Dense(3),
            layers.Softmax(),
        ]
    )


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_model_of_others_comes_in(name, backends, rng):
    framework = importlib.import_module(name)
    made = {"torch": others_in_torch, "keras": others_in_keras}[name](framework.nn if name == "torch" else framework)
    found, parameters, state = export(name).from_sequential(made, softmax_cross_entropy())
    x = rng.standard_normal((7, 2, 3)).astype(np.float32)
    expected = outputs(name, made, x)
    model = found.in_convention(name)
    twin = NumpyTwin(model, parameters, SGD(), "float64")
    twin.set_state(state)
    assert found.inputs == 6
    # Probabilities, from sums over at most six products in half a dozen layers.
    np.testing.assert_allclose(twin.predict(x.reshape(7, 6)), expected, rtol=0, atol=64 * np.finfo("float32").eps)


def refused_by_torch(nn):
    return {
        "1.0: Conv1d is no layer of ours": nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Conv1d(1, 1, 1))),
        "1: no layer of ours has the settings of Softmax": nn.Sequential(nn.Linear(2, 2), nn.Softmax(dim=0)),
        "0: no layer of ours has the settings of BatchNorm1d": nn.Sequential(nn.BatchNorm1d(2, momentum=None)),
        "0: no layer of ours has the settings of LayerNorm": nn.Sequential(nn.LayerNorm((2, 2))),
        "0: no layer of ours has the settings of RMSNorm": nn.Sequential(nn.RMSNorm(2)),
        "0: no layer of ours has the settings of Hardtanh": nn.Sequential(nn.Hardtanh(-2, 2)),
        "0: no layer of ours has the settings of Dropout": nn.Sequential(nn.Dropout(1.0)),
        "do not fit together": nn.Sequential(nn.Linear(2, 3), nn.Linear(2, 3)),
        "how many inputs": nn.Sequential(nn.ReLU()),
        "A Linear is no torch.nn.Sequential": nn.Linear(2, 2),
    }


def refused_by_keras(keras):
    layers, inputs = keras.layers, keras.Input((4,))
    return {
        "r: Reshape is no layer of ours": keras.Sequential([inputs, layers.Reshape((2, 2), name="r")]),
        "inner/e: no layer of ours has the settings of this ReLU": keras.Sequential(
            [inputs, keras.Sequential([keras.Input((4,)), layers.ReLU(6, threshold=1, name="e")], name="inner")]
        ),
        "d: no layer of ours has the settings of this Dense": keras.Sequential(
            [inputs, layers.Dense(2, kernel_constraint="non_neg", name="d")]
        ),
        "a: no layer of ours has the settings of this Activation": keras.Sequential(
            [inputs, layers.Activation(keras.ops.sin, name="a")]
        ),
        "s: no layer of ours has the settings of this Softmax": keras.Sequential([inputs, layers.Softmax(axis=0, name="s")]),
        "it is not built": keras.Sequential([layers.Dense(2)]),
        "A Functional is no keras.Sequential": keras.Model(inputs, layers.Dense(2)(inputs)),
    }


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_what_is_no_layer_of_ours_is_refused_with_its_path(name, backends):
    framework = importlib.import_module(name)
    cases = refused_by_torch(framework.nn) if name == "torch" else refused_by_keras(framework)
    for message, made in cases.items():
        with pytest.raises(NotOffered) as refused:
            export(name).from_sequential(made, softmax_cross_entropy())
        assert message in str(refused.value)
