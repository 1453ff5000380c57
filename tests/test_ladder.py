"""The ladder's verdicts, on errors that are made up and on sums whose rounding is real."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comparisons.ladder import UNIT_ROUNDOFF, judge, relative_error, worst

U32, U64, U128 = UNIT_ROUNDOFF.values()
CASES = {
    "right": ({"float32": 1e-7, "float64": 1e-16, "float128": 1e-34}, "rounding"),
    "right, float128 against central differences": ({"float32": 1e-7, "float64": 1e-16, "float128": 1e-22}, "rounding"),
    "right and badly conditioned": ({"float32": 6e-4, "float64": 7e-13, "float128": 8e-31}, "rounding"),
    "right, two rungs": ({"float32": 3e-7, "float64": 4e-16}, "rounding"),
    "float32 exact by luck": ({"float32": 0.0, "float64": 2e-16}, "rounding"),
    "float64 exact by luck": ({"float32": 1e-7, "float64": 0.0}, "rounding"),
    "float32 crossed a kink": ({"float32": 0.5, "float64": 1e-15}, "rounding"),
    "all bits equal": ({"float32": 0.0, "float64": 0.0}, "exact"),
    "wrong": ({"float32": 0.3, "float64": 0.3, "float128": 0.3}, "wrong"),
    "wrong, two rungs": ({"float32": 2e-3, "float64": 2e-3}, "wrong"),
    "a forgotten 1e-12 under a root": ({"float32": 1.2e-7, "float64": 2.5e-13, "float128": 2.5e-13}, "wrong"),
    "the same on two rungs": ({"float32": 1.2e-7, "float64": 2.5e-13}, "inconclusive"),
    "falls on the finest rung only": ({"float32": 1e-3, "float64": 1e-3, "float128": 1e-22}, "inconclusive"),
    "one rung": ({"float64": 1e-16}, "inconclusive"),
    "overflow in float32": ({"float32": float("inf"), "float64": 1e-16}, "inconclusive"),
    "overflow in float32, two rungs left": ({"float32": np.inf, "float64": 1e-16, "float128": 1e-33}, "rounding"),
    "never finite": ({"float32": float("inf"), "float64": float("inf")}, "wrong"),
    "nor is the reference": ({"float32": 1e-7, "float64": float("nan")}, "inconclusive"),
}


@pytest.mark.parametrize("name", CASES)
def test_verdicts(name):
    errors, verdict = CASES[name]
    reference_error = 1e-22 if "central differences" in name or name == "falls on the finest rung only" else 0.0
    ladder = judge(errors, reference_error=reference_error)
    assert ladder.verdict == verdict
    assert bool(ladder.reason) == (verdict in ("wrong", "inconclusive"))


def test_a_reference_that_is_no_better_than_a_rung():
    right, wrong = {"float32": 8e-8, "float64": 6e-16, "float128": 3e-16}, {"float32": 8e-8, "float64": 1e-9, "float128": 1e-9}
    assert judge(right, reference_error=2e-15).verdict == "rounding"
    assert judge(wrong, reference_error=2e-15).verdict == "wrong"
    hidden = judge(right, reference_error=1e-6)
    assert hidden.verdict == "inconclusive"
    assert "reference's own error" in hidden.reason


def test_slope_is_one_for_rounding_and_zero_for_a_mistake():
    assert judge({"float32": 5 * U32, "float64": 5 * U64}).slope == pytest.approx(1)
    assert judge({"float32": 0.1, "float64": 0.1}).slope == pytest.approx(0)


@given(
    condition=st.floats(1, 1e6),
    luck=st.lists(st.floats(0.02, 1), min_size=3, max_size=3),
    size=st.floats(1e-4, 1),
)
def test_rounding_and_mistakes_of_every_size_are_told_apart(condition, luck, size):
    # 0.02 to 1 leaves a factor of 50 to luck, within the 152 that the threshold allows.
    right = {name: condition * u * factor for (name, u), factor in zip(UNIT_ROUNDOFF.items(), luck, strict=True)}
    assert judge(right).verdict == "rounding"
    two = {name: right[name] for name in ("float32", "float64")}
    assert judge(two).verdict == "rounding"
    assert judge({name: error + size * condition for name, error in right.items()}).verdict == "wrong"
    assert judge({name: error + size * condition for name, error in two.items()}).verdict == "wrong"


@pytest.mark.parametrize("seed", range(20))
def test_a_sum_is_rounding_and_a_sum_that_forgets_a_term_is_not(seed):
    rng = np.random.default_rng(seed)
    terms = rng.standard_normal(1000).astype(np.float32)
    true = np.add.reduce(terms.astype(np.longdouble))
    right, wrong = {}, {}
    for dtype in ("float32", "float64"):
        values = terms.astype(dtype)
        right[dtype] = abs(float(np.cumsum(values)[-1] - true)) / float(np.abs(true))
        wrong[dtype] = abs(float(np.cumsum(values[1:])[-1] - true)) / float(np.abs(true))
    assert judge(right).verdict in ("rounding", "exact")
    assert judge(wrong).verdict == "wrong"


def test_bad_ladders_are_refused():
    for errors in ({}, {"float16": 0.1}, {"float32": -1.0}):
        with pytest.raises(ValueError, match=r"ladder|negative"):
            judge(errors)


def test_worst():
    assert worst(["exact", "rounding"]) == "rounding"
    assert worst(["inconclusive", "wrong", "rounding"]) == "wrong"
    assert worst([]) == "inconclusive"


def test_relative_error():
    reference = np.array([1.0, 2.0])
    assert relative_error(reference.astype(np.float32), reference) == 0
    assert relative_error(np.array([1.0, 2.5]), reference) == 0.25
    assert relative_error(np.array([1.0, np.nan]), reference) == np.inf
    assert np.isnan(relative_error(reference, np.array([1.0, np.inf])))
    assert relative_error(np.zeros(0), np.zeros(0)) == 0
    assert relative_error(np.array([1e-3]), np.zeros(1), scale=0.5) == 2e-3
