"""Penalties on a kernel, which `Model.penalty` adds to the loss."""

from dataclasses import dataclass, replace

import numpy as np

from scratch.arrays import Array, Convention, Scalar


@dataclass(frozen=True)
class Regularizer:
    """A penalty on a kernel: l1 sum |W| + l2 sum W^2 (no factor 1/2, as Keras has it).

    `slope_at_zero` is what stands for the derivative of |w| at w = 0, where there is none: 0 by default, 1 in JAX.

    Source: T. Hastie, R. Tibshirani, J. Friedman, The Elements of Statistical Learning (2009).
    """

    l1: float = 0.0
    l2: float = 0.0
    slope_at_zero: float = 0.0

    def __post_init__(self) -> None:
        if self.l1 < 0 or self.l2 < 0:
            raise ValueError(f"regularizer: l1 = {self.l1} and l2 = {self.l2} must not be negative. Give 0 or more.")

    def in_convention(self, convention: Convention) -> "Regularizer":
        """As that convention has it: Keras rounds the two coefficients to float32, at every precision of the kernel."""
        if convention == "keras":
            return replace(self, l1=float(np.float32(self.l1)), l2=float(np.float32(self.l2)))
        return replace(self, slope_at_zero=1.0) if convention == "optax" else self

    def value(self, w: Array) -> Scalar:
        """The penalty."""
        return self.l1 * np.add.reduce(np.abs(w), axis=None) + self.l2 * np.add.reduce(np.square(w), axis=None)

    def add_gradient(self, w: Array, dw: Array) -> None:
        """Add l1 sign(W) + 2 l2 W to dw, where sign(0) is `slope_at_zero`."""
        dw += self.l1 * np.sign(w) + (2 * self.l2) * w
        if self.slope_at_zero:
            dw[w == 0] += self.l1 * self.slope_at_zero
