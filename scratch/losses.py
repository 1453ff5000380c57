"""Losses: value and gradient in one rule, since they share their intermediate results.

Symbols: z is the network's output (batch, units); y the target, of the same shape, or (batch,) class indices where the
loss takes them; dz = dL/dz. Every loss is a sum over its terms divided by the `divisor` of a named reduction. Dividing by
a whole number, rather than multiplying by its rounded inverse, keeps the rule exact at every precision.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scratch.activations import ACTIVATIONS
from scratch.arrays import Array, Scalar, Work

Rule = Callable[[Array, Array, Array, Work, float], Scalar]

REDUCTIONS: dict[str, Callable[[int, int], float]] = {
    "mean": lambda batch, units: batch * units,
    "batchmean": lambda batch, units: batch,
    "half_batchmean": lambda batch, units: 2 * batch,
    "sum": lambda batch, units: 1,
}
"""Divisor by reduction: over all elements, over the rows only, over the rows with a factor 1/2, none."""


@dataclass(frozen=True)
class Loss:
    """A loss with its reduction. `value_and_gradient(z, y, dz, work)` writes dz and returns the value."""

    name: str
    formula: str
    derivative: str
    source: str
    reduction: str
    rule: Rule
    per_row: bool = False
    """One term per row instead of one per element: "mean" then divides by the number of rows."""
    class_indices: bool = False
    """Whether y may be (batch,) integers."""

    def divisor(self, batch: int, units: int) -> float:
        """By how much the sum over all terms is divided."""
        return REDUCTIONS[self.reduction](batch, 1 if self.per_row else units)

    def value_and_gradient(self, z: Array, y: Array, dz: Array, work: Work, weights: Array | None = None) -> Scalar:
        """Write dz (batch, units) and return the loss, a scalar of z's precision. `weights` are one number per row."""
        return self.rule(z, y, dz, work, self.divisor(*z.shape))


def _squared_error(z: Array, y: Array, dz: Array, work: Work, divisor: float) -> Scalar:
    np.subtract(z, y, out=dz)
    np.square(dz, out=work.like)
    np.divide(dz, divisor / 2, out=dz)
    return np.add.reduce(work.like, axis=None) / divisor


def _softmax_cross_entropy(z: Array, y: Array, dz: Array, work: Work, divisor: float) -> Scalar:
    shifted, row = work.like, work.row
    np.maximum.reduce(z, axis=1, keepdims=True, out=row)
    np.subtract(z, row, out=shifted)
    np.exp(shifted, out=dz)
    np.dot(dz, work.unit_ones, out=row[:, 0])
    np.divide(dz, row, out=dz)
    np.log(row, out=row)
    if y.ndim == 1:
        rows = np.arange(len(y))
        of_target = np.add.reduce(shifted[rows, y])
        dz[rows, y] -= 1
    else:
        np.subtract(dz, y, out=dz)
        of_target = np.dot(shifted.reshape(-1), y.reshape(-1))
    np.divide(dz, divisor, out=dz)
    return (np.dot(work.ones, row[:, 0]) - of_target) / divisor


def _binary_cross_entropy(z: Array, y: Array, dz: Array, work: Work, divisor: float) -> Scalar:
    decay = work.like
    # The value, term by term: max(z, 0) - z y + log(1 + exp(-|z|)).
    np.absolute(z, out=decay)
    np.negative(decay, out=decay)
    np.exp(decay, out=decay)
    np.log1p(decay, out=decay)
    np.multiply(z, y, out=dz)
    np.subtract(decay, dz, out=decay)
    np.maximum(z, work.zeros, out=dz)
    np.add(decay, dz, out=decay)
    value = np.add.reduce(decay, axis=None) / divisor
    # The gradient: sigmoid(z) - y.
    ACTIVATIONS["sigmoid"].rule(z, dz, work)
    np.subtract(dz, y, out=dz)
    np.divide(dz, divisor, out=dz)
    return value


_BISHOP = "C. M. Bishop, Pattern Recognition and Machine Learning (2006)"


def mean_squared_error(reduction: str = "mean") -> Loss:
    """Squared error of outputs z against targets y of the same shape.

    Reductions: "mean" over all elements (PyTorch and Keras), "batchmean" summed over the units and averaged over the rows,
    "half_batchmean" the same with the textbook's factor 1/2, "sum" over everything.
    """
    return Loss(
        name="mean_squared_error",
        formula="L = sum_nk (z_nk - y_nk)^2 / divisor",
        derivative="dz = 2 (z - y) / divisor",
        source=f"{_BISHOP}, equation 5.11 (half_batchmean, times the batch size)",
        reduction=_known(reduction, ("mean", "batchmean", "half_batchmean", "sum"), "mean_squared_error"),
        rule=_squared_error,
    )


def softmax_cross_entropy(reduction: str = "mean") -> Loss:
    """Cross-entropy of softmax(z) against class indices (batch,) or rows of probabilities that sum to one.

    Reductions: "mean" over the rows, "sum".
    """
    return Loss(
        name="softmax_cross_entropy",
        formula="L = sum_n (log sum_j exp(z_nj) - sum_k y_nk z_nk) / divisor",
        derivative="dz = (softmax(z) - y) / divisor",
        source=f"{_BISHOP}, equations 4.108 and 4.109",
        reduction=_known(reduction, ("mean", "sum"), "softmax_cross_entropy"),
        rule=_softmax_cross_entropy,
        per_row=True,
        class_indices=True,
    )


def binary_cross_entropy(reduction: str = "mean") -> Loss:
    """Cross-entropy of sigmoid(z) against targets y in [0, 1] of the same shape, one decision per element.

    Reductions: "mean" over all elements, "batchmean" summed over the units and averaged over the rows, "sum".
    """
    return Loss(
        name="binary_cross_entropy",
        formula="L = sum_nk (max(z_nk, 0) - z_nk y_nk + log(1 + exp(-|z_nk|))) / divisor",
        derivative="dz = (sigmoid(z) - y) / divisor",
        source=f"{_BISHOP}, equations 4.90 and 4.91",
        reduction=_known(reduction, ("mean", "batchmean", "sum"), "binary_cross_entropy"),
        rule=_binary_cross_entropy,
    )


def _known(reduction: str, allowed: tuple[str, ...], loss: str) -> str:
    if reduction not in allowed:
        raise ValueError(f'{loss}: there is no reduction "{reduction}". Choose one of {", ".join(allowed)}.')
    return reduction


LOSSES: dict[str, Callable[[str], Loss]] = {
    "mean_squared_error": mean_squared_error,
    "softmax_cross_entropy": softmax_cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
}
"""Every loss by name; the values are called with a reduction."""
