"""Scratch's initializers in Keras: one row each, a `keras.initializers` class."""

from collections.abc import Callable
from typing import Any

import numpy as np

from backends.interface import find_row
from backends.on_keras.framework import keras
from scratch.arrays import Array
from scratch.initializers import Initializer

initializers = keras.initializers

INITIALIZERS: dict[str, Callable[..., Any]] = {
    "he_normal_truncated": initializers.HeNormal,
    "he_uniform": initializers.HeUniform,
    "glorot_normal_truncated": initializers.GlorotNormal,
    "glorot_uniform": initializers.GlorotUniform,
    "lecun_normal_truncated": initializers.LecunNormal,
    "lecun_uniform": initializers.LecunUniform,
    "he_normal": lambda seed: initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal", seed),
    "glorot_normal": lambda seed: initializers.VarianceScaling(1.0, "fan_avg", "untruncated_normal", seed),
    "torch_linear": lambda seed: initializers.VarianceScaling(1 / 3, "fan_in", "uniform", seed),
    "uniform": lambda low, high, seed: initializers.RandomUniform(low, high, seed),
    "normal": lambda standard_deviation, seed: initializers.RandomNormal(0.0, standard_deviation, seed),
    "truncated_normal": lambda standard_deviation, seed: initializers.TruncatedNormal(0.0, standard_deviation, seed),
    "orthogonal": lambda gain, seed: initializers.Orthogonal(gain, seed),
    "constant": lambda value, seed: initializers.Constant(value),
    "zeros": lambda seed: initializers.Zeros(),
    "ones": lambda seed: initializers.Ones(),
    "identity": lambda seed: initializers.Identity(),
}

GAPS: dict[str, str] = {}
"""What Keras does not have, and what there is instead."""


def draw(initializer: Initializer, shape: tuple[int, int], seed: int) -> Array:
    """A kernel (inputs, outputs) in float64."""
    row = find_row(INITIALIZERS, GAPS, initializer.name, "Keras")
    return np.array(row(**initializer.settings, seed=seed)(shape, dtype="float64"))
