"""Scratch's activations in Keras: one row each, a function of a tensor z and the entry's settings."""

from collections.abc import Callable
from typing import Any

from backends.on_keras.framework import keras

_SAME = """linear relu relu6 threshold leaky_relu hard_tanh hard_sigmoid hard_silu soft_shrink hard_shrink sparse_sigmoid sparse_plus
    elu selu celu exponential squareplus log_sigmoid sigmoid tanh tanh_shrink softsign silu mish gelu glu
    softmax log_softmax sparsemax"""

ACTIVATIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(keras.activations, name) for name in _SAME.split()},
    "capped_relu": keras.activations.relu,
    "thresholded_relu": keras.activations.relu,
    "threshold": lambda z, threshold, value: keras.activations.threshold(z, threshold, value),
    "softplus": lambda z, beta: keras.activations.softplus(beta * z) / beta,
    "gelu_tanh": lambda z: keras.activations.gelu(z, approximate=True),
}

GAPS: dict[str, str] = {
    "rrelu": "keras.activations.leaky_relu(z, (lower + upper) / 2) is what it is in inference",
    "softmin": "keras.activations.softmax(-z) is the formula",
    "standardize": "there is a layer, keras.layers.LayerNormalization(center=False, scale=False)",
}
"""What Keras does not have, and what there is instead."""
