"""Functions that several losses share, each without overflow and without cancellation."""

from typing import Any

import numpy as np

from scratch.arrays import Array, scalar_type


def sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z))."""
    found: Array = np.exp(np.minimum(z, 0)) / (1 + np.exp(-np.abs(z)))
    return found


def softplus(z: Array) -> Array:
    """log(1 + exp(z)), which is -log sigmoid(-z)."""
    found: Array = np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))
    return found


def sign(z: Array) -> Array:
    """-1, 0 or 1. By comparisons, which a complex step passes through, where NumPy's sign of a complex number is another thing."""
    found: Array = np.where(z > 0, 1, np.where(z < 0, -1, 0))
    return found


def dense_targets(y: Array, z: Array) -> Array:
    """Targets as rows (batch, units): class indices become rows of 0 and 1."""
    if y.ndim > 1:
        return y
    rows = np.zeros_like(z)
    rows[np.arange(len(y)), y] = 1
    return rows


def smoothed(y: Array, label_smoothing: float, share: float, z: Array) -> Array:
    """(1 - s) y + s share, with the coefficients in z's precision. C. Szegedy et al. (2016), section 7."""
    s = scalar_type(z.dtype)(label_smoothing)
    found: Array = (1 - s) * y + s / share
    return found


def class_row(class_weights: tuple[float, ...], z: Array, loss: str) -> Array:
    """Class weights as a row (units,) of z's precision; raises ValueError where their number is another one."""
    if len(class_weights) != z.shape[1]:
        raise ValueError(
            f"{loss}: there are {len(class_weights)} class weights for {z.shape[1]} outputs. Give one number per output."
        )
    row = np.empty_like(z, shape=(len(class_weights),))
    row[...] = np.asarray(class_weights)
    return row


def clipped(z: Array, low: float, high: float) -> tuple[Array, Any]:
    """The nearest numbers between the bounds, and which of z were there already: the derivative of the clipping."""
    return np.minimum(np.maximum(z, low), high), (z >= low) & (z <= high)
