"""The rectifier with a slope that is learned."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from scratch.arrays import Array, Work
from scratch.layers.base import Plain, check_inputs


@dataclass(frozen=True)
class PReLU(Plain):
    """Rectifier with one trainable slope a per unit, (inputs,), for negative inputs. x and y: (batch, inputs).

    `slope` is what all slopes start from, 1/4 in the paper.
    """

    inputs: int
    slope: float = 0.25
    name: str = "prelu"
    kinks: ClassVar[tuple[float, ...]] = (0.0,)
    formula: ClassVar[str] = "y = max(x, 0) + a min(x, 0)"
    derivative: ClassVar[str] = "dx = dy (1[x > 0] + a 1[x <= 0]); da = 1^T (dy min(x, 0))"
    source: ClassVar[str] = "K. He et al., Delving Deep into Rectifiers (2015), equations 1 to 3"

    def __post_init__(self) -> None:
        if self.inputs < 1:
            raise ValueError(f"{self.name}: a layer of {self.inputs} inputs is empty. Give 1 or more.")

    @property
    def parameters(self) -> Mapping[str, tuple[int, ...]]:
        """The slopes."""
        return {"slope": (self.inputs,)}

    def units(self, inputs: int) -> int:
        """The same number; raises ValueError when the layer before does not fit."""
        check_inputs(self.name, self.inputs, inputs)
        return inputs

    def initialize(self, parameters: Mapping[str, Array], rng: np.random.Generator) -> None:
        """All slopes alike."""
        parameters["slope"][...] = self.slope

    def forward(self, parameters: Mapping[str, Array], x: Array, y: Array, work: Work) -> None:
        """Y = max(x, 0) + a min(x, 0)."""
        np.minimum(x, work.zeros, out=work.like)
        np.multiply(work.like, parameters["slope"], out=work.like)
        np.maximum(x, work.zeros, out=y)
        np.add(y, work.like, out=y)

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
        """Da = 1^T (dy min(x, 0)); dx = dy where x > 0, a dy elsewhere."""
        np.minimum(x, work.zeros, out=work.like)
        np.multiply(work.like, dy, out=work.like)
        np.dot(work.ones, work.like, out=gradients["slope"])
        if dx is not None:
            np.multiply(dy, parameters["slope"], out=dx)
            np.copyto(dx, dy, where=x > 0)
