"""Scratch's losses in Optax: one row each, from outputs and targets to an array of terms."""

from collections.abc import Callable
from typing import Any

from backends.interface import find_row
from backends.on_jax.framework import jnp, optax
from scratch.losses import Loss

LOSSES: dict[str, Callable[..., Any]] = {
    "mean_squared_error": optax.squared_error,
    "softmax_cross_entropy": lambda z, y: (
        optax.softmax_cross_entropy(z, y) if y.ndim == 2 else optax.softmax_cross_entropy_with_integer_labels(z, y)
    ),
    "binary_cross_entropy": optax.sigmoid_binary_cross_entropy,
}

GAPS: dict[str, str] = {}
"""What Optax does not have, and what there is instead."""


def loss_value(loss: Loss, z: Any, y: Any, weights: Any | None) -> Any:
    """The loss of outputs z (batch, units) against targets y; Optax leaves the reduction to its user."""
    terms = find_row(LOSSES, GAPS, loss.name, "Optax")(z, y)
    return jnp.sum(terms) / loss.divisor(*z.shape)
