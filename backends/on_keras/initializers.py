"""Scratch's initializers in Keras: one row each, a `keras.initializers` class."""

from collections.abc import Callable
from typing import Any

import numpy as np

from backends.interface import find_row
from backends.on_keras.framework import keras
from scratch.arrays import Array
from scratch.initializers import Initializer

INITIALIZERS: dict[str, Callable[..., Any]] = {
    "he_normal_truncated": keras.initializers.HeNormal,
}

GAPS: dict[str, str] = {}
"""What Keras does not have, and what there is instead."""


def draw(initializer: Initializer, shape: tuple[int, int], seed: int) -> Array:
    """A kernel (inputs, outputs) in float64."""
    row = find_row(INITIALIZERS, GAPS, initializer.name, "Keras")
    return np.array(row(**initializer.settings, seed=seed)(shape, dtype="float64"))
