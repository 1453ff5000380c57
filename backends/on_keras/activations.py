"""Scratch's activations in Keras: one row each, a function of a tensor z and the entry's settings."""

from collections.abc import Callable
from typing import Any

from backends.on_keras.framework import keras

ACTIVATIONS: dict[str, Callable[..., Any]] = {
    name: getattr(keras.activations, name) for name in ("linear", "relu", "sigmoid", "tanh", "softmax")
}

GAPS: dict[str, str] = {}
"""What Keras does not have, and what there is instead."""
