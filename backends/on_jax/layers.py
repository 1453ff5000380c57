"""Scratch's layers in JAX, which has none of its own: one row each, a function as JAX's users write it."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from backends.interface import find_row
from backends.on_jax.activations import ACTIVATIONS
from backends.on_jax.activations import GAPS as ACTIVATION_GAPS
from backends.on_jax.framework import jax, jnp, optax
from scratch.activations import Activation
from scratch.layers import Dense, Layer

State: TypeAlias = dict[str, Any]
LayerRow: TypeAlias = Callable[..., tuple[Any, State]]
"""(layer, parameters, state, x, mask, training) -> output and new state"""


def _dense(layer: Any, p: Mapping[str, Any], s: State, x: Any, mask: Any, training: bool) -> tuple[Any, State]:
    return (x @ p["kernel"] + p["bias"] if layer.bias else x @ p["kernel"]), s


def _dropout(layer: Any, p: Mapping[str, Any], s: State, x: Any, mask: Any, training: bool) -> tuple[Any, State]:
    kept = x if mask is None else x * mask
    return (kept / (1 - layer.rate) if training else x), s


def _with_derivative(value: Any, other: Any) -> Any:
    """The first one's value, to the bit, with the second one's derivative."""
    return jax.lax.stop_gradient(value) + (other - jax.lax.stop_gradient(other))


def _relu_without_mask(layer: Any, p: Mapping[str, Any], s: State, x: Any, mask: Any, training: bool) -> tuple[Any, State]:
    return _with_derivative(jax.nn.relu(x), x), s


def _dropout_without_factor(layer: Any, p: Mapping[str, Any], s: State, x: Any, mask: Any, training: bool) -> tuple[Any, State]:
    kept = x if mask is None else x * mask
    return (_with_derivative(kept / (1 - layer.rate), kept) if training else x), s


def _scale_and_shift(p: Mapping[str, Any], z: Any) -> Any:
    return z * p.get("scale", 1) + p.get("offset", 0)


def _batch_normalization(layer: Any, p: Mapping[str, Any], s: State, x: Any, mask: Any, training: bool) -> tuple[Any, State]:
    batch = s
    if training:
        if len(x) < layer.fewest_rows:
            raise ValueError("a batch of one row has no unbiased variance. Give two or more rows.")
        batch = {"mean": jnp.mean(x, axis=0), "variance": jnp.var(x, axis=0)}
        unbiased = {**batch, "variance": jnp.var(x, axis=0, ddof=1)}
        s = {name: layer.momentum * s[name] + (1 - layer.momentum) * unbiased[name] for name in s}
    z = (x - batch["mean"]) * jax.lax.rsqrt(batch["variance"] + layer.epsilon)
    return _scale_and_shift(p, z), s


def _group_normalization(layer: Any, p: Mapping[str, Any], s: State, x: Any, mask: Any, training: bool) -> tuple[Any, State]:
    z = jax.nn.standardize(x.reshape(len(x), layer.groups, -1), axis=-1, epsilon=layer.epsilon)
    return _scale_and_shift(p, z.reshape(x.shape)), s


def _rms_normalization(layer: Any, p: Mapping[str, Any], s: State, x: Any, mask: Any, training: bool) -> tuple[Any, State]:
    mean_square = jnp.mean(jnp.square(x), axis=-1, keepdims=True)
    return _scale_and_shift(p, x * jax.lax.rsqrt(mean_square + layer.epsilon)), s


def _unit_normalization(layer: Any, p: Mapping[str, Any], s: State, x: Any, mask: Any, training: bool) -> tuple[Any, State]:
    # jnp.linalg.norm has a derivative of NaN at zero, which jnp.maximum hands on.
    return x / optax.safe_norm(x, layer.epsilon, axis=-1, keepdims=True), s


def _embedding(layer: Any, p: Mapping[str, Any], s: State, x: Any, mask: Any, training: bool) -> tuple[Any, State]:
    table = p["kernel"]
    if layer.padding_index is not None:
        table = table.at[layer.padding_index].set(jax.lax.stop_gradient(table[layer.padding_index]))
    return table[x.astype(int)].reshape(len(x), -1), s


def _prelu(layer: Any, p: Mapping[str, Any], s: State, x: Any, mask: Any, training: bool) -> tuple[Any, State]:
    return jnp.where(x > 0, x, p["slope"] * x), s


LAYERS: dict[str, LayerRow] = {
    "dense": _dense,
    "dropout": _dropout,
    "batch_normalization": _batch_normalization,
    "layer_normalization": _group_normalization,
    "group_normalization": _group_normalization,
    "rms_normalization": _rms_normalization,
    "unit_normalization": _unit_normalization,
    "embedding": _embedding,
    "prelu": _prelu,
}

MISTAKES: dict[str, LayerRow] = {"relu_without_mask": _relu_without_mask, "dropout_without_factor": _dropout_without_factor}
"""The layers of scratch/mistakes.py."""

GAPS: dict[str, str] = {}
"""What JAX's users do not have, and what there is instead."""


def layer_row(layer: Layer) -> LayerRow:
    """The row of a layer or activation; raises NotOffered."""
    if layer.name in MISTAKES:
        return MISTAKES[layer.name]
    if isinstance(layer, Activation):
        function = find_row(ACTIVATIONS, ACTIVATION_GAPS, layer.name, "JAX")
        return lambda entry, p, s, x, mask, training: (function(x, **entry.settings), s)
    return find_row(LAYERS, GAPS, layer.name, "JAX")


def penalty(layer: Layer, p: Mapping[str, Any]) -> Any:
    """The regularizer of a dense layer, or 0."""
    if not (isinstance(layer, Dense) and layer.kernel_regularizer):
        return 0
    r = layer.kernel_regularizer
    return r.l1 * jnp.sum(jnp.abs(p["kernel"])) + r.l2 * jnp.sum(jnp.square(p["kernel"]))
