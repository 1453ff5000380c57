"""Scratch's layers in PyTorch: one row each, with the names that PyTorch gives to their parameters and their state."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from backends.interface import find_row
from backends.on_torch.activations import ACTIVATIONS, Function
from backends.on_torch.activations import GAPS as ACTIVATION_GAPS
from backends.on_torch.framework import functional, torch
from scratch.activations import Activation
from scratch.layers import Dense, Layer


@dataclass(frozen=True)
class LayerRow:
    """How one kind of layer is made, and what its arrays are called there."""

    module: Callable[[Any], torch.nn.Module]
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Scratch's parameters by PyTorch's names."""
    transposed: frozenset[str] = frozenset()
    """Those of them that PyTorch keeps transposed."""
    state: Mapping[str, str] = field(default_factory=dict)
    """Scratch's state by the names of PyTorch's buffers."""


class MaskedDropout(torch.nn.Module):
    """Dropout with a mask that is given, instead of PyTorch's own draw."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.mask = torch.ones(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Y = x m / (1 - p) in training."""
        return x * self.mask.to(x.dtype) / (1 - self.rate) if self.training else x


class DropoutWithoutFactor(MaskedDropout):
    """The same value, with the derivative of x m."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Y = x m / (1 - p) in training."""
        if not self.training:
            return x
        kept = x * self.mask.to(x.dtype)
        return with_derivative(kept / (1 - self.rate), kept)


def with_derivative(value: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """The first one's value, to the bit, with the second one's derivative."""
    return value.detach() + (other - other.detach())


class UnitNormalization(torch.nn.Module):
    """`torch.nn.functional.normalize`, for which there is no module."""

    def __init__(self, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Y = x / max(|x|, epsilon)."""
        return functional.normalize(x, dim=1, eps=self.epsilon)


class FlatEmbedding(torch.nn.Embedding):
    """An embedding from whole numbers as floats to one row of vectors side by side."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, length) to (batch, length * dimension)."""
        return super().forward(x.long()).flatten(1)


SCALE_AND_OFFSET = {"scale": "weight", "offset": "bias"}
# PyTorch offers scale and offset together or the scale alone; what a layer of scratch goes without stays at 1 or 0 here.

LAYERS: dict[str, LayerRow] = {
    "dense": LayerRow(
        lambda layer: torch.nn.Linear(layer.inputs, layer.outputs, bias=layer.bias),
        {"kernel": "weight", "bias": "bias"},
        transposed=frozenset({"kernel"}),
    ),
    "dropout": LayerRow(lambda layer: MaskedDropout(layer.rate)),
    "batch_normalization": LayerRow(
        lambda layer: torch.nn.BatchNorm1d(layer.inputs, layer.epsilon, momentum=1 - layer.momentum),
        SCALE_AND_OFFSET,
        state={"mean": "running_mean", "variance": "running_var"},
    ),
    "layer_normalization": LayerRow(lambda layer: torch.nn.LayerNorm(layer.inputs, layer.epsilon), SCALE_AND_OFFSET),
    "group_normalization": LayerRow(
        lambda layer: torch.nn.GroupNorm(layer.groups, layer.inputs, layer.epsilon), SCALE_AND_OFFSET
    ),
    "rms_normalization": LayerRow(lambda layer: torch.nn.RMSNorm(layer.inputs, layer.epsilon), {"scale": "weight"}),
    "unit_normalization": LayerRow(lambda layer: UnitNormalization(layer.epsilon)),
    "embedding": LayerRow(
        lambda layer: FlatEmbedding(layer.tokens, layer.dimension, padding_idx=layer.padding_index), {"kernel": "weight"}
    ),
    "prelu": LayerRow(lambda layer: torch.nn.PReLU(layer.inputs), {"slope": "weight"}),
}

MISTAKES: dict[str, LayerRow] = {
    "relu_without_mask": LayerRow(lambda layer: Function(lambda z: with_derivative(torch.relu(z), z))),
    "dropout_without_factor": LayerRow(lambda layer: DropoutWithoutFactor(layer.rate)),
}
"""The layers of scratch/mistakes.py."""

GAPS: dict[str, str] = {}
"""What PyTorch does not have, and what there is instead."""


def layer_row(layer: Layer) -> LayerRow:
    """The row of a layer or activation; raises NotOffered."""
    if layer.name in MISTAKES:
        return MISTAKES[layer.name]
    if isinstance(layer, Activation):
        make = find_row(ACTIVATIONS, ACTIVATION_GAPS, layer.name, "PyTorch")
        return LayerRow(lambda entry: make(**entry.settings))
    return find_row(LAYERS, GAPS, layer.name, "PyTorch")


def penalty(layer: Layer, module: torch.nn.Module) -> torch.Tensor | None:
    """The regularizer of a dense layer; PyTorch has none, so people write it like this."""
    if not (isinstance(layer, Dense) and layer.kernel_regularizer):
        return None
    weight: torch.Tensor = module.weight  # type: ignore[assignment]
    return layer.kernel_regularizer.l1 * weight.abs().sum() + layer.kernel_regularizer.l2 * weight.square().sum()
