"""Scratch's learning rate schedules in Optax: one row each, a function of the step's number from 0."""

from collections.abc import Callable
from typing import Any

import numpy as np

from backends.interface import find_row
from backends.on_jax.framework import enable_x64, jax, jnp, optax
from scratch.arrays import Array
from scratch.schedules import Schedule, metric


def _restarts(s: Any, steps: int) -> Callable[[int], Any]:
    waves, length, covered = [], s.settings["period"], 0
    while covered < steps:
        wave = {"init_value": s.learning_rate, "peak_value": s.learning_rate, "warmup_steps": 0}
        waves.append({**wave, "decay_steps": length, "end_value": s.settings["end"]})
        covered, length = covered + length, length * s.settings["longer"]
    found: Callable[[int], Any] = optax.sgdr_schedule(waves)
    return found


def _warm_up_cosine(s: Any) -> Any:
    return optax.warmup_cosine_decay_schedule(
        s.settings["start"],
        s.learning_rate,
        s.settings["warm_up_steps"],
        s.settings["warm_up_steps"] + s.settings["steps"],
        s.settings["end"],
    )


SCHEDULES: dict[str, Callable[[Any, int], Callable[[Any], Any]]] = {
    "constant": lambda s, steps: optax.constant_schedule(s.learning_rate),
    "step": lambda s, steps: optax.exponential_decay(
        s.learning_rate, s.settings["period"], s.settings["factor"], staircase=True
    ),
    "piecewise": lambda s, steps: optax.piecewise_constant_schedule(
        s.learning_rate, dict(zip(s.settings["boundaries"], s.settings["factors"], strict=True))
    ),
    "exponential": lambda s, steps: optax.exponential_decay(s.learning_rate, s.settings["steps"], s.settings["factor"]),
    "polynomial": lambda s, steps: optax.polynomial_schedule(
        s.learning_rate, s.settings["end"], s.settings["power"], s.settings["steps"]
    ),
    "linear": lambda s, steps: optax.linear_schedule(s.learning_rate, s.settings["end"], s.settings["steps"]),
    "cosine": lambda s, steps: optax.cosine_decay_schedule(
        s.learning_rate, s.settings["steps"], s.settings["end"] / s.learning_rate
    ),
    "cosine_restarts": _restarts,
    "warm_up": lambda s, steps: optax.warmup_constant_schedule(s.settings["start"], s.learning_rate, s.settings["steps"]),
    "warm_up_cosine": lambda s, steps: _warm_up_cosine(s),
    "one_cycle": lambda s, steps: optax.cosine_onecycle_schedule(
        s.settings["steps"], s.learning_rate, s.settings["share"], s.settings["divisor"], s.settings["final_divisor"]
    ),
    "reduce_on_plateau": lambda s, steps: optax.contrib.reduce_on_plateau(
        s.settings["factor"], s.settings["patience"], s.settings["threshold"], 0.0
    ),
}

GAPS: dict[str, str] = {
    "inverse_time": "no such schedule; any function of the step's number is one.",
    "cyclic": "no such schedule; any function of the step's number is one.",
}
"""What Optax does not have, and what there is instead."""


def rates(schedule: Schedule, steps: int, dtype: str) -> Array:
    """The learning rate of each step, in the precision that JAX has then."""
    row: Any = find_row(SCHEDULES, GAPS, schedule.name, "Optax")
    with enable_x64(dtype == "float64"):
        if schedule.name == "reduce_on_plateau":
            return _plateau_rates(row(schedule, steps), schedule.learning_rate, steps, dtype)
        rate = jax.jit(row(schedule, steps))
        return np.array([rate(step) for step in range(steps)], dtype)


def _plateau_rates(transformation: Any, learning_rate: float, steps: int, dtype: str) -> Array:
    """Optax scales the updates: the scale times the rate is the rate."""
    one = jnp.ones((), dtype)
    state = transformation.init(one)
    update = jax.jit(lambda state, value: transformation.update(one, state, one, value=value))
    found = np.empty(steps, dtype)
    for step in range(steps):
        found[step] = learning_rate * np.asarray(state.scale)
        _, state = update(state, jnp.asarray(metric(step), dtype))
    return found
