"""Scratch's activations in JAX: one row each, a function of an array z and the entry's settings."""

from collections.abc import Callable
from typing import Any

from backends.on_jax.framework import jax, jnp

_SAME = """relu relu6 leaky_relu hard_tanh hard_sigmoid hard_silu sparse_sigmoid sparse_plus elu selu celu squareplus log_sigmoid
    sigmoid tanh silu mish glu softmax log_softmax standardize"""

ACTIVATIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(jax.nn, name) for name in _SAME.split()},
    "linear": jax.nn.identity,
    "exponential": jnp.exp,
    "softplus": lambda z, beta: jax.nn.softplus(beta * z) / beta,
    "softsign": jax.nn.soft_sign,
    "gelu": lambda z: jax.nn.gelu(z, approximate=False),
    "gelu_tanh": lambda z: jax.nn.gelu(z, approximate=True),
}

GAPS: dict[str, str] = {
    "capped_relu": "jnp.clip(z, 0, max_value) is the formula",
    "thresholded_relu": "jnp.where(z > threshold, z, 0) is the formula",
    "threshold": "jnp.where(z > threshold, z, value) is the formula",
    "rrelu": "jax.nn.leaky_relu(z, (lower + upper) / 2) is what it is in inference",
    "soft_shrink": "z - jnp.clip(z, -threshold, threshold) is the formula",
    "hard_shrink": "jnp.where(jnp.abs(z) > threshold, z, 0) is the formula",
    "tanh_shrink": "z - jnp.tanh(z) is the formula",
    "softmin": "jax.nn.softmax(-z) is the formula",
    "sparsemax": "optax.losses.multiclass_sparsemax_loss is its loss, whose gradient holds the projection",
}
"""What JAX does not have, and what there is instead."""
