"""Scratch's optimizers in Optax: one row each, with the names that Optax gives to their slots."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from backends.interface import NotOffered, find_row
from backends.on_jax.framework import jax, optax
from scratch.optimizers import Optimizer


@dataclass(frozen=True)
class OptimizerRow:
    """How one optimizer is made, and what its state is called there."""

    make: Callable[[Any], Any]
    """From scratch's optimizer to a gradient transformation."""
    slots: Mapping[str, str] = field(default_factory=dict)
    """Scratch's slots and numbers, in the "optax" convention, by the names of Optax's fields."""


def _sgd(o: Any) -> Any:
    if o.dampening:
        raise NotOffered("Optax has no dampening in its sgd. PyTorch has it.")
    return optax.sgd(o.learning_rate, o.momentum or None, nesterov=o.nesterov)


def _adagrad(o: Any) -> Any:
    if o.rate_decay:
        raise NotOffered("Optax has no rate_decay in its adagrad. Use a learning rate schedule.")
    return optax.adagrad(o.learning_rate, o.initial_accumulator, o.epsilon)


def _rmsprop(o: Any) -> Any:
    return optax.rmsprop(o.learning_rate, o.rho, o.epsilon, centered=o.centered, momentum=o.momentum or None)


def _muon(o: Any) -> Any:
    return optax.contrib.muon(
        o.learning_rate,
        ns_steps=o.iterations,
        beta=o.momentum,
        eps=o.epsilon,
        weight_decay=_decay(o),
        nesterov=o.nesterov,
        adam_b1=o.beta_1,
        adam_b2=o.beta_2,
        adam_weight_decay=_decay(o),
        consistent_rms=o.rms,
    )


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
    "sgd": OptimizerRow(_sgd),
    "momentum": OptimizerRow(_sgd, {"velocity": "trace"}),
    "nesterov": OptimizerRow(_sgd, {"velocity": "trace"}),
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
    "adagrad": OptimizerRow(_adagrad, {"sum": "sum_of_squares"}),
    "adadelta": OptimizerRow(lambda o: optax.adadelta(o.learning_rate, o.rho, o.epsilon), {"v": "e_g", "u": "e_x"}),
    "rmsprop": OptimizerRow(_rmsprop, {"v": "nu", "m": "mu", "velocity": "trace"}),
    "rprop": OptimizerRow(
        lambda o: optax.rprop(o.learning_rate, o.eta_minus, o.eta_plus, o.smallest, o.largest),
        {"previous": "prev_updates", "step": "step_sizes"},
    ),
    "muon": OptimizerRow(_muon, MOMENTS),
}

GAPS: dict[str, str] = {
    "asgd": "Optax has none. PyTorch has it; optax.incremental_update averages with another weight.",
    "ftrl": "Optax has none. Keras has it.",
}
"""What Optax does not have, and what there is instead."""
COUPLED_ONLY = {"sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "rprop"}
"""Optimizers that have no decoupled weight decay."""


def build(optimizer: Optimizer) -> tuple[Any, OptimizerRow]:
    """The gradient transformation: clipping, decay and the rule in a chain; and the row that it is from."""
    row = find_row(OPTIMIZERS, GAPS, optimizer.name, "Optax")
    if optimizer.decoupled and optimizer.weight_decay and optimizer.name in COUPLED_ONLY:
        raise NotOffered(
            f"Optax has no decoupled weight decay in its {optimizer.name}. Chain add_decayed_weights behind the rule."
        )
    chain = []
    if optimizer.clip_value is not None:
        chain.append(optax.clip(optimizer.clip_value))
    if optimizer.clip_norm is not None:
        chain.append(_each(optax.clip_by_global_norm(optimizer.clip_norm)))
    if optimizer.clip_global_norm is not None:
        chain.append(optax.clip_by_global_norm(optimizer.clip_global_norm))
    if optimizer.weight_decay and not optimizer.decoupled:
        chain.append(optax.add_decayed_weights(optimizer.weight_decay))
    made = row.make(optimizer)
    return (optax.chain(*chain, made) if chain else made), row


def _each(clip: Any) -> Any:
    """A transformation of every array on its own: Optax has clip_by_block_rms for that, which is not the norm."""

    def update(updates: Any, parameters: Any) -> Any:
        return jax.tree.map(lambda g: clip.update(g, optax.EmptyState())[0], updates)

    return optax.stateless(update)
