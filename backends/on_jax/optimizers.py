"""Scratch's optimizers in Optax: one row each, with the names that Optax gives to their slots."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from backends.interface import find_row
from backends.on_jax.framework import optax
from scratch.optimizers import Optimizer


@dataclass(frozen=True)
class OptimizerRow:
    """How one optimizer is made, and what its state is called there."""

    make: Callable[[Any], Any]
    """From scratch's optimizer to a gradient transformation."""
    slots: Mapping[str, str] = field(default_factory=dict)
    """Scratch's slots and numbers, in the "optax" convention, by the names of Optax's fields."""


OPTIMIZERS: dict[str, OptimizerRow] = {
    "sgd": OptimizerRow(lambda o: optax.sgd(o.learning_rate)),
    "momentum": OptimizerRow(lambda o: optax.sgd(o.learning_rate, o.momentum), {"velocity": "trace"}),
    "nesterov": OptimizerRow(lambda o: optax.sgd(o.learning_rate, o.momentum, nesterov=True), {"velocity": "trace"}),
    "adam": OptimizerRow(lambda o: optax.adam(o.learning_rate, o.beta_1, o.beta_2, o.epsilon), {"m": "mu", "v": "nu"}),
}

GAPS: dict[str, str] = {}
"""What Optax does not have, and what there is instead."""


def build(optimizer: Optimizer) -> tuple[Any, OptimizerRow]:
    """The gradient transformation: clipping, decay and the rule in a chain; and the row that it is from."""
    row = find_row(OPTIMIZERS, GAPS, optimizer.name, "Optax")
    chain = []
    if optimizer.clip_value is not None:
        chain.append(optax.clip(optimizer.clip_value))
    if optimizer.clip_norm is not None:
        chain.append(optax.clip_by_block_rms(optimizer.clip_norm))
    if optimizer.clip_global_norm is not None:
        chain.append(optax.clip_by_global_norm(optimizer.clip_global_norm))
    if optimizer.weight_decay and not optimizer.decoupled:
        chain.append(optax.add_decayed_weights(optimizer.weight_decay))
    made = row.make(optimizer)
    return (optax.chain(*chain, made) if chain else made), row
