"""Scratch's learning rate schedules in Keras: one row each, a `keras.optimizers.schedules` object."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from backends.interface import find_row
from backends.on_keras.framework import floatx, keras
from scratch.arrays import Array
from scratch.schedules import Schedule, metric

schedules = keras.optimizers.schedules


def _piecewise(s: Any) -> Any:
    factors = np.cumprod([1.0, *s.settings["factors"]])
    return schedules.PiecewiseConstantDecay(list(s.settings["boundaries"]), list(s.learning_rate * factors))


def _plateau(s: Any, optimizer: Any) -> Any:
    """Keras has it as a callback only; what it needs of a model is the optimizer."""
    callback = keras.callbacks.ReduceLROnPlateau(
        "val_loss", s.settings["factor"], s.settings["patience"], mode="min", min_delta=s.settings["threshold"]
    )
    model = keras.Sequential([keras.Input((1,)), keras.layers.Identity()])
    model.compile(optimizer)
    callback.set_model(model)
    callback.on_train_begin()
    return callback


SCHEDULES: dict[str, Callable[..., Any]] = {
    "constant": lambda s: lambda step: s.learning_rate,
    "step": lambda s: schedules.ExponentialDecay(s.learning_rate, s.settings["period"], s.settings["factor"], staircase=True),
    "piecewise": _piecewise,
    "exponential": lambda s: schedules.ExponentialDecay(s.learning_rate, s.settings["steps"], s.settings["factor"]),
    "inverse_time": lambda s: schedules.InverseTimeDecay(s.learning_rate, s.settings["steps"], s.settings["decay"]),
    "polynomial": lambda s: schedules.PolynomialDecay(
        s.learning_rate, s.settings["steps"], s.settings["end"], s.settings["power"]
    ),
    "linear": lambda s: schedules.PolynomialDecay(s.learning_rate, s.settings["steps"], s.settings["end"], 1.0),
    "cosine": lambda s: schedules.CosineDecay(s.learning_rate, s.settings["steps"], s.settings["end"] / s.learning_rate),
    "cosine_restarts": lambda s: schedules.CosineDecayRestarts(
        s.learning_rate, s.settings["period"], float(s.settings["longer"]), alpha=s.settings["end"] / s.learning_rate
    ),
    "warm_up_cosine": lambda s: schedules.CosineDecay(
        s.settings["start"],
        s.settings["steps"],
        s.settings["end"] / s.learning_rate,
        warmup_target=s.learning_rate,
        warmup_steps=s.settings["warm_up_steps"],
    ),
    "reduce_on_plateau": _plateau,
}

GAPS: dict[str, str] = {
    "warm_up": "no warm-up alone; keras.optimizers.schedules.CosineDecay has one before its cosine.",
    "one_cycle": "no such schedule; a subclass of keras.optimizers.schedules.LearningRateSchedule takes the formula.",
    "cyclic": "no such schedule; a subclass of keras.optimizers.schedules.LearningRateSchedule takes the formula.",
}
"""What Keras does not have, and what there is instead."""


def rates(schedule: Schedule, steps: int, dtype: str) -> Array:
    """The learning rate of each step: the schedule at `iterations` before the increment."""
    row: Any = find_row(SCHEDULES, GAPS, schedule.name, "Keras")
    found = np.empty(steps, dtype)
    with floatx(dtype):
        if schedule.name == "reduce_on_plateau":
            optimizer = keras.optimizers.SGD(schedule.learning_rate)
            callback = row(schedule, optimizer)
            for step in range(steps):
                found[step] = float(optimizer.learning_rate)
                with warnings.catch_warnings():  # Keras reads its own variable in a way that NumPy deprecates
                    warnings.simplefilter("ignore", DeprecationWarning)
                    callback.on_epoch_end(step, {"val_loss": metric(step)})
            return found
        rate = row(schedule)
        for step in range(steps):
            found[step] = float(rate(step))
    return found
