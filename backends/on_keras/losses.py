"""Scratch's losses in Keras: one row each, from Keras's reduction, the precision and the settings to a `keras.losses` object."""

from collections.abc import Callable
from typing import Any

from backends.interface import NotOffered, find_row
from backends.on_keras.framework import keras, tf
from scratch.losses import Loss

_losses: Any = keras.losses


def _binary_cross_entropy(label_smoothing: float, positive_weight: float, **kwargs: Any) -> Any:
    return _losses.BinaryCrossentropy(from_logits=True, label_smoothing=label_smoothing, **kwargs)


def _binary_focal(gamma: float, alpha: float | None, **kwargs: Any) -> Any:
    balance = {} if alpha is None else {"apply_class_balancing": True, "alpha": alpha}
    return _losses.BinaryFocalCrossentropy(gamma=gamma, from_logits=True, **balance, **kwargs)


def _cross_entropy(label_smoothing: float, class_weights: Any, **kwargs: Any) -> Any:
    return _losses.CategoricalCrossentropy(from_logits=True, label_smoothing=label_smoothing, **kwargs)


def _cross_entropy_of_indices(label_smoothing: float, class_weights: Any, ignored_index: int | None, **kwargs: Any) -> Any:
    if label_smoothing:
        raise NotOffered("Keras smooths no class indices. Give one-hot targets.")
    return _losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=ignored_index, **kwargs)


LOSSES: dict[str, Callable[..., Any]] = {
    "mean_squared_error": _losses.MeanSquaredError,
    "mean_absolute_error": _losses.MeanAbsoluteError,
    "huber": _losses.Huber,
    "log_cosh": _losses.LogCosh,
    "mean_absolute_percentage_error": _losses.MeanAbsolutePercentageError,
    "mean_squared_logarithmic_error": _losses.MeanSquaredLogarithmicError,
    "cosine_similarity": _losses.CosineSimilarity,
    "binary_cross_entropy": _binary_cross_entropy,
    "binary_cross_entropy_on_probabilities": _losses.BinaryCrossentropy,
    "binary_focal": _binary_focal,
    "hinge": _losses.Hinge,
    "squared_hinge": _losses.SquaredHinge,
    "softmax_cross_entropy": _cross_entropy,
    "cross_entropy_on_probabilities": _losses.CategoricalCrossentropy,
    "sparse_cross_entropy_on_probabilities": lambda ignored_index, **kwargs: _losses.SparseCategoricalCrossentropy(
        ignore_class=ignored_index, **kwargs
    ),
    "categorical_focal": lambda **kwargs: _losses.CategoricalFocalCrossentropy(from_logits=True, **kwargs),
    "categorical_hinge": _losses.CategoricalHinge,
    "kl_divergence_on_probabilities": _losses.KLDivergence,
    "poisson_on_rates": _losses.Poisson,
    "dice": lambda **kwargs: _losses.Dice(axis=-1, **kwargs),
    "tversky": lambda **kwargs: _losses.Tversky(axis=-1, **kwargs),
}

OF_INDICES: dict[str, Callable[..., Any]] = {
    "softmax_cross_entropy": _cross_entropy_of_indices,
    "sparse_cross_entropy_on_probabilities": LOSSES["sparse_cross_entropy_on_probabilities"],
}
"""Those that take class indices as they are; the others get rows of 0 and 1 made from them."""

GAPS: dict[str, str] = {
    "smooth_l1": "Huber with delta = beta, divided by beta, is the same",
    "soft_margin": "BinaryCrossentropy(from_logits=True) with targets (1 + y) / 2 is the same",
    "multi_label_soft_margin": "BinaryCrossentropy(from_logits=True) is the same without class weights",
    "negative_log_likelihood": "SparseCategoricalCrossentropy takes logits or probabilities, not their logarithms",
    "multi_margin": "CategoricalHinge takes the largest of the other classes where this sums over them",
    "kl_divergence": "KLDivergence takes probabilities, not their logarithms",
    "poisson": "Poisson takes rates, not their logarithms",
    "gaussian_negative_log_likelihood": "nothing like it",
}
"""What Keras does not have, and what there is instead."""

MISSING: dict[str, str] = {
    "binary_cross_entropy.positive_weight": "tf.nn.weighted_cross_entropy_with_logits has it",
    "softmax_cross_entropy.class_weights": "`fit` turns class weights into sample weights",
}
"""Settings that Keras's row does not have."""


def loss_function(loss: Loss, dtype: str) -> Callable[[Any, Any, Any], Any]:
    """The loss as a function of targets, outputs and weights (batch,) or None.

    Keras averages over the last axis before it reduces over the batch, so its "sum" is a sum of row means.
    """
    find_row(LOSSES, GAPS, loss.name, "Keras")
    for setting in loss.given:
        if reason := MISSING.get(f"{loss.name}.{setting}"):
            raise NotOffered(f"Keras's {loss.name} has no {setting}: {reason}")
    loss = loss.in_convention("keras")
    means = {"count": "sum_over_batch_size", "weights": "mean_with_sample_weight"}
    reduction = means[loss.weight_divisor] if loss.reduction == "mean" else "sum"
    settings = {"reduction": reduction, "dtype": dtype, **loss.settings}
    made: dict[bool, Any] = {}

    def function(indices: bool) -> Any:
        if indices not in made:
            made[indices] = (
                OF_INDICES[loss.name](ignored_index=loss.ignored_index, **settings)
                if indices
                else LOSSES[loss.name](**settings)
            )
        return made[indices]

    def value(y: Any, z: Any, weights: Any) -> Any:
        # The output of a softmax or sigmoid carries its logits with it in secret, and a loss on logits then takes those
        # instead of the output that it is given. A copy does not carry them.
        z = tf.identity(z)
        indices = y.dtype.is_integer
        if indices and loss.name not in OF_INDICES:
            y, indices = tf.one_hot(y, z.shape[1], dtype=z.dtype), False
        result = function(indices)(y, z, weights)
        if loss.per_row or loss.reduction == "mean":
            return result
        batch, units = z.shape
        if batch is None:  # a graph does not know it behind a layer of ours with a variable of any shape, such as a mask
            batch = tf.cast(tf.shape(z)[0], z.dtype)
        rows = batch if weights is None or loss.weight_divisor == "count" else tf.reduce_sum(weights)
        return result * units / loss.divisor(rows, units)

    return value
