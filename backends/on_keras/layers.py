"""Scratch's layers in Keras: one row each, with the names that Keras gives to their parameters and their state."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from backends.interface import NotOffered, find_row
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


class DropoutWithoutFactor(MaskedDropout):
    """The same value, with the derivative of x m."""

    def call(self, x: Any, training: bool = False) -> Any:
        """Y = x m / (1 - p) in training."""
        return with_derivative(x * self.mask / (1 - self.rate), x * self.mask) if training else x


def with_derivative(value: Any, other: Any) -> Any:
    """The first one's value, to the bit, with the second one's derivative."""
    return tf.stop_gradient(value) + (other - tf.stop_gradient(other))


class FlatEmbedding(keras.layers.Layer):  # type: ignore[misc]
    """An embedding from whole numbers as floats to one row of vectors side by side."""

    def __init__(self, tokens: int, dimension: int, dtype: str) -> None:
        super().__init__(dtype=dtype)
        self.table = keras.layers.Embedding(tokens, dimension, dtype=dtype)

    def build(self, shape: Any) -> None:
        """Make the table."""
        self.table.build(shape)

    def call(self, x: Any) -> Any:
        """(batch, length) to (batch, length * dimension)."""
        return keras.ops.reshape(self.table(x), (-1, x.shape[1] * self.table.output_dim))

    @property
    def embeddings(self) -> Any:
        """The table's variable."""
        return self.table.embeddings


def _embedding(layer: Any, dtype: str) -> Any:
    if layer.padding_index is not None:
        raise NotOffered("Keras has no padding row in an embedding: mask_zero hands on a mask, and the row is trained.")
    return FlatEmbedding(layer.tokens, layer.dimension, dtype)


def _unit_normalization(layer: Any, dtype: str) -> Any:
    if layer.epsilon == 1e-12:
        return keras.layers.UnitNormalization(dtype=dtype)
    return keras.layers.Lambda(lambda x: keras.ops.normalize(x, axis=-1, epsilon=layer.epsilon), dtype=dtype)


def _normalization(kind: Any, **settings: str) -> Callable[[Any, str], Any]:
    """One of Keras's normalizations, with further settings by the names that scratch has for them."""
    return lambda layer, dtype: kind(
        epsilon=layer.epsilon,
        center=layer.offset,
        scale=layer.scale,
        dtype=dtype,
        **{theirs: getattr(layer, ours) for theirs, ours in settings.items()},
    )


def _regularizer(layer: Any) -> Any:
    r = layer.kernel_regularizer
    return keras.regularizers.L1L2(r.l1, r.l2) if r else None


SCALE_AND_OFFSET = {"scale": "gamma", "offset": "beta"}

LAYERS: dict[str, LayerRow] = {
    "dense": LayerRow(
        lambda layer, dtype: keras.layers.Dense(
            layer.outputs, use_bias=layer.bias, kernel_regularizer=_regularizer(layer), dtype=dtype
        ),
        {"kernel": "kernel", "bias": "bias"},
    ),
    "dropout": LayerRow(lambda layer, dtype: MaskedDropout(layer.rate, dtype)),
    "batch_normalization": LayerRow(
        _normalization(keras.layers.BatchNormalization, momentum="momentum"),
        SCALE_AND_OFFSET,
        {"mean": "moving_mean", "variance": "moving_variance"},
    ),
    "layer_normalization": LayerRow(_normalization(keras.layers.LayerNormalization), SCALE_AND_OFFSET),
    "group_normalization": LayerRow(_normalization(keras.layers.GroupNormalization, groups="groups"), SCALE_AND_OFFSET),
    # It always has a scale, which stays at 1 where a layer of scratch goes without.
    "rms_normalization": LayerRow(
        lambda layer, dtype: keras.layers.RMSNormalization(epsilon=layer.epsilon, dtype=dtype), {"scale": "scale"}
    ),
    "unit_normalization": LayerRow(_unit_normalization),
    "embedding": LayerRow(_embedding, {"kernel": "embeddings"}),
    "prelu": LayerRow(lambda layer, dtype: keras.layers.PReLU(dtype=dtype), {"slope": "alpha"}),
}

MISTAKES: dict[str, LayerRow] = {
    "relu_without_mask": LayerRow(
        lambda layer, dtype: keras.layers.Activation(lambda z: with_derivative(keras.activations.relu(z), z), dtype=dtype)
    ),
    "dropout_without_factor": LayerRow(lambda layer, dtype: DropoutWithoutFactor(layer.rate, dtype)),
}
"""The layers of scratch/mistakes.py."""

GAPS: dict[str, str] = {}
"""What Keras does not have, and what there is instead."""


def layer_row(layer: Layer) -> LayerRow:
    """The row of a layer or activation; raises NotOffered."""
    if layer.name in MISTAKES:
        return MISTAKES[layer.name]
    if isinstance(layer, Activation):
        function = find_row(ACTIVATIONS, ACTIVATION_GAPS, layer.name, "Keras")
        # keras.layers.Activation takes its output to be as wide as its input, so the layer behind a GLU would expect twice its width.
        kind = keras.layers.Lambda if layer.halves else keras.layers.Activation
        return LayerRow(lambda entry, dtype: kind(lambda z: function(z, **entry.settings), dtype=dtype))
    return find_row(LAYERS, GAPS, layer.name, "Keras")
