"""Scratch's activations in JAX: one row each, a function of an array z and the entry's settings."""

from collections.abc import Callable
from typing import Any

from backends.on_jax.framework import jax, jnp

ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "linear": lambda z: z,
    "relu": jax.nn.relu,
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "softmax": jax.nn.softmax,
}

GAPS: dict[str, str] = {}
"""What JAX does not have, and what there is instead."""
