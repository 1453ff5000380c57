"""Networks as plain `keras.Sequential`s, which need nothing of ours, and such models as networks of scratch."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from backends.interface import NotOffered, find_row
from backends.on_keras.activations import ACTIVATIONS as ROWS
from backends.on_keras.activations import GAPS as ACTIVATION_GAPS
from backends.on_keras.framework import floatx, keras
from backends.on_keras.layers import layer_row
from scratch.activations import ACTIVATIONS, Activation
from scratch.activations.clipped import capped_relu
from scratch.activations.exponential_units import elu
from scratch.activations.rectifiers import leaky_relu, thresholded_relu
from scratch.arrays import Array
from scratch.layers import (
    BatchNormalization,
    Dense,
    Dropout,
    GroupNormalization,
    Layer,
    LayerNormalization,
    PReLU,
    Regularizer,
    RMSNormalization,
    UnitNormalization,
)
from scratch.losses import Loss
from scratch.mistakes import mended
from scratch.model import Model


def to_sequential(model: Model, parameters: Array, state: Array, dtype: str) -> Any:
    """One layer of Keras per layer, called as it is, with these parameters and this state; built, and not compiled.

    It is trained like any other model, with `compile` and `fit`. A layer with a planted mistake becomes the one that was meant; the
    scale that a normalization goes without is there, but frozen. Raises NotOffered for what is no layer of Keras.
    """
    with floatx(dtype):
        made = [_plain_layer(layer, dtype) for layer in model.layers]
        for name, each in zip(model.layer_names, made, strict=True):
            each.name = name
        # A Sequential is only built when it has a layer.
        sequential = keras.Sequential(
            [keras.Input((model.inputs,), dtype=dtype), *(made or [keras.layers.Identity(dtype=dtype)])]
        )
    arrays = zip(model.views_by_layer(parameters), model.state_by_layer(state), strict=True)
    for layer, each, (values, kept) in zip(model.layers, made, arrays, strict=True):
        row = layer_row(mended(layer))
        for names, views in ((row.parameters, values), (row.state, kept)):
            for name, view in views.items():
                getattr(each, names[name]).assign(view)
    return sequential


def from_sequential(model: Any, loss: Loss) -> tuple[Model, Array, Array]:
    """The network with that loss, its parameters and its state, the bits of the Keras model's own.

    A Sequential may hold others, and a Flatten, which rows do not need. Raises NotOffered with the path of what is no layer of ours.
    """
    if not isinstance(model, keras.Sequential):
        raise NotOffered(f"A {type(model).__name__} is no keras.Sequential. Give one, made of layers of keras.layers.")
    if not model.built:
        raise NotOffered(
            f"{model.name}: it is not built, so its layers have no parameters. Call its build() or predict() first."
        )
    width = _inputs(model)
    found: list[tuple[Layer, Any]] = []
    for path, each in _walk(model):
        if not isinstance(each, keras.layers.Flatten):
            for layer in _layers(path, each, width):
                found.append((layer, each))
                width = layer.units(width)
    ours = Model(_inputs(model), tuple(layer for layer, _ in found), loss)
    dtype = "float64" if any(variable.dtype == "float64" for variable in model.variables) else "float32"
    parameters, state = np.zeros(ours.size, dtype), np.zeros(ours.state_size, dtype)
    arrays = zip(ours.views_by_layer(parameters), ours.state_by_layer(state), strict=True)
    for (layer, each), (values, kept) in zip(found, arrays, strict=True):
        row = layer_row(layer)
        for names, views in ((row.parameters, values), (row.state, kept)):
            for name, view in views.items():
                view[...] = np.asarray(getattr(each, names[name]))
    return ours, parameters, state


PLAIN: dict[str, Callable[[Any, str], Any]] = {
    "dropout": lambda layer, dtype: keras.layers.Dropout(layer.rate, dtype=dtype),
    "leaky_relu": lambda layer, dtype: keras.layers.LeakyReLU(**layer.settings, dtype=dtype),
    "elu": lambda layer, dtype: keras.layers.ELU(**layer.settings, dtype=dtype),
    "capped_relu": lambda layer, dtype: keras.layers.ReLU(**layer.settings, dtype=dtype),
    "thresholded_relu": lambda layer, dtype: keras.layers.ReLU(**layer.settings, dtype=dtype),
}
"""What differs from the rows of the twin, which has given masks, and functions with settings, which a file does not hold."""

GAPS: dict[str, str] = {
    "embedding": "keras.layers.Embedding gives no rows. Put one, and a Flatten, in front of the rest.",
    "glu": "keras.layers.Activation takes its output to be as wide as its input. Write a layer around keras.activations.glu.",
}
"""Layers whose layer in Keras gives something else."""


def _plain_layer(layer: Layer, dtype: str) -> Any:
    """Keras's own layer, frozen where it has a scale that the layer has not; raises NotOffered."""
    meant = mended(layer)
    if meant.name in GAPS:
        raise NotOffered(f"A plain Sequential has no {meant.name}: {GAPS[meant.name]}")
    if meant.name in PLAIN:
        return PLAIN[meant.name](meant, dtype)
    if isinstance(meant, Activation):
        return keras.layers.Activation(_function(meant), dtype=dtype)
    made = layer_row(meant).layer(meant, dtype)
    if not _is_plain(made) or isinstance(made, keras.layers.Lambda):
        raise NotOffered(f"keras.layers has no layer that is {meant.name} with these settings. Write one around keras.ops.")
    if isinstance(meant, RMSNormalization) and not meant.scale:
        made.trainable = False
    return made


def _is_plain(thing: Any) -> bool:
    return str(type(thing).__module__).startswith("keras.")


STANDARD: dict[str, dict[str, float]] = {
    "soft_shrink": {"threshold": 0.5},
    "hard_shrink": {"threshold": 0.5},
    "celu": {"alpha": 1.0},
    "softplus": {"beta": 1.0},
    "squareplus": {"b": 4.0},
    "elu": {"alpha": 1.0},
}
"""The settings that a function of keras.activations has where it is given none."""


def _function(activation: Activation) -> Any:
    """The function of keras.activations that needs no settings; raises NotOffered."""
    find_row(ROWS, ACTIVATION_GAPS, activation.name, "Keras")
    function = getattr(keras.activations, activation.name, None)
    if function is None or activation.settings != STANDARD.get(activation.name, {}):
        raise NotOffered(
            f"keras.activations has no function that is {activation.name} with these settings by itself. Write a layer around one."
        )
    return function


def _regularizer(penalty: Any) -> Regularizer | None:
    if penalty is None:
        return None
    if not isinstance(penalty, keras.regularizers.L1 | keras.regularizers.L2 | keras.regularizers.L1L2):
        raise ValueError("another penalty")
    return Regularizer(float(getattr(penalty, "l1", 0.0)), float(getattr(penalty, "l2", 0.0)))


def _dense(each: Any, width: int) -> list[Layer]:
    """A dense layer, and the activation that Keras's has inside."""
    regularizer = _regularizer(each.kernel_regularizer)
    dense = Dense(width, each.units, bias=each.use_bias, kernel_regularizer=regularizer)
    inside = _activation(each.activation)
    return [dense] if inside.name == "linear" else [dense, inside]


def _activation(function: Any) -> Activation:
    for name, entry in ACTIVATIONS.items():
        if name != "glu" and getattr(keras.activations, name, None) is function:
            if name == "leaky_relu":
                return leaky_relu(0.2)
            if entry.settings == STANDARD.get(name, {}):
                return entry
    raise ValueError("another function")


def _rectifier(each: Any) -> Activation:
    """keras.layers.ReLU, whose slope, bound and threshold are separate entries of ours."""
    given = {name: getattr(each, name) for name in ("negative_slope", "max_value", "threshold") if getattr(each, name)}
    makers: dict[str, Callable[[float], Activation]] = {
        "negative_slope": leaky_relu,
        "max_value": capped_relu,
        "threshold": thresholded_relu,
    }
    if len(given) > 1 or each.max_value == 0:
        raise ValueError("several at once")
    return next((makers[name](value) for name, value in given.items()), ACTIVATIONS["relu"])


def _normalization(kind: Callable[..., Layer], *more: str) -> Callable[[Any, int], list[Layer]]:
    """One of scratch's normalizations, with further settings of the same name."""
    return lambda each, width: [
        kind(
            width,
            each.epsilon,
            scale=each.scale,
            offset=each.center,
            **{name: getattr(each, name) for name in more},
        )
    ]


FROM_LAYERS: dict[type, Callable[[Any, int], list[Layer]]] = {
    keras.layers.Dense: _dense,
    keras.layers.Activation: lambda each, width: [_activation(each.activation)],
    keras.layers.Identity: lambda each, width: [ACTIVATIONS["linear"]],
    keras.layers.ReLU: lambda each, width: [_rectifier(each)],
    keras.layers.LeakyReLU: lambda each, width: [leaky_relu(each.negative_slope)],
    keras.layers.ELU: lambda each, width: [elu(each.alpha)],
    keras.layers.Softmax: lambda each, width: [_activation(keras.activations.softmax)] if each.axis in (-1, 1) else [],
    keras.layers.PReLU: lambda each, width: [PReLU(width)],
    keras.layers.Dropout: lambda each, width: [Dropout(each.rate)],
    keras.layers.BatchNormalization: _normalization(BatchNormalization, "momentum"),
    keras.layers.LayerNormalization: _normalization(LayerNormalization),
    keras.layers.GroupNormalization: _normalization(GroupNormalization, "groups"),
    keras.layers.RMSNormalization: lambda each, width: [
        RMSNormalization(width, each.epsilon, scale=each.trainable or bool((np.asarray(each.scale) != 1).any()))
    ],
    keras.layers.UnitNormalization: lambda each, width: [UnitNormalization()],
}
"""The layers that one of Keras is, if they then have the same settings."""


def _plain_settings(each: Any) -> dict[str, Any]:
    """What a layer was made with, but for its name, how its parameters start, and what `FROM_LAYERS` reads itself."""
    left_out = ("name", "trainable", "dtype", "seed", "activation", "kernel_regularizer")
    config = each.get_config()
    found = {key: value for key, value in config.items() if key not in left_out and not key.endswith("_initializer")}
    # Rows have one axis, which some layers write down in another way once they are built.
    return found | ({"axis": -1} if config.get("axis") in (1, [1], [-1]) else {})


def _layers(path: str, each: Any, width: int) -> list[Layer]:
    """The layers whose first row makes that one; raises NotOffered."""
    if type(each) not in FROM_LAYERS:
        known = ", ".join(sorted(kind.__name__ for kind in FROM_LAYERS))
        raise NotOffered(f"{path}: {type(each).__name__} is no layer of ours. Replace it by one of {known}.")
    try:
        found = FROM_LAYERS[type(each)](each, width)
        again = _plain_layer(found[0], each.variable_dtype)
        same = type(again) is not type(each) or _plain_settings(again) == _plain_settings(each)
    except (IndexError, TypeError, ValueError):
        same = False
    if not same:
        raise NotOffered(f"{path}: no layer of ours has the settings of this {type(each).__name__}. Choose other ones.")
    return found


def _inputs(model: Any) -> int:
    """How many numbers a row has."""
    shape = model.input_shape[1:]
    if None in shape:
        raise NotOffered(f"{model.name}: it takes any number of inputs. Give its keras.Input a whole shape.")
    return math.prod(shape)


def _walk(model: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for each in model.layers:
        if isinstance(each, keras.Sequential):
            yield from _walk(each, f"{path}{each.name}/")
        else:
            yield f"{path}{each.name}", each
