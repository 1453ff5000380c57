"""Learning rate schedules: against the frameworks, against their formulas at points worked out by hand, and mistakes."""

import math

import numpy as np
import pytest

from backends import NotOffered
from comparisons.ladder import judge, relative_error
from comparisons.verification.schedules import REFERENCE_ERROR
from scratch.schedules import SCHEDULES
from tests.conftest import BACKENDS, DTYPES

POINTS = {
    "constant": {0: 0.1, 999: 0.1},
    "step": {0: 0.1, 19: 0.1, 20: 0.05, 40: 0.025},
    "piecewise": {14: 0.1, 15: 0.05, 39: 0.05, 40: 0.005},
    "exponential": {0: 0.1, 25: 0.05, 50: 0.025},
    "inverse_time": {0: 0.1, 50: 0.05},
    "polynomial": {0: 0.1, 25: 0.025, 50: 0.0, 60: 0.0},
    "linear": {0: 0.1, 25: 0.055, 50: 0.01, 60: 0.01},
    "cosine": {0: 0.1, 20: 0.055, 40: 0.01, 60: 0.01},
    "cosine_restarts": {0: 0.1, 8: 0.055, 16: 0.1, 32: 0.055, 48: 0.1},
    "warm_up": {0: 0.01, 25: 0.1, 60: 0.1},
    "warm_up_cosine": {0: 0.01, 5: 0.055, 10: 0.1, 30: 0.06, 50: 0.02, 60: 0.02},
    "one_cycle": {0: 0.004, 250: 0.1, 625: (0.1 + 0.004e-4) / 2, 1000: 0.004e-4},
    "cyclic": {0: 0.01, 6: 0.055, 12: 0.1, 24: 0.01, 36: 0.1},
    "reduce_on_plateau": {0: 0.1, 13: 0.1, 14: 0.05, 17: 0.05, 18: 0.025},
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_points_worked_out_by_hand(name):
    schedule = SCHEDULES[name]()
    # Half an ulp for the rate, and up to eight roundings on the way.
    assert {t: schedule.rate(t) for t in POINTS[name]} == pytest.approx(POINTS[name], rel=REFERENCE_ERROR * 8, abs=1e-18)
    assert schedule.name == name
    assert schedule.rates(5).tolist() == [schedule.rate(t) for t in range(5)]


WRONG = {
    "step": ({"period": 21}, {}),
    "exponential": ({"factor": 0.5 + 1e-9}, {}),
    "cosine": ({"end": 0.0}, {}),
    "piecewise": ({}, {"convention": "keras"}),
    "cosine, going on": ({}, {"convention": "torch"}),
    "one_cycle": ({}, {"convention": "torch"}),
    "reduce_on_plateau": ({}, {"convention": "torch"}),
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("name", ["torch", "jax"])
def test_other_settings_and_conventions_are_wrong(name, case, backends):
    """JAX and PyTorch, given one schedule, against another one."""
    backend, (settings, convention) = backends[name], WRONG[case]
    make = SCHEDULES[case.split(",")[0]]
    asked = make(**settings, **convention)
    given = make(convention="paper" if name == "jax" else "torch")
    if np.array_equal(given.rates(80), asked.rates(80)):
        pytest.skip("this is the framework's own")
    errors = {dtype: relative_error(backend.rates(given, 80, dtype), asked.rates(80)) for dtype in DTYPES}
    assert judge(errors, reference_error=REFERENCE_ERROR).verdict == "wrong", errors


@pytest.mark.parametrize("name", BACKENDS)
def test_rates_come_in_the_precision_asked_for(name, backends):
    for dtype in DTYPES:
        assert (
            backends[name].rates(SCHEDULES["cosine"](convention=backends[name].convention or "paper"), 3, dtype).dtype == dtype
        )


@pytest.mark.parametrize("name", ["torch", "keras", "jax"])
def test_what_is_missing_says_what_there_is_instead(name, backends):
    backend = backends[name]
    missing = [place.split("/")[1] for place in backend.gaps if place.startswith("schedule/")]
    assert missing
    for schedule in missing:
        with pytest.raises(NotOffered, match=schedule):
            backend.rates(SCHEDULES[schedule](), 3, "float64")


def test_the_plateaus_metric_rests_and_falls_again():
    schedule = SCHEDULES["reduce_on_plateau"]()
    rates = schedule.rates(200)
    assert (np.diff(rates) <= 0).all()
    assert len(set(rates)) > 5
    assert math.isclose(rates[-1], 0.1 * 0.5 ** round(math.log2(0.1 / rates[-1])), rel_tol=1e-12)
