"""Scratch's initializers in JAX: one row each, a `jax.nn.initializers` function of a key, a shape and a dtype."""

from collections.abc import Callable
from typing import Any

import numpy as np

from backends.interface import find_row
from backends.on_jax.framework import enable_x64, jax, jnp
from scratch.arrays import Array
from scratch.initializers import Initializer

initializers = jax.nn.initializers

INITIALIZERS: dict[str, Callable[..., Any]] = {
    "he_normal_truncated": initializers.he_normal,
    "he_uniform": initializers.he_uniform,
    "glorot_normal_truncated": initializers.glorot_normal,
    "glorot_uniform": initializers.glorot_uniform,
    "lecun_normal_truncated": initializers.lecun_normal,
    "lecun_uniform": initializers.lecun_uniform,
    "he_normal": lambda: initializers.variance_scaling(2.0, "fan_in", "normal"),
    "glorot_normal": lambda: initializers.variance_scaling(1.0, "fan_avg", "normal"),
    "torch_linear": lambda: initializers.variance_scaling(1 / 3, "fan_in", "uniform"),
    "uniform": lambda low, high: lambda *given: initializers.uniform(high - low)(*given) + low,
    "normal": initializers.normal,
    "truncated_normal": initializers.truncated_normal,
    "orthogonal": initializers.orthogonal,
    "constant": initializers.constant,
    "zeros": lambda: initializers.zeros,
    "ones": lambda: initializers.ones,
}

GAPS: dict[str, str] = {
    "identity": "no such initializer; jax.numpy.eye is the array.",
}
"""What JAX does not have, and what there is instead."""


def draw(initializer: Initializer, shape: tuple[int, int], seed: int) -> Array:
    """A kernel (inputs, outputs) in float64."""
    row = find_row(INITIALIZERS, GAPS, initializer.name, "JAX")
    with enable_x64(True):
        return np.array(row(*initializer.settings.values())(jax.random.key(seed), shape, jnp.float64))
