"""Scratch's optimizers in Keras: one row each, with the names that Keras gives to their slots."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from backends.interface import NotOffered, find_row
from backends.on_keras.framework import keras
from scratch.optimizers import Optimizer


@dataclass(frozen=True)
class OptimizerRow:
    """How one optimizer is made, and what its state is called there."""

    make: Callable[..., Any]
    """From scratch's optimizer, and the keyword arguments of `_shared`."""
    slots: Mapping[str, str] = field(default_factory=dict)
    """Scratch's slots and numbers, in the "keras" convention, by the names of Keras's attributes."""


def _shared(o: Optimizer) -> dict[str, Any]:
    """The arguments that every Keras optimizer takes."""
    return {
        "learning_rate": o.learning_rate,
        "weight_decay": o.weight_decay or None,
        "clipvalue": o.clip_value,
        "clipnorm": o.clip_norm,
        "global_clipnorm": o.clip_global_norm,
    }


def _sgd(o: Any, **shared: Any) -> Any:
    return keras.optimizers.SGD(momentum=o.momentum, nesterov=o.nesterov, **shared)


OPTIMIZERS: dict[str, OptimizerRow] = {
    "sgd": OptimizerRow(_sgd),
    "momentum": OptimizerRow(_sgd, {"velocity": "momentums"}),
    "nesterov": OptimizerRow(_sgd, {"velocity": "momentums"}),
    "adam": OptimizerRow(
        lambda o, **shared: keras.optimizers.Adam(beta_1=o.beta_1, beta_2=o.beta_2, epsilon=o.epsilon, **shared),
        {"m": "_momentums", "v": "_velocities"},
    ),
}

GAPS: dict[str, str] = {}
"""What Keras does not have, and what there is instead."""


def optimizer_row(optimizer: Optimizer) -> OptimizerRow:
    """The row of an optimizer; raises NotOffered, also for settings that Keras does not have."""
    if optimizer.weight_decay and not optimizer.decoupled:
        raise NotOffered("Keras has no coupled weight decay in its optimizers. Use a kernel_regularizer of half the size.")
    return find_row(OPTIMIZERS, GAPS, optimizer.name, "Keras")


def build(optimizer: Optimizer, variables: list[Any]) -> Any:
    """Keras's optimizer for these variables."""
    made = optimizer_row(optimizer).make(optimizer, **_shared(optimizer))
    made.build(variables)
    return made
