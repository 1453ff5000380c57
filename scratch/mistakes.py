"""Layers whose backward pass is wrong, as people have written them: what a reproduction of their figures needs.

The values are right; only the derivatives are not. They are in no catalogue, and the ladder calls every one of them wrong.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from scratch.activations import ACTIVATIONS, Activation
from scratch.arrays import Array, Work
from scratch.layers import Dropout, Layer


def without_mask(activation: Activation) -> Activation:
    """The activation with derivative 1 everywhere: `x >= 0` was asked of what a ReLU had left, which is never negative."""

    def identity(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
        np.copyto(dz, da)

    return replace(
        activation,
        name=f"{activation.name}_without_mask",
        derivative="dz = da, where it should be " + activation.derivative.removeprefix("dz = "),
        derivative_rule=identity,
        variants={},
    )


@dataclass(frozen=True)
class DropoutWithoutFactor(Dropout):
    """Inverted dropout whose backward pass has the mask, but not the factor 1 / (1 - p) of the forward pass."""

    name: str = "dropout_without_factor"
    derivative: ClassVar[str] = "dx = dy m in training, where it should be dy m / (1 - p)"

    def backward(
        self,
        parameters: Mapping[str, Array],
        x: Array,
        y: Array,
        dy: Array,
        gradients: Mapping[str, Array],
        dx: Array | None,
        work: Work,
    ) -> None:
        """Dx = dy m."""
        if dx is None:
            return
        if work.training and work.mask is not None:
            np.multiply(dy, work.mask, out=dx)
        else:
            np.copyto(dx, dy)


def mended(layer: Layer) -> Layer:
    """The layer that was meant, where this is one of this file; any other as it is."""
    if isinstance(layer, Activation):
        return ACTIVATIONS[layer.name.removesuffix("_without_mask")] if layer.name.endswith("_without_mask") else layer
    return Dropout(layer.rate) if isinstance(layer, DropoutWithoutFactor) else layer
