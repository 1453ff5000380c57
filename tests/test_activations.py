"""Every activation against its formula in mpmath, its other settings on every framework, its kinks, and what adding one takes."""

import importlib
import tracemalloc
from dataclasses import replace

import mpmath
import numpy as np
import pytest

from backends import float128
from backends.interface import NotOffered
from backends.numpy_backend import NumpyTwin, as_dtype
from comparisons.ladder import judge, relative_error
from comparisons.structured import check_model, structured_gradients
from comparisons.verification.cells import QUICK, Task
from comparisons.verification.networks import activation_cells
from scratch import ACTIVATIONS, LOSSES, SGD, Dense, Model
from scratch.activations import Activation, clipped, exponential_units, gated, ramps, rectifiers, rows, smooth
from scratch.activations.error_function import erfc
from scratch.arrays import Work
from tests.conftest import BACKENDS, DTYPES
from tests.networks import batch_for, ladder_rows, network
from tests.test_float128 import exact
from tests.test_gradients import ADAPTERS, vjp_ladder

RIGHT = ("exact", "rounding")
WIDTH = 6
MEAN_SQUARED_ERROR = LOSSES["mean_squared_error"]("mean")


def alone(entry, width=WIDTH):
    return Model(width, (entry,), MEAN_SQUARED_ERROR)


def batch(values, rng, width=WIDTH):
    """The values and as many random ones as fill the rows, all exact in float32."""
    values = np.concatenate([values, rng.standard_normal(-len(values) % width + 2 * width)])
    return values.astype(np.float32).reshape(-1, width)


def offered(backend, entry):
    return f"activation/{entry.name}" not in backend.gaps


def test_the_registry():
    assert len(ACTIVATIONS) >= 33
    files = (clipped, exponential_units, gated, ramps, rectifiers, rows, smooth)
    assert sum(len(file.ENTRIES) for file in files) == len(ACTIVATIONS)  # no name twice, no file forgotten
    for name, entry in ACTIVATIONS.items():
        for formula in (entry, *entry.variants.values()):
            assert formula.name == name
            assert formula.settings == entry.settings
            assert formula.formula.startswith("a") or formula.formula.startswith("the same")
            assert formula.derivative.startswith("dz")
            assert formula.source
            assert set(formula.disputed) <= set(formula.kinks)
            assert set(formula.kinks) - set(formula.disputed) <= set(formula.samples)
            assert not set(formula.samples) & {*formula.disputed, *formula.joints}
        assert all(setting in entry.formula for setting in entry.settings), name


# The function itself


def sigmoid(x):
    return 1 / (1 + mpmath.exp(-x))


def clip(x, low, high):
    return min(max(x, low), high)


FORMULAS = {
    "linear": lambda x: x,
    "relu": lambda x: max(x, 0),
    "relu6": lambda x: clip(x, 0, 6),
    "capped_relu": lambda x: clip(x, 0, 1),
    "thresholded_relu": lambda x: x if x > 1 else mpmath.mpf(0),
    "threshold": lambda x: x if x > 0.5 else mpmath.mpf(0.25),
    "leaky_relu": lambda x: x if x > 0 else x * mpmath.mpf(0.01),
    "rrelu": lambda x: x if x > 0 else x / 4,
    "hard_tanh": lambda x: clip(x, -1, 1),
    "hard_sigmoid": lambda x: clip(x + 3, 0, 6) / mpmath.mpf(6),
    "hard_silu": lambda x: x * clip(x + 3, 0, 6) / 6,
    "soft_shrink": lambda x: x - clip(x, -0.5, 0.5),
    "hard_shrink": lambda x: x if abs(x) > 0.5 else mpmath.mpf(0),
    "sparse_sigmoid": lambda x: clip((x + 1) / 2, 0, 1),
    "sparse_plus": lambda x: mpmath.mpf(0) if x <= -1 else x if x >= 1 else (x + 1) ** 2 / 4,
    "elu": lambda x: x if x > 0 else mpmath.expm1(x),
    "selu": lambda x: (
        mpmath.mpf(exponential_units.LAMBDA) * (x if x > 0 else mpmath.mpf(exponential_units.ALPHA) * mpmath.expm1(x))
    ),
    "celu": lambda x: x if x > 0 else mpmath.expm1(x),
    "exponential": mpmath.exp,
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "squareplus": lambda x: (x + mpmath.sqrt(x**2 + 4)) / 2,
    "log_sigmoid": lambda x: -mpmath.log1p(mpmath.exp(-x)),
    "sigmoid": sigmoid,
    "tanh": mpmath.tanh,
    "tanh_shrink": lambda x: x - mpmath.tanh(x),
    "softsign": lambda x: x / (1 + abs(x)),
    "silu": lambda x: x * sigmoid(x),
    "mish": lambda x: x * mpmath.tanh(mpmath.log1p(mpmath.exp(x))),
    "gelu": lambda x: x * mpmath.ncdf(x),
    "gelu_tanh": lambda x: x / 2 * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf(0.044715) * x**3))),
}
"""Elementwise activations as a mathematician writes them: whatever cancels costs nothing in 80 digits."""

LOSES_DIGITS = {
    "sigmoid": "its derivative a (1 - a) is the textbook's, from the output alone; the frameworks have the same",
    "tanh": "its derivative 1 - a^2 is the textbook's, from the output alone; the frameworks have the same",
    "tanh_shrink": "its value z - tanh(z) cancels near 0; the frameworks have the same",
}
"""Why an entry is less accurate than its function is conditioned."""


def pointwise_errors(entry, values, dtype):
    """The largest relative errors of value and derivative, point by point, in units of the point's condition number."""
    formula = FORMULAS[entry.name]
    z = as_dtype(values.reshape(1, -1), dtype)
    a, dz, work = np.empty_like(z), np.empty_like(z), Work.empty(z, *z.shape)
    with np.errstate(under="ignore"):
        entry.forward({}, z, a, work)
        entry.backward({}, z, a, np.ones_like(z), {}, dz, work)
    worst = [0.0, 0.0]
    with mpmath.workdps(80):
        for x, *found in zip(values, a[0], dz[0], strict=True):
            point = mpmath.mpf(float(x))
            slopes = [mpmath.diff(formula, point, n, h=mpmath.mpf("1e-25")) for n in (0, 1, 2)]
            for order in (0, 1):
                true = slopes[order]
                condition = 1 + abs(point * slopes[order + 1] / true) if true else 1
                # 1e-30 forgives the differences of the second derivative, and what underflows in float32.
                error = abs(exact(found[order]) - true) / ((abs(true) + mpmath.mpf("1e-30")) * condition)
                worst[order] = max(worst[order], float(error))
    return worst


@pytest.mark.parametrize("name", FORMULAS)
def test_every_point_is_as_accurate_as_the_function_is_conditioned(name):
    """Not relative to the largest value, as elsewhere: the tails too keep their digits, in value and derivative."""
    entry = ACTIVATIONS[name]
    values = [v for v in (-25.0, -9.0, -4.5, -2.0, -0.7, -0.01, 0.01, 0.3, 1.7, 2.5, 8.0, 25.0) if v not in entry.kinks]
    errors = {dtype: pointwise_errors(entry, np.array(values, np.float32), dtype) for dtype in (*DTYPES, "float128")}
    verdicts = {judge({dtype: error[order] for dtype, error in errors.items()}).verdict for order in (0, 1)}
    accurate = verdicts <= set(RIGHT) and max(errors["float64"]) < 100 * 2.0**-53
    assert accurate == (name not in LOSES_DIGITS), errors


def test_every_elementwise_activation_has_a_formula_here(rng):
    for name, entry in ACTIVATIONS.items():
        z, moved = np.zeros((1, 2)), np.array([[0.0, 0.3]])
        outputs = [NumpyTwin(alone(entry, 2), np.zeros(0), SGD(), "float64").predict(x)[0, 0] for x in (z, moved)]
        assert (name in FORMULAS) == (not entry.halves and outputs[0] == outputs[1]), name


@pytest.mark.parametrize("dtype", ["float32", "float64", "float128", "complex128"])
def test_erfc(dtype):
    """Bound: one rounding of the argument of exp(-x^2) or of x itself, times the condition number 2 x^2, and those of the product."""
    x = np.concatenate([np.linspace(-6, 9, 61), [1.999, 2.0, 0.0, 1e-30]]).astype(np.float32)
    z = x.astype(dtype) if dtype == "complex128" else as_dtype(x, dtype)
    out = np.empty_like(z)
    erfc(z, out)
    unit = {"float32": 2.0**-24, "float64": 2.0**-53, "float128": float128.UNIT_ROUNDOFF, "complex128": 2.0**-53}[dtype]
    with mpmath.workdps(60):
        for point, found in zip(x, out.real if dtype == "complex128" else out, strict=True):
            true = mpmath.erfc(mpmath.mpf(float(point)))
            bound = (1 + 2 * float(point) ** 2) * unit * (2 if dtype in DTYPES else 8)
            if dtype not in DTYPES and 0 < point < 2:
                bound += 4 * unit / float(true)  # of the subtraction 1 - erf(x)
            assert abs(float(exact(found) / true - 1)) <= bound, point
    if dtype == "complex128":
        erfc(z + 1e-200j, out)
        true = -2 / np.sqrt(np.pi) * np.exp(-(x.astype(float) ** 2))
        assert judge({"float64": relative_error(out.imag / 1e-200, true), "float32": 2.0**-24}).verdict in RIGHT


# On the frameworks

OTHER_SETTINGS = (
    rectifiers.leaky_relu(0.25),
    rectifiers.leaky_relu(0.3),
    rectifiers.rrelu(0.1, 0.3),
    rectifiers.threshold(-0.5, 2.0),
    rectifiers.thresholded_relu(0.25),
    clipped.capped_relu(6.0),
    clipped.capped_relu(2.0),
    clipped.soft_shrink(1.25),
    clipped.hard_shrink(0.1),
    exponential_units.elu(1.5),
    exponential_units.celu(0.5),
    ramps.softplus(2.0),
    ramps.squareplus(1.0),
    rows.standardize(1e-3),
)


@pytest.mark.parametrize(
    "entry", OTHER_SETTINGS, ids=lambda entry: f"{entry.name}-{'-'.join(map(str, entry.settings.values()))}"
)
@pytest.mark.parametrize("name", BACKENDS)
def test_other_settings_reach_every_framework(name, entry, backends, rng):
    backend = backends[name]
    if not offered(backend, entry):
        return
    own = entry.in_convention(backend.convention)
    values = [z for z in own.samples if z not in own.kinks and np.float32(z) == z]
    for ladder in vjp_ladder(alone(own), backend, batch(values, rng), rng):
        assert ladder.verdict in RIGHT, ladder
    assert entry.settings != ACTIVATIONS[entry.name].settings


@pytest.mark.parametrize("activation", [name for name, entry in ACTIVATIONS.items() if entry.joints])
@pytest.mark.parametrize("name", BACKENDS)
def test_where_a_higher_derivative_jumps_the_first_one_is_the_same(name, activation, backends, rng):
    entry = ACTIVATIONS[activation].in_convention(backends[name].convention)
    if offered(backends[name], entry):
        for ladder in vjp_ladder(alone(entry), backends[name], batch(entry.joints, rng), rng):
            assert ladder.verdict in RIGHT, ladder


@pytest.mark.parametrize("activation", [name for name, entry in ACTIVATIONS.items() if entry.kinks])
def test_kinks_are_disputed_where_frameworks_differ_and_only_there(activation, backends, rng):
    entry = ACTIVATIONS[activation]
    for kink in entry.kinks:
        x = np.full((1, WIDTH), kink)
        slopes = {}
        for name, backend in backends.items():
            if offered(backend, entry):
                twin = backend.mirror(alone(entry), np.zeros(0), SGD(), "float64")
                slopes[name] = twin.vjp(x, np.ones((1, WIDTH))).input_gradient[0, 0]
        agree = np.allclose(list(slopes.values()), slopes["numpy"], rtol=1e-7, atol=0)  # 3e-8 is PyTorch's 1/6
        assert agree == (kink not in entry.disputed), (kink, slopes)


@pytest.mark.parametrize(
    ("activation", "convention"), [(name, convention) for name, entry in ACTIVATIONS.items() for convention in entry.variants]
)
def test_a_variant_is_needed(activation, convention, backends, rng):
    """Held against the paper's formula, the framework that has another one is wrong."""
    entry = ACTIVATIONS[activation]
    backend = next(backend for backend in backends.values() if backend.convention == convention)
    x = batch(entry.variants[convention].samples, rng)
    assert {"wrong"} <= {ladder.verdict for ladder in vjp_ladder(alone(entry), backend, x, rng)}


# Mistakes

MISTAKES = {
    "sign": lambda z, a, da, dz: np.negative(dz, out=dz),
    "wrong by 1e-10": lambda z, a, da, dz: np.multiply(dz, 1 + 1e-10, out=dz),
    "cotangent forgotten": lambda z, a, da, dz: np.divide(dz, da if da.shape == dz.shape else np.tile(da, 2), out=dz),
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_planted_mistakes_are_wrong_and_their_absence_is_not(activation, mistake, rng):
    entry = ACTIVATIONS[activation]

    def derivative_rule(z, a, da, dz, work):
        entry.derivative_rule(z, a, da, dz, work)
        MISTAKES[mistake](z, a, da, dz)

    x = batch(entry.samples, rng)
    cotangent = rng.standard_normal((len(x), entry.units(WIDTH)))
    true = NumpyTwin(alone(entry), np.zeros(0), SGD(), "float128").vjp(as_dtype(x, "float128"), as_dtype(cotangent, "float128"))
    for formula, wrong in ((entry, False), (replace(entry, derivative_rule=derivative_rule), True)):
        errors = {}
        for dtype in DTYPES:
            found = NumpyTwin(alone(formula), np.zeros(0), SGD(), dtype).vjp(x, cotangent)
            errors[dtype] = relative_error(found.input_gradient, true.input_gradient)
        assert (judge(errors).verdict == "wrong") == wrong, errors


# In networks, by perturbation


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_imaginary_step_goes_through_every_activation(activation, rng):
    """Exact to rounding, against the float128 backward pass."""
    entry = ACTIVATIONS[activation]
    model = Model(5, (Dense(5, entry.inputs(4)), entry, Dense(4, 3)), MEAN_SQUARED_ERROR)
    parameters = model.initialize(rng)
    x, y = batch_for(model, 6, rng)
    found = structured_gradients(model, parameters, x, y)
    assert found.complex_step
    assert not found.on_kink.any()
    truth = NumpyTwin(model, parameters, SGD(), "float128")
    true = truth.loss_and_gradients(as_dtype(x, "float128"), as_dtype(y, "float128"))[1].gradients
    assert judge({"float64": relative_error(found.gradients, true), "float32": 2.0**-24}).verdict in RIGHT
    wrong = replace(entry, derivative_rule=lambda z, a, da, dz, work: np.negative(_of(entry, z, a, da, dz, work), out=dz))
    assert check_model(replace(model, layers=(model.layers[0], wrong, model.layers[2])), parameters, x, y).verdict == "wrong"


def _of(entry, z, a, da, dz, work):
    entry.derivative_rule(z, a, da, dz, work)
    return dz


def test_half_of_an_odd_number_is_refused():
    with pytest.raises(ValueError, match="glu: it halves its inputs, but the layer before has 5 outputs"):
        alone(ACTIVATIONS["glu"], 5)


ALLOCATES = {"gelu": "the error function goes through the standard library, number by number"}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_hot_loop_allocates_nothing(activation, rng):
    entry = ACTIVATIONS[activation]
    twin = NumpyTwin(alone(entry, 256), np.zeros(0), SGD(), "float64")
    workspace = twin.workspace(256)
    workspace.input[...] = rng.standard_normal((256, 256))
    workspace.output_gradient[...] = 1

    def run():
        workspace.forward()
        workspace.backward(input_gradient=True)

    run()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    run()
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    # An array of the batch has 524,288 bytes, or half of that behind a GLU. NumPy's iterator takes a buffer of 8,192 numbers, 65,536
    # bytes, for each operand that is not contiguous or must be converted, such as a comparison's result: there are up to three.
    assert (peak < 3.5 * 65_536) == (activation not in ALLOCATES), peak


# Adding one: an entry, and a row per framework


def bent_identity():
    """A smooth ramp that no framework has."""

    def rule(z, a, work):
        np.square(z, out=a)
        np.add(a, 1, out=a)
        np.sqrt(a, out=a)
        np.subtract(a, 1, out=a)
        np.divide(a, 2, out=a)
        np.add(a, z, out=a)

    def derivative_rule(z, a, da, dz, work):
        np.square(z, out=work.like)
        np.add(work.like, 1, out=work.like)
        np.sqrt(work.like, out=work.like)
        np.multiply(work.like, 2, out=work.like)
        np.divide(z, work.like, out=dz)
        np.add(dz, 1, out=dz)
        np.multiply(dz, da, out=dz)

    formula, derivative = "a = (sqrt(z^2 + 1) - 1) / 2 + z", "dz = da (z / (2 sqrt(z^2 + 1)) + 1)"
    return Activation("bent_identity", formula, derivative, "definition", rule, derivative_rule)


@pytest.fixture
def with_bent_identity(monkeypatch, backends):
    """The registries with one entry more, and nothing else changed."""
    import jax.numpy as jnp
    import tensorflow as tf
    import torch

    class Module(torch.nn.Module):
        def forward(self, z):
            return ((z**2 + 1).sqrt() - 1) / 2 + z

    entry = bent_identity()
    monkeypatch.setitem(ACTIVATIONS, entry.name, entry)
    table = {
        "torch": Module,
        "keras": lambda z: (tf.sqrt(z**2 + 1) - 1) / 2 + z,
        "jax": lambda z: (jnp.sqrt(z**2 + 1) - 1) / 2 + z,
    }
    for name, row in table.items():
        monkeypatch.setitem(importlib.import_module(f"{ADAPTERS[name]}.activations").ACTIVATIONS, entry.name, row)
    return entry


@pytest.mark.parametrize("name", BACKENDS)
def test_adding_an_activation_takes_one_entry_and_one_row_per_framework(name, with_bent_identity, backends, rng):
    entry, backend = with_bent_identity, backends[name]
    for ladder in vjp_ladder(alone(entry), backend, batch(entry.samples, rng), rng):
        assert ladder.verdict in RIGHT, ladder
    for row in ladder_rows(network((5, 4, 3), entry.name), backend, rng):
        assert row["verdict"] in RIGHT, row
    cells = list(activation_cells(Task("activation", entry.name, name), backend, QUICK))
    assert len(cells) == 2
    assert {cell.verdict for cell in cells} <= set(RIGHT)
    model = network((5, 4, 3), entry.name)
    assert check_model(model, model.initialize(rng), *batch_for(model, 6, rng)).verdict in RIGHT


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_missing_row_is_an_error_and_a_gap_is_an_answer(name, with_bent_identity, backends, monkeypatch):
    adapter = importlib.import_module(f"{ADAPTERS[name]}.activations")
    monkeypatch.delitem(adapter.ACTIVATIONS, "bent_identity")
    with pytest.raises(LookupError, match="has neither a row for bent_identity nor a gap with a reason"):
        backends[name].mirror(alone(with_bent_identity), np.zeros(0), SGD(), "float64")
    monkeypatch.setitem(adapter.GAPS, "bent_identity", "two lines of arithmetic are the formula")
    with pytest.raises(NotOffered, match="has no bent_identity: two lines of arithmetic"):
        backends[name].mirror(alone(with_bent_identity), np.zeros(0), SGD(), "float64")
