"""Scratch's optimizers in Optax: one row each, with the names that Optax gives to their slots."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
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


def _decay(o: Any) -> float:
    """The decoupled weight decay; `build` puts the other one in front."""
    return float(o.weight_decay) if o.decoupled else 0.0


def _with_moments(scale: Callable[..., Any]) -> Callable[[Any], Any]:
    """What Optax's own aliases are: the rescaled gradient, the decay, and the learning rate."""
    return lambda o: optax.chain(
        scale(o.beta_1, o.beta_2, o.epsilon),
        optax.add_decayed_weights(_decay(o)),
        optax.scale_by_learning_rate(o.learning_rate),
    )


def _lion(o: Any) -> Any:
    return optax.lion(o.learning_rate, o.beta_1, o.beta_2, weight_decay=_decay(o))


def _lamb(o: Any) -> Any:
    return optax.lamb(o.learning_rate, o.beta_1, o.beta_2, o.epsilon, weight_decay=_decay(o))


def _yogi(o: Any) -> Any:
    return _with_moments(partial(optax.scale_by_yogi, initial_accumulator_value=o.initial))(o)


def _novograd(o: Any) -> Any:
    return optax.novograd(o.learning_rate, o.beta_1, o.beta_2, o.epsilon, weight_decay=_decay(o))


def _adabelief(o: Any) -> Any:
    return _with_moments(partial(optax.scale_by_belief, eps_root=o.epsilon))(o)


MOMENTS = {"m": "mu", "v": "nu"}

OPTIMIZERS: dict[str, OptimizerRow] = {
    "sgd": OptimizerRow(lambda o: optax.sgd(o.learning_rate)),
    "momentum": OptimizerRow(lambda o: optax.sgd(o.learning_rate, o.momentum), {"velocity": "trace"}),
    "nesterov": OptimizerRow(lambda o: optax.sgd(o.learning_rate, o.momentum, nesterov=True), {"velocity": "trace"}),
    "adam": OptimizerRow(_with_moments(optax.scale_by_adam), MOMENTS),
    "adamw": OptimizerRow(_with_moments(optax.scale_by_adam), MOMENTS),
    "amsgrad": OptimizerRow(_with_moments(optax.scale_by_amsgrad), MOMENTS | {"v_max": "nu_max"}),
    "adamax": OptimizerRow(_with_moments(optax.scale_by_adamax), {"m": "mu", "u": "nu"}),
    "nadam": OptimizerRow(_with_moments(partial(optax.scale_by_adam, nesterov=True)), MOMENTS),
    "radam": OptimizerRow(_with_moments(optax.scale_by_radam), MOMENTS),
    "lion": OptimizerRow(_lion, {"m": "mu"}),
    "lamb": OptimizerRow(_lamb, MOMENTS),
    "yogi": OptimizerRow(_yogi, MOMENTS),
    "novograd": OptimizerRow(_novograd, MOMENTS),
    "adabelief": OptimizerRow(_adabelief, {"m": "mu", "s": "nu"}),
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
