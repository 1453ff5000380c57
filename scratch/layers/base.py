"""What a layer is: what it computes, what it differentiates, which arrays it has. It holds no training state."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

import numpy as np

from scratch.arrays import Array, Convention, Work

Shapes = Mapping[str, tuple[int, ...]]


class Layer(Protocol):
    """One step of a network. The layers of this package are, and every `Activation` is."""

    @property
    def name(self) -> str:
        """What the layer is called, in lower case."""
        ...

    @property
    def formula(self) -> str:
        """What it computes."""
        ...

    @property
    def derivative(self) -> str:
        """What its backward pass computes."""
        ...

    @property
    def source(self) -> str:
        """Where the formula is from."""
        ...

    @property
    def parameters(self) -> Shapes:
        """Name and shape of every trainable array, in their order in the flat vector."""
        ...

    @property
    def state(self) -> Shapes:
        """Name and shape of every array that training changes without a gradient, such as running statistics."""
        ...

    def in_convention(self, convention: Convention) -> "Layer":
        """The layer as that convention has it."""
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
    """A layer that draws its own first parameters."""

    def initialize(self, parameters: Mapping[str, Array], rng: np.random.Generator) -> None:
        """Write the first parameters."""
        ...


@runtime_checkable
class Stateful(Protocol):
    """A layer with a state, which says what that is before training."""

    def initialize_state(self, state: Mapping[str, Array]) -> None:
        """Write the first state."""
        ...


@dataclass(frozen=True)
class Plain:
    """What most layers have in common: no parameters, no state, one formula in all conventions, as many outputs as inputs."""

    @property
    def parameters(self) -> Shapes:
        """None."""
        return {}

    @property
    def state(self) -> Shapes:
        """None."""
        return {}

    def in_convention(self, convention: Convention) -> Self:
        """The same in all."""
        return self

    def units(self, inputs: int) -> int:
        """The same number."""
        return inputs


def check_inputs(name: str, expected: int, inputs: int) -> None:
    """Raise ValueError when the layer before does not fit."""
    if inputs != expected:
        raise ValueError(
            f"{name}: it takes {expected} inputs, but the layer before has {inputs} outputs. Make the two numbers equal."
        )
