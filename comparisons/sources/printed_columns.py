"""What a printed column of shares can be: counts of images are whole numbers, and rounding leaves only some of them possible."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scratch.arrays import Array

DECIMALS = 5
Column = Sequence[float] | Array


@dataclass(frozen=True)
class Fit:
    """How many of a column's values are what a reading says."""

    tested: int
    """Those that the reading could contradict."""
    fit: int
    by_chance: float
    """How many of them would fit on average if the column were something else."""
    log10_all: float
    """Decimal logarithm of the probability that all would."""

    @property
    def holds(self) -> bool:
        """Whether nothing contradicts the reading."""
        return self.tested > 0 and self.fit == self.tested


def as_shares(column: Column, images: int, decimals: int = DECIMALS) -> Fit:
    """Whether every value is k / images for a whole k, rounded to so many decimals."""
    return _whole(np.asarray(column), np.ones(len(column)), images, decimals)


def as_running_mean(column: Column, images: int, decimals: int = DECIMALS) -> Fit:
    """Whether the n-th value is (k_1 + ... + k_n) / (n images), for whole k: a mean over all epochs so far.

    The n-th value fixes the total to within n images 10^-decimals. It tests something while that is less than one. Plain shares
    fit as well, since n k_n is whole too: `as_shares` tells them apart.
    """
    return _whole(np.asarray(column), np.arange(1, len(column) + 1), images, decimals)


def unrolled(column: Column, decimals: int = DECIMALS) -> tuple[Array, Array]:
    """What each epoch adds to a running mean, n m_n - (n - 1) m_(n-1), and how far rounding may have moved it, both (epochs,)."""
    means = np.asarray(column, dtype=np.float64)
    n = np.arange(1, len(means) + 1)
    totals = n * means
    bounds = np.concatenate([[1.0], (2.0 * n - 1)[1:]]) * 0.5 * 10.0**-decimals
    return np.diff(totals, prepend=0.0), bounds


def running_mean(values: Column) -> Array:
    """The mean of all values so far, (epochs,)."""
    return np.asarray(np.cumsum(values) / np.arange(1, len(values) + 1))


def _whole(values: Array, repeats: Array, images: int, decimals: int) -> Fit:
    """Whether images * repeats * value is within rounding of a whole number."""
    scale = images * repeats
    width = scale * 10.0**-decimals
    tested = width < 1
    # The values were read from decimals: half a unit in the last place, and the rounding of float64 on top.
    fits = np.abs(scale * values - np.rint(scale * values)) <= width / 2 + 4 * scale * np.finfo(np.float64).eps
    chance = width[tested]
    return Fit(int(tested.sum()), int(fits[tested].sum()), float(chance.sum()), float(np.log10(chance).sum()))
