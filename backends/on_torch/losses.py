"""Scratch's losses in PyTorch: one row each, from outputs, targets, PyTorch's reduction and the settings to a tensor."""

from collections.abc import Callable
from typing import Any

from backends.interface import NotOffered, find_row
from backends.on_torch.framework import functional, torch
from scratch.losses import Loss

Tensor = torch.Tensor
_weighted: Any = functional
"""For the three functions whose weights PyTorch's own type stubs do not know."""


def _weights(class_weights: tuple[float, ...] | None, like: Tensor) -> Tensor | None:
    return None if class_weights is None else like.new_tensor(class_weights)


def _binary_cross_entropy(
    z: Tensor,
    y: Tensor,
    reduction: str,
    weight: Tensor | None = None,
    label_smoothing: float = 0.0,
    positive_weight: float = 1.0,
) -> Tensor:
    positive = None if positive_weight == 1 else z.new_tensor([positive_weight])
    return functional.binary_cross_entropy_with_logits(z, y, weight=weight, reduction=reduction, pos_weight=positive)


def _cross_entropy(
    z: Tensor,
    y: Tensor,
    reduction: str,
    label_smoothing: float,
    class_weights: tuple[float, ...] | None,
    ignored_index: int = -100,
) -> Tensor:
    return functional.cross_entropy(
        z, y, _weights(class_weights, z), reduction=reduction, ignore_index=ignored_index, label_smoothing=label_smoothing
    )


def _negative_log_likelihood(
    z: Tensor, y: Tensor, reduction: str, class_weights: tuple[float, ...] | None, ignored_index: int = -100
) -> Tensor:
    return functional.nll_loss(z, y, _weights(class_weights, z), reduction=reduction, ignore_index=ignored_index)


def _cosine_similarity(z: Tensor, y: Tensor, reduction: str) -> Tensor:
    return _reduced(-functional.cosine_similarity(z, y), reduction)


def _kl_divergence(z: Tensor, y: Tensor, reduction: str) -> Tensor:
    # PyTorch warns of its own mean, which divides by the units as well.
    return _reduced(functional.kl_div(z, y, reduction="none"), reduction)


def _gaussian(z: Tensor, y: Tensor, reduction: str) -> Tensor:
    mean, variance = z.tensor_split(2, dim=1)
    return functional.gaussian_nll_loss(mean, y, variance, reduction=reduction)


def _reduced(terms: Tensor, reduction: str) -> Tensor:
    return terms.mean() if reduction == "mean" else terms.sum() if reduction == "sum" else terms


LOSSES: dict[str, Callable[..., Tensor]] = {
    "mean_squared_error": lambda z, y, reduction, weight=None: _weighted.mse_loss(z, y, reduction=reduction, weight=weight),
    "mean_absolute_error": lambda z, y, reduction, weight=None: _weighted.l1_loss(z, y, reduction=reduction, weight=weight),
    "huber": lambda z, y, reduction, delta, weight=None: _weighted.huber_loss(z, y, reduction, delta, weight),
    "smooth_l1": lambda z, y, reduction, beta: functional.smooth_l1_loss(z, y, reduction=reduction, beta=beta),
    "cosine_similarity": _cosine_similarity,
    "binary_cross_entropy": _binary_cross_entropy,
    "binary_cross_entropy_on_probabilities": lambda z, y, reduction, weight=None: functional.binary_cross_entropy(
        z, y, weight=weight, reduction=reduction
    ),
    "soft_margin": lambda z, y, reduction: functional.soft_margin_loss(z, y, reduction=reduction),
    "multi_label_soft_margin": lambda z, y, reduction, class_weights: functional.multilabel_soft_margin_loss(
        z, y, _weights(class_weights, z), reduction=reduction
    ),
    "softmax_cross_entropy": _cross_entropy,
    "negative_log_likelihood": _negative_log_likelihood,
    "multi_margin": lambda z, y, reduction, margin, power, class_weights: functional.multi_margin_loss(
        z, y, power, margin, _weights(class_weights, z), reduction=reduction
    ),
    "kl_divergence": _kl_divergence,
    "poisson": lambda z, y, reduction: functional.poisson_nll_loss(z, y, reduction=reduction),
    "poisson_on_rates": lambda z, y, reduction: functional.poisson_nll_loss(z, y, log_input=False, reduction=reduction),
    "gaussian_negative_log_likelihood": _gaussian,
}

GAPS: dict[str, str] = {
    "log_cosh": "nothing like it; torch.log(torch.cosh(z - y)) overflows",
    "mean_absolute_percentage_error": "nothing like it; divide the absolute error by |y|",
    "mean_squared_logarithmic_error": "nothing like it; mse_loss of log1p is the same",
    "binary_focal": "it is in torchvision, as ops.sigmoid_focal_loss",
    "hinge": "hinge_embedding_loss and margin_ranking_loss are other functions; margin_ranking_loss(z, 0, y, 1) is this one",
    "squared_hinge": "nothing like it; the square of margin_ranking_loss(z, 0, y, 1) without reduction is the same",
    "cross_entropy_on_probabilities": "nll_loss takes their logarithms, and class indices only",
    "sparse_cross_entropy_on_probabilities": "nll_loss of their logarithms is the same",
    "categorical_focal": "torchvision has the binary one only",
    "categorical_hinge": "multi_margin_loss sums over the other classes where this takes their largest",
    "kl_divergence_on_probabilities": "kl_div takes their logarithms",
    "dice": "torchmetrics and segmentation libraries have it",
    "tversky": "segmentation libraries have it",
}
"""What PyTorch does not have, and what there is instead."""

MISSING: dict[str, str] = {
    "binary_cross_entropy.label_smoothing": "smooth the targets before",
}
"""Settings that PyTorch's row does not have."""

WEIGHT_DIVISORS: dict[str, str] = {
    "mean_squared_error": "weights",
    "mean_absolute_error": "weights",
    "huber": "count",
    "binary_cross_entropy": "count",
    "binary_cross_entropy_on_probabilities": "count",
}
"""By what PyTorch's own weighted mean divides, where a function takes weights: they do not agree among themselves."""


def loss_value(loss: Loss, z: Tensor, y: Tensor, weights: Tensor | None) -> Tensor:
    """The loss of outputs z (batch, units) against targets y, with weights (batch,) or none."""
    row = find_row(LOSSES, GAPS, loss.name, "PyTorch")
    for setting in loss.given:
        if reason := MISSING.get(f"{loss.name}.{setting}"):
            raise NotOffered(f"PyTorch's {loss.name} has no {setting}: {reason}")
    loss = loss.in_convention("torch")
    settings = dict(loss.settings) | ({} if loss.ignored_index is None else {"ignored_index": loss.ignored_index})
    if weights is None and (loss.reduction == "sum" or (loss.reduction == "mean" and _own_mean(loss, y))):
        return row(z, y, loss.reduction, **settings)
    divisor = loss.divisor(_rows(loss, y, weights), z.shape[1])
    if weights is None:
        return row(z, y, "sum", **settings) / divisor
    if loss.reduction == "mean" and WEIGHT_DIVISORS.get(loss.name) == loss.weight_divisor:
        return row(z, y, "mean", weight=weights[:, None].expand_as(z), **settings)
    terms = row(z, y, "none", **settings)
    return (terms * (weights if terms.ndim == 1 else weights[:, None])).sum() / divisor


def _own_mean(loss: Loss, y: Tensor) -> bool:
    """Whether the mean without sample weights is PyTorch's: cross_entropy and nll_loss divide by the class weights of indices."""
    if loss.settings.get("class_weights") is None or y.ndim > 1:
        return True
    return loss.weight_divisor == ("count" if loss.name == "multi_margin" else "weights")


def _rows(loss: Loss, y: Tensor, weights: Tensor | None) -> Any:
    """What a mean counts as the number of rows."""
    shares = torch.ones(len(y), dtype=torch.float64) if weights is None else weights
    if loss.ignored_index is not None and y.ndim == 1:
        kept = y != loss.ignored_index
        y, shares = y[kept], shares[kept]
    if loss.weight_divisor == "count":
        return len(y)
    class_weights = loss.settings.get("class_weights")
    return (shares if class_weights is None or y.ndim > 1 else shares * shares.new_tensor(class_weights)[y]).sum()
