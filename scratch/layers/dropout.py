"""Dropout with a mask that is given."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from scratch.arrays import Array, Work, scalar_type
from scratch.layers.base import Plain


@dataclass(frozen=True)
class Dropout(Plain):
    """Inverted dropout: the scaling stands in training, and inference is the identity.

    The mask m (batch, units), zero with probability p = `rate`, is drawn by `Model.draw_masks` and given to every backend.
    """

    rate: float = 0.5
    name: str = "dropout"
    formula: ClassVar[str] = "y = x m / (1 - p) in training, y = x in inference"
    derivative: ClassVar[str] = "dx = dy m / (1 - p) in training, dx = dy in inference"
    source: ClassVar[str] = "N. Srivastava et al., Dropout (2014), section 10"

    def __post_init__(self) -> None:
        if not 0 <= self.rate < 1:
            raise ValueError(f"dropout.rate: {self.rate} is not in [0, 1). It is the share of units that are dropped.")

    def forward(self, parameters: Mapping[str, Array], x: Array, y: Array, work: Work) -> None:
        """Y = x m / (1 - p)."""
        if work.training and work.mask is not None:
            np.multiply(x, work.mask, out=y)
            np.divide(y, 1 - scalar_type(y.dtype)(self.rate), out=y)
        else:
            np.copyto(y, x)

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
        """Dx = dy m / (1 - p)."""
        if dx is not None:
            self.forward(parameters, dy, dx, work)
