"""Normalizations of each row by itself: over all its units, over groups of them, without a mean, to length one."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from scratch.arrays import Array, Work
from scratch.layers.base import Plain, check_inputs
from scratch.layers.standardizing import standardize, standardize_vjp


@dataclass(frozen=True)
class Normalization(Plain):
    """What the normalizations share: y = z g + b for normalized inputs z, all of shape (batch, inputs).

    Scale g and offset b: (inputs,), one number per unit, each of them optional. epsilon stands inside the root.
    """

    inputs: int
    epsilon: float = 1e-5
    scale: bool = True
    offset: bool = True
    name: str = "normalization"

    def __post_init__(self) -> None:
        if self.inputs < 1:
            raise ValueError(f"{self.name}: a layer of {self.inputs} inputs is empty. Give 1 or more.")
        if not (self.epsilon > 0 and math.isfinite(self.epsilon)):
            raise ValueError(
                f"{self.name}.epsilon: {self.epsilon} is not a positive number, which equal inputs need as divisor. Give 1e-5."
            )

    @property
    def parameters(self) -> Mapping[str, tuple[int, ...]]:
        """Scale and offset where there are any."""
        return {name: (self.inputs,) for name, wanted in (("scale", self.scale), ("offset", self.offset)) if wanted}

    def units(self, inputs: int) -> int:
        """The same number; raises ValueError when the layer before does not fit."""
        check_inputs(self.name, self.inputs, inputs)
        return inputs

    def initialize(self, parameters: Mapping[str, Array], rng: np.random.Generator) -> None:
        """Scales of one, offsets of zero."""
        for name, array in parameters.items():
            array[...] = 1 if name == "scale" else 0

    def scale_and_shift(self, parameters: Mapping[str, Array], z: Array, y: Array) -> None:
        """Y = z g + b."""
        if self.scale:
            np.multiply(z, parameters["scale"], out=y)
        else:
            np.copyto(y, z)
        if self.offset:
            np.add(y, parameters["offset"], out=y)

    def scale_and_shift_vjp(
        self, parameters: Mapping[str, Array], z: Array, dy: Array, gradients: Mapping[str, Array], dz: Array | None, work: Work
    ) -> None:
        """Dg = 1^T (dy z); db = 1^T dy; dz = dy g."""
        if self.scale:
            np.multiply(dy, z, out=work.like)
            np.dot(work.ones, work.like, out=gradients["scale"])
        if self.offset:
            np.dot(work.ones, dy, out=gradients["offset"])
        if dz is not None and self.scale:
            np.multiply(dy, parameters["scale"], out=dz)
        elif dz is not None:
            np.copyto(dz, dy)


@dataclass(frozen=True)
class GroupNormalization(Normalization):
    """Each group of neighbouring units of a row normalized by its own mean and variance.

    Raises ValueError where the groups do not divide the inputs.
    """

    groups: int = 2
    name: str = "group_normalization"
    centered: ClassVar[bool] = True
    formula: ClassVar[str] = "y = (x - mu) / sqrt(sigma^2 + epsilon) g + b; mu, sigma^2 over the units of a group"
    derivative: ClassVar[str] = (
        "dx = (dz - mean(dz) - z mean(dz z)) / sqrt(sigma^2 + epsilon), dz = dy g; dg = 1^T (dy z); db = 1^T dy"
    )
    source: ClassVar[str] = "Y. Wu, K. He, Group Normalization (2018), equations 1, 2, 6 and 7"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.groups < 1 or self.inputs % self.groups:
            raise ValueError(
                f"{self.name}.groups: {self.groups} groups do not divide {self.inputs} inputs. Give a divisor of the inputs."
            )

    def forward(self, parameters: Mapping[str, Array], x: Array, y: Array, work: Work) -> None:
        """Normalize, then scale and shift."""
        z = work.buffer("normalized", *x.shape)
        standardize(self._grouped(x), self._grouped(z), 2, self.epsilon, work, center=self.centered)
        self.scale_and_shift(parameters, z, y)

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
        """The parameters' gradients, then dx through the normalization."""
        z = work.buffer("normalized")
        self.scale_and_shift_vjp(parameters, z, dy, gradients, dx, work)
        if dx is not None:
            grouped = self._grouped(dx)
            standardize_vjp(self._grouped(z), grouped, grouped, 2, work, center=self.centered)

    def _grouped(self, rows: Array) -> Array:
        return rows.reshape(len(rows), self.groups, self.inputs // self.groups)


@dataclass(frozen=True)
class LayerNormalization(GroupNormalization):
    """Each row normalized by its own mean and variance: one group of all units.

    The paper has no epsilon; every implementation has one, inside the root.
    """

    groups: int = 1
    name: str = "layer_normalization"
    formula: ClassVar[str] = "y = (x - mu) / sqrt(sigma^2 + epsilon) g + b; mu, sigma^2 over the units of a row"
    source: ClassVar[str] = "J. L. Ba, J. R. Kiros, G. E. Hinton, Layer Normalization (2016), equations 3 and 4"


@dataclass(frozen=True)
class RMSNormalization(GroupNormalization):
    """Each row divided by its root mean square.

    The paper has no epsilon; every implementation has one, inside the root.
    """

    groups: int = 1
    offset: bool = False
    name: str = "rms_normalization"
    centered: ClassVar[bool] = False
    formula: ClassVar[str] = "y = x / sqrt(mean(x^2) + epsilon) g; the mean over the units of a row"
    derivative: ClassVar[str] = "dx = (dz - z mean(dz z)) / sqrt(mean(x^2) + epsilon), dz = dy g; dg = 1^T (dy z)"
    source: ClassVar[str] = "B. Zhang, R. Sennrich, Root Mean Square Layer Normalization (2019), equation 4"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.offset:
            raise ValueError(f"{self.name}.offset: it has none. Leave it out, or take layer normalization.")


@dataclass(frozen=True)
class UnitNormalization(Plain):
    """Each row divided by its Euclidean length, or by epsilon where that is longer.

    Where the length is epsilon itself, the derivative jumps; the backward pass takes that of a longer row.
    """

    epsilon: float = 1e-12
    name: str = "unit_normalization"
    formula: ClassVar[str] = "y = x / max(|x|, epsilon), |x| = sqrt(sum x^2) over the units of a row"
    derivative: ClassVar[str] = "dx = (dy - y sum(dy y)) / |x| where |x| >= epsilon, dy / epsilon elsewhere"
    source: ClassVar[str] = "definition"

    def __post_init__(self) -> None:
        if not (self.epsilon > 0 and math.isfinite(self.epsilon)):
            raise ValueError(f"{self.name}.epsilon: {self.epsilon} is not a positive number. Give 1e-12.")

    def forward(self, parameters: Mapping[str, Array], x: Array, y: Array, work: Work) -> None:
        """The length is s |x / s| with s = max |x|, or epsilon where that is larger, so that no square overflows."""
        size, length = (work.buffer(name, len(x), 1) for name in ("size", "length"))
        np.absolute(x, out=work.like)
        np.maximum.reduce(work.like, axis=1, keepdims=True, out=size)
        np.maximum(size, self.epsilon, out=size)
        np.divide(x, size, out=y)
        np.square(y, out=work.like)
        np.dot(work.like, work.unit_ones, out=length[:, 0])
        np.sqrt(length, out=length)
        np.multiply(length, size, out=length)
        np.maximum(length, self.epsilon, out=size)
        np.divide(x, size, out=y)

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
        """Dx = (dy - y sum(dy y)) / |x|, without the second term where |x| < epsilon."""
        if dx is None:
            return
        divisor, length = work.buffer("size"), work.buffer("length")
        np.multiply(dy, y, out=work.like)
        np.dot(work.like, work.unit_ones, out=work.row[:, 0])
        work.row[length < self.epsilon] = 0
        np.multiply(y, work.row, out=work.like)
        np.subtract(dy, work.like, out=dx)
        np.divide(dx, divisor, out=dx)
