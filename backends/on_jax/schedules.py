"""Scratch's learning rate schedules in Optax: one row each, a function of the step's number from 0."""

from collections.abc import Callable
from typing import Any

import numpy as np

from backends.interface import find_row
from backends.on_jax.framework import enable_x64, optax
from scratch.arrays import Array
from scratch.schedules import Schedule

SCHEDULES: dict[str, Callable[[Any], Callable[[int], Any]]] = {
    "constant": lambda s: optax.constant_schedule(s.learning_rate),
}

GAPS: dict[str, str] = {}
"""What Optax does not have, and what there is instead."""


def rates(schedule: Schedule, steps: int) -> Array:
    """The learning rate of each step."""
    with enable_x64(True):
        rate = find_row(SCHEDULES, GAPS, schedule.name, "Optax")(schedule)
        return np.array([float(rate(step)) for step in range(steps)])
