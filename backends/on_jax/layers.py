"""Scratch's layers in JAX, which has none of its own: one row each, a function as JAX's users write it."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from backends.interface import find_row
from backends.on_jax.activations import ACTIVATIONS
from backends.on_jax.activations import GAPS as ACTIVATION_GAPS
from backends.on_jax.framework import jnp
from scratch.activations import Activation
from scratch.layers import Dense, Layer

State: TypeAlias = dict[str, Any]
LayerRow: TypeAlias = Callable[..., tuple[Any, State]]
"""(layer, parameters, state, x, mask, training) -> output and new state"""


def _dense(layer: Any, p: Mapping[str, Any], s: State, x: Any, mask: Any, training: bool) -> tuple[Any, State]:
    return (x @ p["kernel"] + p["bias"] if layer.bias else x @ p["kernel"]), s


def _dropout(layer: Any, p: Mapping[str, Any], s: State, x: Any, mask: Any, training: bool) -> tuple[Any, State]:
    return (x * mask / (1 - layer.rate) if training and mask is not None else x), s


LAYERS: dict[str, LayerRow] = {
    "dense": _dense,
    "dropout": _dropout,
}

GAPS: dict[str, str] = {}
"""What JAX's users do not have, and what there is instead."""


def layer_row(layer: Layer) -> LayerRow:
    """The row of a layer or activation; raises NotOffered."""
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
