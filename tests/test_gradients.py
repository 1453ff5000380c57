"""Gradient equivalence on every backend: each layer, activation and loss alone and in networks, with random cotangents,
and the planted mistakes that the ladder must find."""

import importlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from backends.numpy_backend import NumpyBackend, NumpyTwin, as_dtype
from comparisons.gradients import compare_gradients, make_probes
from comparisons.ladder import judge, relative_error
from scratch import ACTIVATIONS, INITIALIZERS, LOSSES, SGD, Model
from scratch.layers import LAYERS
from scratch.optimizers import OPTIMIZERS
from scratch.schedules import SCHEDULES
from tests.conftest import BACKENDS, DTYPES
from tests.networks import (
    GRADIENT_MISTAKES,
    LOSS_CASES,
    batch_for,
    ladder_rows,
    loss_id,
    network,
    random_networks,
    with_activation_mistake,
)

REGISTRIES = {
    "activations": ACTIVATIONS,
    "layers": LAYERS,
    "losses": LOSSES,
    "optimizers": OPTIMIZERS,
    "schedules": SCHEDULES,
    "initializers": INITIALIZERS,
}

RIGHT = ("exact", "rounding")
ADAPTERS = {"torch": "backends.on_torch", "keras": "backends.on_keras", "jax": "backends.on_jax"}


def vjp_ladder(model, backend, x, rng):
    """The ladder of output and input gradient under a random cotangent."""
    parameters = model.initialize(rng)
    cotangent = rng.standard_normal((len(x), model.widths[-1])).astype(np.float32)
    truth = NumpyTwin(model, parameters, SGD(), "float128")
    true = truth.vjp(as_dtype(x, "float128"), as_dtype(cotangent, "float128"))
    outputs, gradients = {}, {}
    for dtype in DTYPES:
        found = backend.mirror(model, parameters, SGD(), dtype).vjp(x.astype(dtype), cotangent.astype(dtype))
        assert found.output.dtype == found.input_gradient.dtype == np.dtype(dtype)
        outputs[dtype] = relative_error(found.output, true.output)
        gradients[dtype] = relative_error(found.input_gradient, true.input_gradient)
    return judge(outputs), judge(gradients)


@pytest.mark.parametrize("name", ADAPTERS)
def test_no_row_is_missing(name, backends):
    for kind, entries in REGISTRIES.items():
        adapter = importlib.import_module(f"{ADAPTERS[name]}.{kind}")
        rows = getattr(adapter, kind.upper())
        assert set(rows) ^ set(adapter.GAPS) == set(entries), kind


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", ["numpy", "torch"])
def test_networks_with_every_activation(name, activation, backends, rng):
    if f"activation/{activation}" in backends[name].gaps:
        return
    widths = (9, 6, 4) if ACTIVATIONS[activation].overflows else (9, 6, 6, 4)
    for row in ladder_rows(network(widths, activation), backends[name], rng, batches=2):
        assert row["verdict"] in RIGHT, row


@pytest.mark.parametrize("case", LOSS_CASES, ids=loss_id)
@pytest.mark.parametrize("name", BACKENDS)
def test_networks_with_every_loss(name, case, backends, rng):
    loss, indices = case
    if f"loss/{loss.name}" in backends[name].gaps:
        return
    for row in ladder_rows(network((9, 6, 6, 4), "tanh", loss), backends[name], rng, indices=indices, batches=2):
        assert row["verdict"] in RIGHT, row


@given(random_networks())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_random_networks_in_scratch_are_not_called_wrong(case):
    model, indices, rows, seed = case
    for row in ladder_rows(model, NumpyBackend(), np.random.default_rng(seed), rows, indices=indices):
        assert row["verdict"] != "wrong", row


# Keras advises against a softmax over one class, which is right in what it computes.
@pytest.mark.filterwarnings("ignore:In loss categorical_.*crossentropy:SyntaxWarning")
# And against a softmax over one unit, right as well.
@pytest.mark.filterwarnings("ignore:You are using a softmax over axis:UserWarning")
@pytest.mark.parametrize("name", ADAPTERS)
def test_random_networks_on_frameworks_are_not_called_wrong(name, backends):
    # Every example builds two networks; Keras takes a tenth of a second for one.
    @given(random_networks(gaps=backends[name].gaps))
    @settings(
        max_examples={"torch": 60, "keras": 12, "jax": 4}[name],
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    def check(case):
        model, indices, rows, seed = case
        for row in ladder_rows(model, backends[name], np.random.default_rng(seed), rows, indices=indices):
            assert row["verdict"] != "wrong", row

    check()


@pytest.mark.parametrize("mistake", GRADIENT_MISTAKES)
def test_planted_mistakes_are_wrong_and_their_absence_is_not(mistake, rng):
    activation = "softmax" if "softmax" in mistake else "sigmoid" if "sigmoid" in mistake else "relu"
    right = network((9, 6, 6, 4), activation)
    wrong = GRADIENT_MISTAKES[mistake](right)
    seed = int(rng.integers(2**32))
    found = ladder_rows(wrong, NumpyBackend(), np.random.default_rng(seed), truth_model=right)
    assert "wrong" in [row["verdict"] for row in found], found
    absent = ladder_rows(right, NumpyBackend(), np.random.default_rng(seed))
    assert all(row["verdict"] in RIGHT for row in absent), absent


@pytest.mark.parametrize("mistake", GRADIENT_MISTAKES)
def test_planted_mistakes_on_random_networks(mistake):
    """With the mistake at least one gradient is wrong; without it none is: 20 networks per mistake."""
    activation = "softmax" if "softmax" in mistake else "sigmoid" if "sigmoid" in mistake else "relu"
    for seed in range(20):
        rng = np.random.default_rng(seed)
        widths = (int(rng.integers(2, 9)), *([int(rng.integers(4, 9))] * 2), int(rng.integers(2, 6)))
        right = network(widths, activation)
        wrong = GRADIENT_MISTAKES[mistake](right)
        rows = int(rng.integers(2, 12))
        found = ladder_rows(wrong, NumpyBackend(), np.random.default_rng(seed), rows, truth_model=right)
        assert "wrong" in [row["verdict"] for row in found], (seed, found)
        absent = ladder_rows(right, NumpyBackend(), np.random.default_rng(seed), rows)
        assert "wrong" not in [row["verdict"] for row in absent], (seed, absent)


def test_all_ones_would_hide_what_a_random_cotangent_shows(rng):
    """softmax's outputs sum to one, so the gradient of their sum is zero, and three times zero as well."""
    right = Model(5, (ACTIVATIONS["softmax"],), LOSSES["mean_squared_error"]("mean"))
    wrong = GRADIENT_MISTAKES["softmax backward times 3"](right)
    x = rng.standard_normal((4, 5))
    twins = [NumpyTwin(model, np.zeros(0), SGD(), "float64") for model in (right, wrong)]
    ones, random = np.ones((4, 5)), rng.standard_normal((4, 5))
    hidden, shown = (
        np.abs(twins[0].vjp(x, cotangent).input_gradient - twins[1].vjp(x, cotangent).input_gradient).max()
        for cotangent in (ones, random)
    )
    assert hidden < 1e-15
    assert shown > 0.1


@pytest.mark.parametrize("size", [20.0, 60.0])
def test_gradients_behind_saturated_units_are_not_called_wrong_and_a_mistake_there_is(size, rng):
    """1 - a^2 with a near 1 keeps no digit of its own: the gradient before that factor is the measure."""
    model = network((5, 4, 4, 3), "tanh")
    parameters = model.initialize(rng)
    model.views(parameters)["dense_1.bias"][...] = size  # 1 - tanh(20)^2 is 2e-17, 1 - tanh(60)^2 is 3e-52
    model.views(parameters)["dense_2.kernel"][...] = 1e-3
    probes = make_probes(model, [parameters], [batch_for(model, 6, rng) for _ in range(2)], rng)
    truth = NumpyTwin(model, parameters, SGD(), "float128")

    def verdicts(mistaken):
        twins = {"numpy": {dtype: NumpyTwin(mistaken, parameters, SGD(), dtype) for dtype in DTYPES}}
        return {row["parameter"]: row["verdict"] for row in compare_gradients(model, probes, truth, twins)[0]}

    assert "wrong" not in verdicts(model).values()
    no_factor = with_activation_mistake(model, "tanh", lambda z, a, da, dz, work: np.copyto(dz, da))
    assert verdicts(no_factor)["dense_1.kernel"] == "wrong"


def test_a_kink_that_is_hit_is_inconclusive_and_not_wrong(rng):
    """At relu(0) left and right derivatives differ; who chooses the other one is not wrong."""
    model = network((4, 4, 3), "relu")
    parameters = np.zeros(model.size)
    chosen = GRADIENT_MISTAKES["ReLU mask missing"](model)
    model.views(parameters)["dense_2.kernel"][...] = rng.standard_normal((4, 3)).astype(np.float32)
    x, y = rng.standard_normal((5, 4)).astype(np.float32), rng.integers(0, 3, 5)
    probes = make_probes(model, [parameters], [(x, y)], rng)
    truth = NumpyTwin(model, parameters, SGD(), "float128")
    twins = {"numpy": {dtype: NumpyTwin(chosen, parameters, SGD(), dtype) for dtype in DTYPES}}
    rows, _ = compare_gradients(model, probes, truth, twins)
    by_parameter = {row["parameter"]: row for row in rows}
    assert by_parameter["dense_1.kernel"]["verdict"] == "inconclusive"
    assert "every row sits on a kink" in by_parameter["dense_1.kernel"]["reason"]


def test_a_row_on_a_kink_does_not_hide_a_mistake_in_the_others(rng):
    """Without biases an empty image, and a dead layer, put pre-activations on zero exactly."""
    model = network((4, 4, 4, 3), "relu", bias=False)
    parameters = model.initialize(rng)
    x, y = rng.standard_normal((6, 4)).astype(np.float32), rng.integers(0, 3, 6)
    x[2] = 0
    probes = make_probes(model, [parameters], [(x, y)], rng)
    truth = NumpyTwin(model, parameters, SGD(), "float128")
    for mistaken, wrong in ((model, False), (GRADIENT_MISTAKES["ReLU mask missing"](model), True)):
        twins = {"numpy": {dtype: NumpyTwin(mistaken, parameters, SGD(), dtype) for dtype in DTYPES}}
        rows, _ = compare_gradients(model, probes, truth, twins)
        assert ("wrong" in [row["verdict"] for row in rows]) == wrong
