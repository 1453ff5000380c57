"""Scratch's losses in PyTorch: one row each, from outputs, targets and a reduction to a scalar tensor."""

from collections.abc import Callable

from backends.interface import find_row
from backends.on_torch.framework import functional, torch
from scratch.losses import Loss

LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor, str], torch.Tensor]] = {
    "mean_squared_error": lambda z, y, reduction: functional.mse_loss(z, y, reduction=reduction),
    "softmax_cross_entropy": lambda z, y, reduction: functional.cross_entropy(z, y, reduction=reduction),
    "binary_cross_entropy": lambda z, y, reduction: functional.binary_cross_entropy_with_logits(z, y, reduction=reduction),
}

GAPS: dict[str, str] = {}
"""What PyTorch does not have, and what there is instead."""


def loss_value(loss: Loss, z: torch.Tensor, y: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    """The loss of outputs z (batch, units) against targets y, with weights (batch,) or none."""
    row = find_row(LOSSES, GAPS, loss.name, "PyTorch")
    if loss.reduction in ("mean", "sum"):
        return row(z, y, loss.reduction)
    return row(z, y, "sum") / loss.divisor(*z.shape)
