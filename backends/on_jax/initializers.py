"""Scratch's initializers in JAX: one row each, a `jax.nn.initializers` function of a key, a shape and a dtype."""

from collections.abc import Callable
from typing import Any

import numpy as np

from backends.interface import find_row
from backends.on_jax.framework import enable_x64, jax, jnp
from scratch.arrays import Array
from scratch.initializers import Initializer

INITIALIZERS: dict[str, Callable[..., Any]] = {
    "he_normal_truncated": jax.nn.initializers.he_normal,
}

GAPS: dict[str, str] = {}
"""What JAX does not have, and what there is instead."""


def draw(initializer: Initializer, shape: tuple[int, int], seed: int) -> Array:
    """A kernel (inputs, outputs) in float64."""
    row = find_row(INITIALIZERS, GAPS, initializer.name, "JAX")
    with enable_x64(True):
        return np.array(row(**initializer.settings)(jax.random.key(seed), shape, jnp.float64))
