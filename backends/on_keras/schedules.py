"""Scratch's learning rate schedules in Keras: one row each, a `keras.optimizers.schedules` object."""

from collections.abc import Callable
from typing import Any

import numpy as np

from backends.interface import find_row
from backends.on_keras.framework import floatx, keras
from scratch.arrays import Array
from scratch.schedules import Schedule

SCHEDULES: dict[str, Callable[[Any], Callable[[int], Any]]] = {
    "constant": lambda s: lambda step: s.learning_rate,
}

GAPS: dict[str, str] = {}
"""What Keras does not have, and what there is instead."""


def rates(schedule: Schedule, steps: int) -> Array:
    """The learning rate of each step: the schedule at `iterations` before the increment."""
    with floatx("float64"):
        rate = find_row(SCHEDULES, GAPS, schedule.name, "Keras")(schedule)
        return np.array([float(keras.ops.convert_to_numpy(rate(step))) for step in range(steps)])
