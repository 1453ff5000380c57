"""The fully connected layer."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np

from scratch.arrays import Array, Convention, Work
from scratch.initializers import Initializer, glorot_uniform, zeros
from scratch.layers.base import Plain, check_inputs
from scratch.layers.regularizers import Regularizer


@dataclass(frozen=True)
class Dense(Plain):
    """Fully connected layer.

    Kernel W: (inputs, outputs). Bias b: (outputs,). Input x: (batch, inputs). Output y: (batch, outputs).
    """

    inputs: int
    outputs: int
    kernel_initializer: Initializer = field(default_factory=glorot_uniform)
    bias_initializer: Initializer = field(default_factory=zeros)
    bias: bool = True
    kernel_regularizer: Regularizer | None = None
    name: str = "dense"
    formula: ClassVar[str] = "y = x W + b"
    derivative: ClassVar[str] = "dW = x^T dy; db = 1^T dy; dx = dy W^T"
    source: ClassVar[str] = "C. M. Bishop, Pattern Recognition and Machine Learning (2006), equations 5.2 and 5.53"

    def __post_init__(self) -> None:
        if self.inputs < 1 or self.outputs < 1:
            raise ValueError(
                f"dense: a layer of {self.inputs} inputs and {self.outputs} outputs is empty. Give both as 1 or more."
            )

    @property
    def parameters(self) -> Mapping[str, tuple[int, ...]]:
        """The kernel, and the bias where there is one."""
        kernel: dict[str, tuple[int, ...]] = {"kernel": (self.inputs, self.outputs)}
        return kernel | ({"bias": (self.outputs,)} if self.bias else {})

    def in_convention(self, convention: Convention) -> Self:
        """With the penalty of that convention."""
        penalty = self.kernel_regularizer
        return replace(self, kernel_regularizer=penalty.in_convention(convention)) if penalty else self

    def units(self, inputs: int) -> int:
        """Number of outputs; raises ValueError when the layer before does not fit."""
        check_inputs(self.name, self.inputs, inputs)
        return self.outputs

    def initialize(self, parameters: Mapping[str, Array], rng: np.random.Generator) -> None:
        """Draw the kernel, then the bias."""
        kernel = parameters["kernel"]
        kernel[...] = self.kernel_initializer.draw(rng, self.inputs, self.outputs, kernel.shape)
        if self.bias:
            bias = parameters["bias"]
            bias[...] = self.bias_initializer.draw(rng, self.inputs, self.outputs, bias.shape)

    def forward(self, parameters: Mapping[str, Array], x: Array, y: Array, work: Work) -> None:
        """Y = x W + b."""
        np.dot(x, parameters["kernel"], out=y)
        if self.bias:
            np.add(y, parameters["bias"], out=y)

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
        """DW = x^T dy; db = 1^T dy, the sum over the batch; dx = dy W^T."""
        np.dot(x.T, dy, out=gradients["kernel"])
        if self.bias:
            np.dot(work.ones, dy, out=gradients["bias"])
        if dx is not None:
            np.dot(dy, parameters["kernel"].T, out=dx)
