"""Scratch's losses in Keras: one row each, a `keras.losses` class."""

from collections.abc import Callable
from typing import Any

from backends.interface import find_row
from backends.on_keras.framework import keras, tf
from scratch.losses import Loss

REDUCTIONS = {"mean": "sum_over_batch_size", "sum": "sum"}

LOSSES: dict[str, Callable[..., Any]] = {
    "mean_squared_error": keras.losses.MeanSquaredError,
    "softmax_cross_entropy": lambda **kwargs: keras.losses.CategoricalCrossentropy(from_logits=True, **kwargs),
    "binary_cross_entropy": lambda **kwargs: keras.losses.BinaryCrossentropy(from_logits=True, **kwargs),
}


GAPS: dict[str, str] = {}
"""What Keras does not have, and what there is instead."""


def loss_function(loss: Loss, dtype: str) -> Callable[[Any, Any, Any], Any]:
    """The loss as a function of targets, outputs and weights (batch,) or None.

    Keras averages over the last axis before it reduces over the batch, so its "sum" is a sum of row means.
    """
    reduction = REDUCTIONS.get(loss.reduction, "sum")
    rows = find_row(LOSSES, GAPS, loss.name, "Keras")(reduction=reduction, dtype=dtype)
    indices = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=reduction, dtype=dtype)

    def value(y: Any, z: Any, weights: Any) -> Any:
        # The output of a softmax or sigmoid carries its logits with it in secret, and a loss on logits then takes those
        # instead of the output that it is given. A copy does not carry them.
        z = tf.identity(z)
        if y.dtype.is_integer:
            return indices(y, z, weights)
        result = rows(y, z, weights)
        if loss.per_row or loss.reduction == "mean":
            return result
        batch, units = z.shape
        return result * units / loss.divisor(batch, units)

    return value
