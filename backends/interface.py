"""What an adapter must offer: NumPy in, NumPy out, everything flat and in the order of the scratch model's vector."""

from typing import Any, NamedTuple, Protocol

from scratch.arrays import Array, Scalar
from scratch.model import Model
from scratch.optimizers import Convention, Optimizer


class BackendUnavailable(Exception):
    """The framework cannot be used here. The message is one sentence on why and one on what to do."""


class Pullback(NamedTuple):
    """Result of a vector-Jacobian product with a cotangent."""

    output: Array
    """(batch, units)"""
    input_gradient: Array
    """(batch, inputs)"""
    gradients: Array
    """(parameters,)"""


class Twin(Protocol):
    """One network in one framework at one precision, with its optimizer."""

    def parameters(self) -> Array:
        """A copy of all parameters, flat, in the order of `Model.shapes`; kernels are (inputs, outputs)."""
        ...

    def set_parameters(self, vector: Array) -> None:
        """Take over a flat vector of parameters."""
        ...

    def predict(self, x: Array) -> Array:
        """The network's output (batch, units) for x (batch, inputs)."""
        ...

    def vjp(self, x: Array, cotangent: Array) -> Pullback:
        """Output, and the gradients of sum(output * cotangent); the cotangent is (batch, units)."""
        ...

    def loss_and_gradients(self, x: Array, y: Array) -> tuple[Scalar, Pullback]:
        """The loss of a batch, and its gradients with respect to parameters and input.

        y is (batch,) class indices or (batch, units) rows, as `Model.loss` takes them.
        """
        ...

    def train_step(self, x: Array, y: Array) -> float:
        """One step of the optimizer on a batch; returns the loss before the step."""
        ...

    def apply_gradients(self, gradients: Array) -> None:
        """One step of the optimizer with gradients that are given, flat."""
        ...

    def optimizer_state(self) -> tuple[dict[str, Array], int]:
        """The optimizer's slots by scratch's names, each flat and in scratch's sense, and the number of steps taken."""
        ...

    def set_optimizer_state(self, slots: dict[str, Array], step: int) -> None:
        """Take over slots and step count."""
        ...


class Backend(Protocol):
    """A framework. Constructing one loads it, and raises BackendUnavailable where that fails."""

    name: str
    """As in `--backends`."""
    title: str
    """As in a sentence."""
    convention: Convention | None
    """Which convention of scratch's optimizers the framework follows; None for scratch, which follows the recipe."""

    def versions(self) -> dict[str, str]:
        """Versions of everything that decides the numbers."""
        ...

    def mirror(self, model: Model, parameters: Array, optimizer: Optimizer, dtype: Any) -> Twin:
        """A twin of the model that starts from these bits. `dtype` is "float32" or "float64"."""
        ...
