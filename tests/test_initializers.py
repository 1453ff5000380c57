"""Initializers: every framework's draws against scratch's in distribution, and distributions that must not pass for another."""

import numpy as np
import pytest

from backends import NotOffered
from backends.numpy_backend import NumpyBackend
from comparisons.verification.cells import Effort, Task
from comparisons.verification.initializers import FANS, distance, initializer_cells, limit
from scratch.initializers import INITIALIZERS, he_normal_truncated, uniform
from tests.conftest import BACKENDS

EFFORT = Effort(draws=400_000)
MOMENTS = {
    "he_normal": (2 / FANS[0], None),
    "he_normal_truncated": (2 / FANS[0], 2 / 0.87962566103423978),
    "he_uniform": (2 / FANS[0], np.sqrt(3)),
    "glorot_normal": (2 / sum(FANS), None),
    "glorot_normal_truncated": (2 / sum(FANS), 2 / 0.87962566103423978),
    "glorot_uniform": (2 / sum(FANS), np.sqrt(3)),
    "lecun_normal_truncated": (1 / FANS[0], 2 / 0.87962566103423978),
    "lecun_uniform": (1 / FANS[0], np.sqrt(3)),
    "torch_linear": (1 / (3 * FANS[0]), np.sqrt(3)),
    "uniform": (0.05**2 / 3, np.sqrt(3)),
    "normal": (0.05**2, None),
    "truncated_normal": ((0.05 * 0.87962566103423978) ** 2, 2 / 0.87962566103423978),
    "orthogonal": (1 / FANS[0], None),
}
"""Variance by definition, and the largest value in standard deviations, where there is one."""


def cell(backend, name):
    task = Task("initializer", name, backend.name)
    return next(initializer_cells(task, backend, EFFORT))


@pytest.mark.parametrize("name", MOMENTS)
def test_moments_and_bounds(name):
    variance, largest = MOMENTS[name]
    rng = np.random.default_rng(0)
    draws = np.concatenate([INITIALIZERS[name]().draw(rng, *FANS, FANS).ravel() for _ in range(10)])
    deviation = np.sqrt(variance)
    # Six standard errors: of the mean sigma / sqrt(n); of the variance sigma^2 sqrt(2 / n) for the widest of these, the normal.
    assert abs(draws.mean()) < 6 * deviation / np.sqrt(draws.size)
    assert abs(draws.var() / variance - 1) < 6 * np.sqrt(2 / draws.size)
    if largest is not None:
        # The bound is kept, and nearly reached: n draws miss its last thousandth with a probability below exp(-n / 10,000).
        assert 0.999 * largest * deviation < np.abs(draws).max() <= largest * deviation * (1 + 1e-12)


@pytest.mark.parametrize("name", BACKENDS)
def test_every_framework_draws_the_same_from_the_same_seed(name, backends):
    backend = backends[name]
    for entry in INITIALIZERS.values():
        try:
            first, again, other = (backend.draw(entry(), (6, 4), seed) for seed in (1, 1, 2))
        except NotOffered:
            continue
        assert first.shape == (6, 4)
        assert np.array_equal(first, again)
        assert (first != other).any() or first.min() == first.max() or np.array_equal(first, np.eye(6, 4)), entry


class Drawing(NumpyBackend):
    """Draws something else than it is asked for."""

    convention = "paper"

    def __init__(self, instead):
        self.instead = instead

    def draw(self, initializer, shape, seed):
        return self.instead(np.random.default_rng(seed), shape)


MISTAKES = {
    "he_normal": lambda rng, shape: he_normal_truncated().draw(rng, *shape, shape),
    "he_uniform": lambda rng, shape: INITIALIZERS["he_normal"]().draw(rng, *shape, shape),
    "glorot_uniform": lambda rng, shape: INITIALIZERS["he_uniform"]().draw(rng, *shape, shape),
    "lecun_uniform": lambda rng, shape: INITIALIZERS["lecun_uniform"]().draw(rng, *shape[::-1], shape),
    "torch_linear": lambda rng, shape: INITIALIZERS["lecun_uniform"]().draw(rng, *shape, shape),
    "truncated_normal": lambda rng, shape: INITIALIZERS["normal"]().draw(rng, *shape, shape),
    "normal": lambda rng, shape: rng.standard_normal(shape) * 0.053,
    "uniform": lambda rng, shape: uniform(0.0, 0.1).draw(rng, *shape, shape),
    "orthogonal": lambda rng, shape: rng.standard_normal(shape) / np.sqrt(shape[0]),
    "constant": lambda rng, shape: np.full(shape, 0.1000001),
    "identity": lambda rng, shape: np.eye(*shape, k=1),
    "zeros": lambda rng, shape: np.full(shape, 1e-30),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_another_distribution_is_wrong(name):
    """Truncated or not, another fan, another bound, a deviation 6 % too large, columns that are not orthonormal."""
    assert cell(Drawing(MISTAKES[name]), name).verdict == "wrong"
    right = Drawing(lambda rng, shape: INITIALIZERS[name]().draw(rng, *shape, shape))
    assert cell(right, name).verdict in ("rounding", "exact")


def test_draws_that_are_none_are_wrong():
    def with_nan(rng, shape):
        draws = INITIALIZERS["he_normal"]().draw(rng, *shape, shape)
        draws[::7, 0] = np.nan
        return draws

    def the_same(rng, shape):
        return INITIALIZERS["he_normal"]().draw(np.random.default_rng(0), *shape, shape)

    for instead, reason in ((with_nan, "not all draws are finite"), (the_same, "two seeds draw the same")):
        found = cell(Drawing(instead), "he_normal")
        assert (found.verdict, found.reason) == ("wrong", reason)


def test_the_allowed_distance_is_rarely_exceeded():
    """Of 300 pairs of samples of one distribution none may come near: ALARM is a probability of 1e-9."""
    rng = np.random.default_rng(0)
    apart = [distance(rng.standard_normal(500), rng.standard_normal(500)) for _ in range(300)]
    assert max(apart) < limit(500)
    assert distance(np.zeros(3), np.ones(3)) == 1
    assert distance(np.arange(4.0), np.arange(4.0)) == 0


def test_an_entry_says_its_settings():
    assert INITIALIZERS["normal"](0.2).settings == {"standard_deviation": 0.2}
    with pytest.raises(ValueError, match="negative"):
        INITIALIZERS["truncated_normal"](-1)
