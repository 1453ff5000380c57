"""Losses: every case of every loss against differences in float128 and on every backend, and mistakes that must be found."""

from dataclasses import replace

import numpy as np
import pytest

from backends.interface import NotOffered
from backends.numpy_backend import NumpyTwin, as_dtype
from comparisons.gradients import partial_difference
from comparisons.ladder import judge, relative_error
from scratch import SGD, Model
from scratch.arrays import CONVENTIONS, Work
from scratch.losses import LOSSES, OUTPUTS, TARGETS, UNITS, cases, sample
from tests.conftest import BACKENDS, DTYPES

RIGHT = ("exact", "rounding")
BATCH = 7
NOTHING = np.zeros(0)
OF_CONVENTION = [(name, convention) for name in LOSSES for convention in ("paper", *LOSSES[name]().variants)]


def cast(values, dtype):
    return values if values is None or values.dtype.kind in "iu" else as_dtype(values, dtype)


def run(twin, inputs, dtype):
    """Value and derivative by the output."""
    value, pullback = twin.loss_and_gradients(*(cast(values, dtype) for values in inputs))
    return value, pullback.input_gradient


def scratch_twin(loss, units, dtype):
    return NumpyTwin(Model(units, (), loss), NOTHING, SGD(), dtype)


def ladders(make, truth, inputs):
    """The ladders of value and derivative of `make(dtype)` against those of a loss in float128."""
    true, slope = run(scratch_twin(truth, inputs[0].shape[1], "float128"), inputs, "float128")
    values, slopes = {}, {}
    for dtype in DTYPES:
        found = run(make(dtype), inputs, dtype)
        assert found[0].dtype == found[1].dtype == np.dtype(dtype)
        values[dtype] = relative_error(np.reshape(found[0], 1), as_dtype(np.reshape(true, 1), "float128"))
        slopes[dtype] = relative_error(found[1], slope)
    return judge(values), judge(slopes)


def scratch_ladders(loss, truth, inputs):
    return ladders(lambda dtype: scratch_twin(loss, inputs[0].shape[1], dtype), truth, inputs)


def differences(loss, inputs):
    """The derivative from differences of the value in float128, and its error relative to its largest entry."""
    z, y, weights = (cast(values, "float128") for values in inputs)
    work = Work.empty(z, *z.shape)

    def value(point):
        return loss.value_and_gradient(point, y, np.empty_like(point), work, weights)

    slopes, worst = np.zeros_like(z), 0.0
    for index in np.ndindex(*z.shape):
        slopes[index], error = partial_difference(value, z, index)
        worst = max(worst, error)
    return slopes, worst / (float(np.abs(slopes).max()) or 1.0)


def test_there_are_many_and_their_domains_are_known():
    assert len(LOSSES) >= 24
    for name, make in LOSSES.items():
        loss = make()
        assert loss.name == name
        assert loss.outputs in OUTPUTS
        assert loss.targets in TARGETS
        assert set(loss.variants) <= set(CONVENTIONS)
        assert all([loss.formula, loss.derivative, loss.source])
        assert loss == make()


@pytest.mark.parametrize("name", LOSSES)
def test_samples_are_exact_in_float32_and_cases_have_names_of_their_own(name, rng):
    listed = cases(name)
    assert len({case.label for case in listed}) == len(listed)
    for case in listed:
        z, y, weights = case.sample(rng, BATCH)
        assert z.shape == (BATCH, UNITS)
        assert y.shape == ((BATCH,) if case.indices else (BATCH, UNITS // 2 if case.loss.halves else UNITS))
        assert all(values.dtype == np.float32 for values in (z, y, weights) if values is not None and values.dtype.kind == "f")
        if case.loss.outputs == "distribution":
            assert (z.astype(float).sum(axis=1) == 1).all()


@pytest.mark.parametrize(("name", "convention"), OF_CONVENTION)
def test_every_derivative_is_that_of_its_value(name, convention, rng):
    for case in cases(name):
        loss = case.loss.in_convention(convention)
        if loss.detached and case.edges:
            continue
        inputs = case.sample(rng, 4)
        true, error = differences(loss, inputs)
        assert error < 1e-17, (case.label, error)
        errors = {
            dtype: relative_error(run(scratch_twin(loss, UNITS, dtype), inputs, dtype)[1], true)
            for dtype in (*DTYPES, "float128")
        }
        # What is wrong by 2^15 times the differences' own error shows: by 1e-15 mostly, by 3e-13 always.
        assert judge(errors, reference_error=error).verdict in RIGHT, (case.label, errors, error)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", BACKENDS)
def test_every_case_on_every_backend(name, loss, backends, rng):
    backend, found, missing = backends[name], 0, []
    for case in cases(loss):
        if name == "jax" and (case.loss.reduction != "mean" or (case.weighted and case.loss.weight_divisor == "count")):
            continue  # reductions are the adapter's own there, and each case takes half a second
        inputs = case.sample(rng, BATCH)
        truth = case.loss.in_convention(backend.convention or "paper")
        model = Model(UNITS, (), case.loss)
        try:
            both = ladders(lambda dtype, model=model: backend.mirror(model, NOTHING, SGD(), dtype), truth, inputs)
        except NotOffered:
            missing.append(case)
            continue
        found += 1
        for ladder in both:
            assert ladder.verdict in RIGHT, (case.label, ladder)
    assert bool(found) != (f"loss/{loss}" in backend.gaps)
    assert all(case.loss.given for case in missing) or not found


@pytest.mark.parametrize(("name", "convention"), [pair for pair in OF_CONVENTION if pair[1] != "paper"])
def test_the_wrong_convention_is_wrong(name, convention, rng):
    """In one of the cases at least: else there would be no convention."""
    verdicts = set()
    for case in cases(name):
        inputs = case.sample(rng, BATCH)
        for ladder in scratch_ladders(case.loss.in_convention(convention), case.loss, inputs):
            verdicts.add(ladder.verdict)
    assert "wrong" in verdicts


def scaled(loss):
    """The derivative wrong by 1e-9."""

    def rule(z, y, dz, work, **settings):
        terms = loss.rule(z, y, dz, work, **settings)
        np.multiply(dz, 1 + 1e-9, out=dz)
        return terms

    return replace(loss, rule=rule)


def offset(loss):
    """The value wrong by 1e-9 in one term."""

    def rule(z, y, dz, work, **settings):
        terms = loss.rule(z, y, dz, work, **settings).copy()
        terms[0, 0] += 1e-9 * (1 + abs(terms[0, 0]))
        return terms

    return replace(loss, rule=rule)


@pytest.mark.parametrize("name", LOSSES)
def test_planted_mistakes_in_every_loss_are_wrong(name, rng):
    case = cases(name)[0]
    inputs = case.sample(rng, BATCH)
    assert scratch_ladders(scaled(case.loss), case.loss, inputs)[1].verdict == "wrong"
    assert scratch_ladders(offset(case.loss), case.loss, inputs)[0].verdict == "wrong"


@pytest.mark.parametrize("name", LOSSES)
def test_another_reduction_divisor_or_setting_is_wrong(name, rng):
    make = LOSSES[name]
    weighted = next(case for case in cases(name) if case.weighted)
    inputs = weighted.sample(rng, BATCH)
    others = [make(weight_divisor="weights"), *(make(reduction) for reduction in make().reductions[1:])]
    for other in others:
        assert [ladder.verdict for ladder in scratch_ladders(other, make(), inputs)] == ["wrong", "wrong"], other
    for case in cases(name):
        if set(case.loss.given) - {"weight_divisor"}:
            inputs = case.sample(rng, BATCH)
            assert "wrong" in [ladder.verdict for ladder in scratch_ladders(make(), case.loss, inputs)], case.label


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [name for name in LOSSES if LOSSES[name]().outputs == "real"])
def test_extreme_outputs_give_no_nan_and_no_warning(name, dtype, rng):
    for index, case in enumerate(cases(name)):
        z, y, weights = case.sample(rng, BATCH)
        z[...] = rng.choice(np.array([-1e4, -100, -1e-30, 0, 1e-30, 100, 1e4], np.float32), z.shape)
        if name == "poisson":
            z = np.minimum(z, 50)  # the value itself is out of range behind that
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            value, dz = run(scratch_twin(case.loss, UNITS, dtype), (z, y, weights), dtype)
        assert np.isfinite(value), (index, case.label)
        assert np.isfinite(dz).all(), (index, case.label)


@pytest.mark.parametrize("name", LOSSES)
def test_weights_count_rows(name, rng):
    """A row of weight 2 is two rows, and one of weight 0 is none, where the mean divides by the weights."""
    loss = LOSSES[name](weight_divisor="weights")
    z, y = sample(loss, rng, 3, UNITS)
    z, y = z.astype(float), y if y.ndim == 1 else y.astype(float)
    chosen = [0, 0, 2]
    one, slope = run(scratch_twin(loss, UNITS, "float64"), (z, y, np.array([2.0, 0.0, 1.0])), "float64")
    two, slopes = run(scratch_twin(LOSSES[name](), UNITS, "float64"), (z[chosen], y[chosen], None), "float64")
    # Sums of three products in another order: a few units in the last place of the largest.
    assert abs(one - two) <= 16 * 2.0**-53 * max(abs(one), 1)
    assert np.abs(slope - [slopes[0] + slopes[1], 0 * slopes[0], slopes[2]]).max() <= 16 * 2.0**-53 * np.abs(slopes).max()


@pytest.mark.parametrize("name", [name for name in LOSSES if LOSSES[name]().class_indices])
def test_ignored_rows_count_for_nothing(name, rng):
    ignoring = LOSSES[name](ignored_index=-1)
    z, y = sample(ignoring, rng, 5, UNITS, indices=True)
    kept = np.array([0, 2, 3])
    y[[1, 4]] = -1
    one, slope = run(scratch_twin(ignoring, UNITS, "float64"), (z, y, None), "float64")
    two, slopes = run(scratch_twin(LOSSES[name](), UNITS, "float64"), (z[kept], y[kept], None), "float64")
    assert abs(one - two) <= 16 * 2.0**-53 * max(abs(one), 1)
    assert np.array_equal(slope[kept], slopes)
    assert not slope[[1, 4]].any()


@pytest.mark.parametrize(
    "name", [name for name in LOSSES if LOSSES[name]().class_indices and LOSSES[name]().targets != "index"]
)
def test_class_indices_and_their_rows_are_the_same(name, rng):
    for case in cases(name):
        if not case.indices or case.loss.ignored_index is not None or case.loss.given.get("weight_divisor"):
            continue
        z, y, weights = case.sample(rng, BATCH)
        for ladder in scratch_ladders(case.loss, case.loss, (z, np.eye(UNITS, dtype=np.float32)[y], weights)):
            assert ladder.verdict in RIGHT
        twin = scratch_twin(case.loss, UNITS, "float64")
        one, two = (run(twin, (z, targets, weights), "float64") for targets in (y, np.eye(UNITS)[y]))
        assert abs(one[0] - two[0]) <= 16 * 2.0**-53 * max(abs(one[0]), 1)


def test_pytorchs_bounds_on_probabilities(backends):
    """Logarithms not below -100, and a denominator not below 1e-12: at 0, at 1 and far below 1e-12."""
    loss = LOSSES["binary_cross_entropy_on_probabilities"]("sum")
    for z in (0.0, 1.0, 2.0**-60):
        for y in (0.0, 1.0):
            inputs = np.full((1, 1), z), np.full((1, 1), y), None
            twin = backends["torch"].mirror(Model(1, (), loss), NOTHING, SGD(), "float64")
            ours = run(scratch_twin(loss.in_convention("torch"), 1, "float64"), inputs, "float64")
            theirs = run(twin, inputs, "float64")
            assert ours[0] == pytest.approx(theirs[0], rel=2.0**-51)  # a logarithm and a product
            assert ours[1][0, 0] == pytest.approx(theirs[1][0, 0], rel=2.0**-51)


def test_what_there_is_not_is_refused():
    refused = {
        r"huber: there is no setting \"detla\". It has: delta": lambda: LOSSES["huber"](detla=1.0),
        r"mean_squared_error: there is no setting \"delta\". It has: none": lambda: LOSSES["mean_squared_error"](delta=1.0),
        "huber: delta = 0 is not possible": lambda: LOSSES["huber"](delta=0),
        "label_smoothing = 1.5 is not possible": lambda: LOSSES["softmax_cross_entropy"](label_smoothing=1.5),
        "power = 3 is not possible. Give 1 or 2": lambda: LOSSES["multi_margin"](power=3),
        "class_weights = .* finite numbers": lambda: LOSSES["multi_margin"](class_weights=(1.0, -1.0)),
        "there is no reduction": lambda: LOSSES["hinge"]("half_batchmean"),
        'weight_divisor is "rows"': lambda: LOSSES["hinge"](weight_divisor="rows"),
        "it takes no class indices": lambda: LOSSES["hinge"](ignored_index=1),
    }
    for message, make in refused.items():
        with pytest.raises(ValueError, match=message):
            make()
    loss = LOSSES["softmax_cross_entropy"](class_weights=(1.0, 2.0))
    with pytest.raises(ValueError, match="there are 2 class weights for 3 outputs"):
        scratch_twin(loss, 3, "float64").loss_and_gradients(np.zeros((1, 3)), np.zeros(1, np.int64))
