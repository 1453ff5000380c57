"""Scratch's layers in Keras: one row each, with the names that Keras gives to their parameters and their state."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from backends.interface import find_row
from backends.on_keras.activations import ACTIVATIONS
from backends.on_keras.activations import GAPS as ACTIVATION_GAPS
from backends.on_keras.framework import keras, tf
from scratch.activations import Activation
from scratch.layers import Layer


@dataclass(frozen=True)
class LayerRow:
    """How one kind of layer is made, and what its arrays are called there."""

    layer: Callable[[Any, str], Any]
    """From scratch's layer and a dtype."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Scratch's parameters by the names of Keras's attributes."""
    state: Mapping[str, str] = field(default_factory=dict)
    """Scratch's state by the names of Keras's attributes."""


class MaskedDropout(keras.layers.Layer):  # type: ignore[misc]
    """Dropout with a mask that is given, instead of Keras's own draw."""

    def __init__(self, rate: float, dtype: str) -> None:
        super().__init__(dtype=dtype)
        self.rate = rate
        self.mask = tf.Variable(tf.ones((1, 1), dtype), shape=tf.TensorShape((None, None)), trainable=False)

    def call(self, x: Any, training: bool = False) -> Any:
        """Y = x m / (1 - p) in training."""
        return x * self.mask / (1 - self.rate) if training else x


def _regularizer(layer: Any) -> Any:
    r = layer.kernel_regularizer
    return keras.regularizers.L1L2(r.l1, r.l2) if r else None


LAYERS: dict[str, LayerRow] = {
    "dense": LayerRow(
        lambda layer, dtype: keras.layers.Dense(
            layer.outputs, use_bias=layer.bias, kernel_regularizer=_regularizer(layer), dtype=dtype
        ),
        {"kernel": "kernel", "bias": "bias"},
    ),
    "dropout": LayerRow(lambda layer, dtype: MaskedDropout(layer.rate, dtype)),
}

GAPS: dict[str, str] = {}
"""What Keras does not have, and what there is instead."""


def layer_row(layer: Layer) -> LayerRow:
    """The row of a layer or activation; raises NotOffered."""
    if isinstance(layer, Activation):
        function = find_row(ACTIVATIONS, ACTIVATION_GAPS, layer.name, "Keras")
        return LayerRow(lambda entry, dtype: keras.layers.Activation(lambda z: function(z, **entry.settings), dtype=dtype))
    return find_row(LAYERS, GAPS, layer.name, "Keras")
