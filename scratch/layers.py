"""Layers: what they compute, what they differentiate, which parameters they have. They hold no training state."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from scratch.arrays import Array, Scalar, Work, scalar_type
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

    @property
    def state(self) -> Mapping[str, tuple[int, ...]]:
        """Name and shape of every array that training changes without a gradient, such as running statistics."""
        ...

    def units(self, inputs: int) -> int:
        """Number of outputs for that many inputs; raises ValueError if the layer cannot take them."""
        ...

    def forward(self, parameters: Mapping[str, Array], x: Array, y: Array, work: Work) -> None:
        """Write the output y (batch, units) for the input x (batch, inputs), and in training the new `work.state`."""
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


@runtime_checkable
class Trainable(Protocol):
    """A layer that draws its own first parameters, and fills the first state."""

    def initialize(self, parameters: Mapping[str, Array], rng: np.random.Generator) -> None:
        """Write the first parameters, and the first state where there is one (both are in the mapping)."""
        ...


@dataclass(frozen=True)
class Regularizer:
    """A penalty on a kernel, added to the loss: l1 sum |W| + l2 sum W^2 (no factor 1/2, as Keras has it)."""

    l1: float = 0.0
    l2: float = 0.0

    def value(self, w: Array) -> Scalar:
        """The penalty."""
        return self.l1 * np.add.reduce(np.abs(w), axis=None) + self.l2 * np.add.reduce(np.square(w), axis=None)

    def add_gradient(self, w: Array, dw: Array) -> None:
        """Add l1 sign(W) + 2 l2 W to dw; sign(0) = 0, a choice between the slopes at the kink."""
        dw += self.l1 * np.sign(w) + (2 * self.l2) * w


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
    kernel_regularizer: Regularizer | None = None
    name: str = "dense"
    state: ClassVar[Mapping[str, tuple[int, ...]]] = {}

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


@dataclass(frozen=True)
class Dropout:
    """Inverted dropout, y = x m / (1 - p) in training and y = x otherwise (N. Srivastava et al. (2014), section 10).

    The mask m, zero with probability p = `rate`, is drawn by `Model.draw_masks` and given to every backend.
    """

    rate: float = 0.5
    name: str = "dropout"
    parameters: ClassVar[Mapping[str, tuple[int, ...]]] = {}
    state: ClassVar[Mapping[str, tuple[int, ...]]] = {}

    def __post_init__(self) -> None:
        if not 0 <= self.rate < 1:
            raise ValueError(f"dropout.rate: {self.rate} is not in [0, 1). It is the share of units that are dropped.")

    def units(self, inputs: int) -> int:
        """The same number."""
        return inputs

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
