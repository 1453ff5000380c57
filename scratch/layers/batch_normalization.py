"""Batch normalization: each unit by its mean and variance over the batch in training, by running ones in inference."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

import numpy as np

from scratch.arrays import Array, Convention, Work, scalar_type
from scratch.layers.normalization import Normalization
from scratch.layers.standardizing import standardize, standardize_vjp


@dataclass(frozen=True)
class BatchNormalization(Normalization):
    """Each unit normalized over the batch of n rows in training, and by the running statistics in inference.

    `momentum` m is the share that a running statistic keeps of itself, r = m r + (1 - m) s for the batch's s. Keras means the same
    by it, PyTorch 1 - m. The outputs in training take the biased variance sigma^2 = sum (x - mu)^2 / n. Into the running
    variance goes the unbiased n / (n - 1) sigma^2 in the paper (algorithm 2, line 10) and in PyTorch, the biased one in
    Keras. State: running mean and variance, (inputs,) each.

    Raises ValueError for a training batch of one row where the unbiased variance is wanted, which has none.
    """

    momentum: float = 0.9
    running_variance: Literal["unbiased", "biased"] = "unbiased"
    name: str = "batch_normalization"
    formula: ClassVar[str] = "y = (x - mu) / sqrt(sigma^2 + epsilon) g + b; mu, sigma^2 over the batch, or running ones"
    derivative: ClassVar[str] = (
        "dx = (dz - mean(dz) - z mean(dz z)) / sqrt(sigma^2 + epsilon), dz = dy g; dg = 1^T (dy z); db = 1^T dy; "
        "in inference dx = dz / sqrt(sigma^2 + epsilon)"
    )
    source: ClassVar[str] = "S. Ioffe, C. Szegedy, Batch Normalization (2015), algorithms 1 and 2"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.momentum < 1:
            raise ValueError(
                f"{self.name}.momentum: {self.momentum} is not in [0, 1). It is the share that running statistics keep."
            )

    @property
    def state(self) -> Mapping[str, tuple[int, ...]]:
        """Running mean and variance."""
        return {"mean": (self.inputs,), "variance": (self.inputs,)}

    @property
    def fewest_rows(self) -> int:
        """How many rows a batch in training needs."""
        return 2 if self.running_variance == "unbiased" else 1

    def in_convention(self, convention: Convention) -> Self:
        """With the running variance of that convention."""
        return replace(self, running_variance="biased" if convention == "keras" else "unbiased")

    def initialize_state(self, state: Mapping[str, Array]) -> None:
        """A mean of zero and a variance of one: inference before any training leaves its input nearly as it is."""
        state["mean"][...] = 0
        state["variance"][...] = 1

    def forward(self, parameters: Mapping[str, Array], x: Array, y: Array, work: Work) -> None:
        """Normalize, then scale and shift; in training update the running statistics."""
        z = work.buffer("normalized", *x.shape)
        if work.training:
            if len(x) < self.fewest_rows:
                raise ValueError(
                    f"{self.name}: a batch of one row has no unbiased variance. "
                    'Give two or more rows, or set running_variance to "biased".'
                )
            standardize(x, z, 0, self.epsilon, work)
            self._update(work, len(x))
        else:
            sigma = work.buffer("sigma", 1, self.inputs)
            np.add(work.state["variance"], self.epsilon, out=sigma[0])
            np.sqrt(sigma, out=sigma)
            np.subtract(x, work.state["mean"], out=z)
            np.divide(z, sigma, out=z)
        self.scale_and_shift(parameters, z, y)

    def _update(self, work: Work, rows: int) -> None:
        """R = m r + (1 - m) s."""
        real = scalar_type(work.like.dtype)
        kept = real(self.momentum)
        correction = real(rows) / (rows - 1) if self.running_variance == "unbiased" else 1
        variance, size = work.buffer("variance", 1, self.inputs), work.buffer("size")
        np.multiply(work.buffer("spread"), size, out=variance)
        np.multiply(variance, size, out=variance)
        for name, factor in (("mean", 1), ("variance", correction)):
            running, share = work.state[name], work.buffer("small")
            np.multiply(work.buffer(name), (1 - kept) * factor, out=share)
            np.multiply(running, kept, out=running)
            np.add(running, share[0], out=running)

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
        """The parameters' gradients, then dx through the normalization; the running statistics are constants."""
        z = work.buffer("normalized")
        self.scale_and_shift_vjp(parameters, z, dy, gradients, dx, work)
        if dx is None:
            return
        if work.training:
            standardize_vjp(z, dx, dx, 0, work)
        else:
            np.divide(dx, work.buffer("sigma"), out=dx)
