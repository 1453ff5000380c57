"""What an adapter must offer: NumPy in, NumPy out, everything flat and in the order of the scratch model's vector."""

import math
from collections.abc import Mapping
from copy import copy
from typing import Any, NamedTuple, Protocol, TypeVar

from scratch.arrays import Array, Convention, Scalar
from scratch.initializers import Initializer
from scratch.model import Model
from scratch.optimizers import Optimizer
from scratch.schedules import Schedule

Row = TypeVar("Row")
Output = TypeVar("Output")


class BackendUnavailable(Exception):
    """The framework cannot be used here. The message is one sentence on why and one on what to do."""


class NotOffered(NotImplementedError):
    """The framework has no such operation, or not with these settings. The message says what it lacks."""


def find_row(rows: Mapping[str, Row], gaps: Mapping[str, str], name: str, title: str) -> Row:
    """The row of that name; raises NotOffered with the reason for a declared gap, LookupError where there is neither."""
    if name in gaps:
        raise NotOffered(f"{title} has no {name}: {gaps[name]}")
    if name not in rows:
        raise LookupError(f"the adapter of {title} has neither a row for {name} nor a gap with a reason. Add one of the two.")
    return rows[name]


def all_gaps(**by_kind: Mapping[str, str]) -> dict[str, str]:
    """`Backend.gaps` from the gaps of every kind."""
    return {f"{kind}/{name}": reason for kind, gaps in by_kind.items() for name, reason in gaps.items()}


def at_rate(optimizer: Optimizer, rate: Scalar) -> Optimizer:
    """The same optimizer at another learning rate, unchecked: fast enough for every step, and for a rate that JAX traces."""
    changed = copy(optimizer)
    vars(changed)["learning_rate"] = rate  # a frozen dataclass has no other way in than `replace`, which checks all numbers
    return changed


def check_rate(optimizer: Optimizer, rate: float) -> None:
    """Raise ValueError for what is no learning rate, and NotOffered where the optimizer has none after its first step."""
    if optimizer.name == "rprop":
        raise NotOffered(
            "rprop takes its learning rate for the first step only. Leave the schedule out, or take another optimizer."
        )
    if not 0 <= rate < math.inf:
        raise ValueError(f"set_learning_rate: {rate} is not a number of 0 or more. Give one.")
    if optimizer.name == "ftrl" and rate == 0:
        raise ValueError("set_learning_rate: ftrl divides by it. Give a number above 0.")


def existing_output(output: Output | None) -> Output:
    """What the last step of training left; raises ValueError where there was none."""
    if output is None:
        raise ValueError("last_output: there is none before the first train_step. Call that first.")
    return output


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

    def state(self) -> Array:
        """A copy of what the layers keep without training it, flat, in the order of `Model.state_shapes`."""
        ...

    def set_state(self, vector: Array) -> None:
        """Take over a flat vector of layer state."""
        ...

    def set_masks(self, masks: Mapping[str, Array]) -> None:
        """Which units the dropout layers keep in training from now on, as `Model.draw_masks` gives them."""
        ...

    def predict(self, x: Array) -> Array:
        """The network's output (batch, units) for x (batch, inputs), in inference."""
        ...

    def vjp(self, x: Array, cotangent: Array, *, training: bool = True) -> Pullback:
        """Output, and the gradients of sum(output * cotangent); the cotangent is (batch, units)."""
        ...

    def loss_and_gradients(self, x: Array, y: Array, weights: Array | None = None) -> tuple[Scalar, Pullback]:
        """The loss of a batch in training, penalties included, and its gradients with respect to parameters and input.

        y is (batch,) class indices or (batch, units) rows, as `Model.loss` takes them; weights are (batch,).
        """
        ...

    def train_step(self, x: Array, y: Array) -> float:
        """One step of the optimizer on a batch; returns the loss before the step."""
        ...

    def last_output(self) -> Array:
        """A copy of the output (batch, units) that the last `train_step` computed in training, before its step.

        Raises ValueError where there was none. It costs nothing unless it is asked for.
        """
        ...

    def set_learning_rate(self, rate: float) -> None:
        """Take all later steps at that rate; everything else stays as it is.

        It is no part of the optimizer's state: whoever takes over a state sets the rate as well. Raises ValueError for a
        number that is no rate.
        """
        ...

    def apply_gradients(self, gradients: Array) -> None:
        """One step of the optimizer with gradients that are given, flat."""
        ...

    def optimizer_state(self) -> tuple[dict[str, Array], int]:
        """What `OptimizerState.saved` holds, by scratch's names and in scratch's sense, and the number of steps taken."""
        ...

    def set_optimizer_state(self, saved: dict[str, Array], step: int) -> None:
        """Take over what `optimizer_state` gave."""
        ...


class Backend(Protocol):
    """A framework. Constructing one loads it, and raises BackendUnavailable where that fails.

    Whatever it is asked for and does not have, it answers with NotOffered.
    """

    name: str
    """As in `--backends`."""
    title: str
    """As in a sentence."""
    convention: Convention | None
    """Which convention the framework follows; None for scratch, which follows the recipe."""
    gaps: Mapping[str, str]
    """Why what is missing is missing, by kind and name, such as "activation/sparsemax"."""

    def versions(self) -> dict[str, str]:
        """Versions of everything that decides the numbers."""
        ...

    def mirror(self, model: Model, parameters: Array, optimizer: Optimizer, dtype: Any) -> Twin:
        """A twin of the model that starts from these bits. `dtype` is "float32" or "float64"."""
        ...

    def rates(self, schedule: Schedule, steps: int, dtype: Any) -> Array:
        """The learning rate of each of the first steps, (steps,), in that precision."""
        ...

    def draw(self, initializer: Initializer, shape: tuple[int, int], seed: int) -> Array:
        """A kernel (inputs, outputs) from the framework's own generator."""
        ...
