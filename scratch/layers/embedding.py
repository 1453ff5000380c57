"""The embedding: a table of vectors, one per token."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from scratch.arrays import Array, Work
from scratch.initializers import Initializer, normal
from scratch.layers.base import Plain

NEAR = 2.0**-20
"""Up to this distance an input counts as the whole number next to it: central differences move it by 1e-11."""


@dataclass(frozen=True)
class Embedding(Plain):
    """A vector of the table for every token, side by side in a row.

    Kernel W: (tokens, dimension). Input x: (batch, length), whole numbers from 0 to tokens - 1, as floats. Output y:
    (batch, length * dimension). The row `padding_index` of W, where one is given, gets no gradient.

    Raises ValueError, with the place, for an input that is no token.
    """

    tokens: int
    dimension: int
    padding_index: int | None = None
    kernel_initializer: Initializer = field(default_factory=lambda: normal(1.0))
    name: str = "embedding"
    formula: ClassVar[str] = "y[n, t] = W[x[n, t]], a row of W"
    derivative: ClassVar[str] = "dW[k] = sum of dy[n, t] over all n, t with x[n, t] = k; dx = 0, the input is discrete"
    source: ClassVar[str] = "Y. Bengio et al., A Neural Probabilistic Language Model (2003)"

    def __post_init__(self) -> None:
        if self.tokens < 1 or self.dimension < 1:
            raise ValueError(
                f"{self.name}: a table of {self.tokens} tokens and dimension {self.dimension} is empty. Give both as 1 or more."
            )
        if self.padding_index is not None and not 0 <= self.padding_index < self.tokens:
            raise ValueError(
                f"{self.name}.padding_index: {self.padding_index} is not one of the {self.tokens} tokens. "
                f"Give a number from 0 to {self.tokens - 1}."
            )

    @property
    def parameters(self) -> Mapping[str, tuple[int, ...]]:
        """The table."""
        return {"kernel": (self.tokens, self.dimension)}

    def units(self, inputs: int) -> int:
        """As many as the vectors of a row have numbers."""
        return inputs * self.dimension

    def initialize(self, parameters: Mapping[str, Array], rng: np.random.Generator) -> None:
        """Draw the table."""
        kernel = parameters["kernel"]
        kernel[...] = self.kernel_initializer.draw(rng, self.tokens, self.dimension, kernel.shape)

    def forward(self, parameters: Mapping[str, Array], x: Array, y: Array, work: Work) -> None:
        """Look up."""
        y.reshape(*x.shape, self.dimension)[...] = parameters["kernel"][self._tokens(x)]

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
        """Add every token's cotangent to its row."""
        kernel = gradients["kernel"]
        kernel[...] = 0
        np.add.at(kernel, self._tokens(x), dy.reshape(*x.shape, self.dimension))
        if self.padding_index is not None:
            kernel[self.padding_index] = 0
        if dx is not None:
            dx[...] = 0

    def _tokens(self, x: Array) -> Array:
        nearest = np.rint(x)
        wrong = np.argwhere(~((np.abs(x - nearest) <= NEAR) & (nearest >= 0) & (nearest < self.tokens)))
        if len(wrong):
            place = tuple(wrong[0].tolist())
            raise ValueError(
                f"{self.name}: input[{', '.join(map(str, place))}] = {float(x[place]):.6g} is not one of the {self.tokens} tokens. "
                f"Give whole numbers from 0 to {self.tokens - 1}."
            )
        return nearest.astype(np.int64)
