"""Scratch's losses in Optax: one row each, from outputs, targets and settings to an array of terms."""

from collections.abc import Callable
from typing import Any

from backends.interface import NotOffered, find_row
from backends.on_jax.framework import jax, jnp, optax
from scratch.losses import Loss


def _cross_entropy(z: Any, y: Any, label_smoothing: float, class_weights: Any) -> Any:
    if label_smoothing:
        rows = jax.nn.one_hot(y, z.shape[1], dtype=z.dtype) if y.ndim == 1 else y
        return optax.softmax_cross_entropy(z, optax.smooth_labels(rows, label_smoothing))
    return optax.softmax_cross_entropy(z, y) if y.ndim == 2 else optax.softmax_cross_entropy_with_integer_labels(z, y)


LOSSES: dict[str, Callable[..., Any]] = {
    "mean_squared_error": optax.squared_error,
    "huber": lambda z, y, delta: optax.huber_loss(z, y, delta=delta),
    "log_cosh": optax.log_cosh,
    "cosine_similarity": lambda z, y: -optax.cosine_similarity(z, y),
    "binary_cross_entropy": lambda z, y, label_smoothing, positive_weight: optax.sigmoid_binary_cross_entropy(z, y),
    "binary_focal": lambda z, y, gamma, alpha: optax.sigmoid_focal_loss(z, y, alpha=alpha, gamma=gamma),
    "hinge": optax.hinge_loss,
    "softmax_cross_entropy": _cross_entropy,
    "categorical_hinge": lambda z, y: optax.losses.multiclass_hinge_loss(z, y if y.ndim == 1 else jnp.argmax(y, axis=1)),
    "kl_divergence": optax.kl_divergence,
}

GAPS: dict[str, str] = {
    "mean_absolute_error": "nothing like it; jnp.abs(z - y)",
    "smooth_l1": "huber_loss with delta = beta, divided by beta, is the same",
    "mean_absolute_percentage_error": "nothing like it",
    "mean_squared_logarithmic_error": "squared_error of log1p is the same",
    "binary_cross_entropy_on_probabilities": "sigmoid_binary_cross_entropy takes logits",
    "squared_hinge": "the square of hinge_loss is the same",
    "soft_margin": "sigmoid_binary_cross_entropy with targets (1 + y) / 2 is the same",
    "multi_label_soft_margin": "sigmoid_binary_cross_entropy is the same without class weights",
    "cross_entropy_on_probabilities": "softmax_cross_entropy takes logits",
    "sparse_cross_entropy_on_probabilities": "softmax_cross_entropy_with_integer_labels takes logits",
    "negative_log_likelihood": "softmax_cross_entropy_with_integer_labels takes logits",
    "categorical_focal": "sigmoid_focal_loss is the binary one",
    "multi_margin": "multiclass_hinge_loss takes the largest of the other classes where this sums over them",
    "kl_divergence_on_probabilities": "kl_divergence takes their logarithms",
    "poisson": "nothing like it",
    "poisson_on_rates": "nothing like it",
    "gaussian_negative_log_likelihood": "nothing like it",
    "dice": "dice_loss takes logits; of probabilities it demands that a row sums to one",
    "tversky": "dice_loss with its alpha and beta, which takes logits",
}
"""What Optax does not have, and what there is instead."""

MISSING: dict[str, str] = {
    "binary_cross_entropy.label_smoothing": "smooth_labels spreads over the last axis, not over the two outcomes",
    "binary_cross_entropy.positive_weight": "nothing like it",
    "softmax_cross_entropy.class_weights": "weight the rows by their class",
    "softmax_cross_entropy.ignored_index": "give those rows the weight 0",
    "categorical_hinge.ignored_index": "give those rows the weight 0",
}
"""Settings that Optax's row does not have."""


def loss_value(loss: Loss, z: Any, y: Any, weights: Any | None) -> Any:
    """The loss of outputs z (batch, units) against targets y; Optax leaves weights and reduction to its user."""
    row = find_row(LOSSES, GAPS, loss.name, "Optax")
    for setting in loss.given:
        if reason := MISSING.get(f"{loss.name}.{setting}"):
            raise NotOffered(f"Optax's {loss.name} has no {setting}: {reason}")
    terms = row(z, y, **loss.settings)
    if weights is None:
        return jnp.sum(terms) / loss.divisor(*z.shape)
    rows: Any = len(z) if loss.weight_divisor == "count" else jnp.sum(weights)
    return jnp.sum(terms * (weights if terms.ndim == 1 else weights[:, None])) / loss.divisor(rows, z.shape[1])
