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
        **({} if o.average_decay is None else {"use_ema": True, "ema_momentum": o.average_decay}),
    }


def _sgd(o: Any, **shared: Any) -> Any:
    if o.dampening:
        raise NotOffered("Keras has no dampening in its SGD. PyTorch has it.")
    return keras.optimizers.SGD(momentum=o.momentum, nesterov=o.nesterov, **shared)


def _with_moments(make: Any, **more: Any) -> Callable[..., Any]:
    return lambda o, **shared: make(beta_1=o.beta_1, beta_2=o.beta_2, epsilon=o.epsilon, **more, **shared)


def _lion(o: Any, **shared: Any) -> Any:
    if o.beta_1 == 0:
        raise NotOffered("Keras has no Lion with a beta_1 of 0. Use any other share, or another backend.")
    return keras.optimizers.Lion(beta_1=o.beta_1, beta_2=o.beta_2, **shared)


def _adagrad(o: Any, **shared: Any) -> Any:
    if o.rate_decay:
        raise NotOffered("Keras has no rate_decay in its Adagrad. Use a learning rate schedule.")
    return keras.optimizers.Adagrad(initial_accumulator_value=o.initial_accumulator, epsilon=o.epsilon, **shared)


def _ftrl(o: Any, **shared: Any) -> Any:
    return keras.optimizers.Ftrl(
        initial_accumulator_value=o.initial_accumulator,
        l1_regularization_strength=o.l1,
        l2_regularization_strength=o.l2,
        beta=o.beta,
        **shared,
    )


def _muon(o: Any, **shared: Any) -> Any:
    if o.epsilon != 1e-7:
        raise NotOffered("Keras has no epsilon but 1e-7 in the norm that its Muon divides by. Set 1e-7.")
    return keras.optimizers.Muon(
        adam_beta_1=o.beta_1,
        adam_beta_2=o.beta_2,
        adam_weight_decay=o.weight_decay or None,
        epsilon=o.epsilon,
        momentum=o.momentum,
        nesterov=o.nesterov,
        ns_steps=o.iterations,
        rms_rate=0.2 if o.rms is None else o.rms,
        exclude_embeddings=False,
        **shared,
    )


MOMENTS = {"m": "_momentums", "v": "_velocities"}

OPTIMIZERS: dict[str, OptimizerRow] = {
    "sgd": OptimizerRow(_sgd),
    "momentum": OptimizerRow(_sgd, {"velocity": "momentums"}),
    "nesterov": OptimizerRow(_sgd, {"velocity": "momentums"}),
    "adam": OptimizerRow(_with_moments(keras.optimizers.Adam), MOMENTS),
    "adamw": OptimizerRow(_with_moments(keras.optimizers.AdamW), MOMENTS),
    "amsgrad": OptimizerRow(_with_moments(keras.optimizers.Adam, amsgrad=True), MOMENTS | {"v_max": "_velocity_hats"}),
    "adamax": OptimizerRow(_with_moments(keras.optimizers.Adamax), {"m": "_m", "u": "_u"}),
    "nadam": OptimizerRow(_with_moments(keras.optimizers.Nadam), MOMENTS | {"mu_product": "_u_product"}),
    "lion": OptimizerRow(_lion, {"m": "_momentums"}),
    "lamb": OptimizerRow(_with_moments(keras.optimizers.Lamb), MOMENTS),
    "adagrad": OptimizerRow(_adagrad, {"sum": "_accumulators"}),
    "adadelta": OptimizerRow(
        lambda o, **shared: keras.optimizers.Adadelta(rho=o.rho, epsilon=o.epsilon, **shared),
        {"v": "_accumulated_grads", "u": "_accumulated_delta_vars"},
    ),
    "rmsprop": OptimizerRow(
        lambda o, **shared: keras.optimizers.RMSprop(
            rho=o.rho, momentum=o.momentum, epsilon=o.epsilon, centered=o.centered, **shared
        ),
        {"v": "_velocities", "m": "_average_gradients", "velocity": "_momentums"},
    ),
    "ftrl": OptimizerRow(_ftrl, {"n": "_accumulators", "z": "_linears"}),
    "muon": OptimizerRow(_muon, {"m": "momentums", "v": "adam_velocities"}),
}

GAPS: dict[str, str] = {
    "radam": "keras.optimizers has none. PyTorch and Optax have it.",
    "yogi": "keras.optimizers has none. Optax has it.",
    "novograd": "keras.optimizers has none. Optax has it.",
    "adabelief": "keras.optimizers has none. Optax has it.",
    "rprop": "keras.optimizers has none. PyTorch and Optax have it.",
    "asgd": "keras.optimizers has none. PyTorch has it; use_ema averages with another weight.",
}
"""What Keras does not have, and what there is instead."""


def optimizer_row(optimizer: Optimizer) -> OptimizerRow:
    """The row of an optimizer; raises NotOffered, also for settings that Keras does not have."""
    if optimizer.weight_decay and not optimizer.decoupled:
        raise NotOffered("Keras has no coupled weight decay in its optimizers. Use a kernel_regularizer of half the size.")
    return find_row(OPTIMIZERS, GAPS, optimizer.name, "Keras")


def slots(optimizer: Optimizer) -> dict[str, str]:
    """Scratch's slots by the names of Keras's attributes: those of the rule, and the average."""
    average = {} if optimizer.average_decay is None else {"average": "_model_variables_moving_average"}
    return {**optimizer_row(optimizer).slots, **average}


def build(optimizer: Optimizer, variables: list[Any]) -> Any:
    """Keras's optimizer for these variables."""
    made = optimizer_row(optimizer).make(optimizer, **_shared(optimizer))
    made.build(variables)
    return made
