"""Layers: what they compute, what they differentiate, which parameters they have. They hold no training state."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from scratch.arrays import Array, Work
from scratch.initializers import Initializer, glorot_uniform, zeros


class Layer(Protocol):
    """One step of a network. `Dense` and every `Activation` are layers."""

    @property
    def name(self) -> str:
        """What the layer is called, in lower case."""
        ...

    @property
    def parameters(self) -> Mapping[str, tuple[int, ...]]:
        """Name and shape of every trainable array, in their order in the flat vector."""
        ...

    def units(self, inputs: int) -> int:
        """Number of outputs for that many inputs; raises ValueError if the layer cannot take them."""
        ...

    def forward(self, parameters: Mapping[str, Array], x: Array, y: Array, work: Work) -> None:
        """Write the output y (batch, units) for the input x (batch, inputs)."""
        ...

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
        """Write the gradients of all parameters and, where asked for, dx, from the cotangent dy = dL/dy."""
        ...


@dataclass(frozen=True)
class Dense:
    """Fully connected layer, y = x W + b (Bishop 2006, equation 5.2).

    Kernel W: (inputs, outputs). Bias b: (outputs,). Input x: (batch, inputs). Output y: (batch, outputs).
    """

    inputs: int
    outputs: int
    kernel_initializer: Initializer = field(default_factory=glorot_uniform)
    bias_initializer: Initializer = field(default_factory=zeros)
    bias: bool = True
    name: str = "dense"

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

    def units(self, inputs: int) -> int:
        """Number of outputs; raises ValueError when the layer before does not fit."""
        if inputs != self.inputs:
            raise ValueError(
                f"{self.name}: it takes {self.inputs} inputs, but the layer before has {inputs} outputs. "
                "Make the two numbers equal."
            )
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
