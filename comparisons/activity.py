"""What goes on in the layers of a network: saturated and dead units, gradient norms, sums. Cheap enough for every epoch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from scratch.activations import Activation
from scratch.activations.rows import ENTRIES as OF_A_ROW
from scratch.arrays import Array, Work
from scratch.layers import Layer, PReLU
from scratch.model import Model

SATURATED = 0.01
"""A unit is saturated for an image where its slope is below this: a sigmoid's from |z| = 4.6 on, a tanh's from |z| = 3.0 on. A ReLU's
is there or not, so that its saturated share is the share of zeros that it gives."""


@dataclass(frozen=True)
class Activity:
    """How the K units of an activation answer to N images.

    The slope of unit k for image n is s_nk = max_j |da_nk / dz_nj|, which is |f'(z_nk)| where the activation works element by
    element. It is what the backward pass computes, in the precision of the parameters. NaN where a slope is not finite.
    """

    units: int
    saturated: float
    """#{(n, k): s_nk < 0.01} / (N K)"""
    dead: float
    """#{k: s_nk = 0 for all n} / K: no image looked at changes anything before such a unit."""


class Step(NamedTuple):
    """One layer of a forward pass."""

    name: str
    layer: Layer
    parameters: Mapping[str, Array]
    x: Array
    """(batch, inputs)"""
    y: Array
    """(batch, units)"""
    work: Work


def forward(model: Model, parameters: Array, state: Array, x: Array, first: int = 0) -> Iterator[Step]:
    """The layers from that index on, one after another in inference, for an input x (batch, columns) of the first of them."""
    given = np.empty_like(parameters, shape=x.shape)
    given[...] = x
    x = given
    layers = zip(
        model.layer_names,
        model.layers,
        model.widths[1:],
        model.views_by_layer(parameters),
        model.state_by_layer(state),
        strict=True,
    )
    for name, layer, width, views, arrays in list(layers)[first:]:
        y = np.empty_like(parameters, shape=(len(x), width))
        work = Work.empty(parameters, len(x), width)
        work.state, work.training = arrays, False
        layer.forward(views, x, y, work)
        yield Step(name, layer, views, x, y, work)
        x = y


def measure_layers(model: Model, parameters: Array, state: Array, images: Array) -> dict[str, dict[str, float]]:
    """The shares of saturated and of dead units by layer, as a record of an epoch has them; see `activities`."""
    found = activities(model, parameters, state, images)
    return {
        "saturated": {name: activity.saturated for name, activity in found.items()},
        "dead": {name: activity.dead for name, activity in found.items()},
    }


def activities(model: Model, parameters: Array, state: Array, images: Array) -> dict[str, Activity]:
    """The activity of every activation but linear ones, by layer name, for images (batch, inputs) scaled as in training."""
    return {
        step.name: _activity(slopes(step))
        for step in forward(model, parameters, state, images)
        if isinstance(step.layer, Activation | PReLU) and step.layer.name != "linear"
    }


def slopes(step: Step) -> Array:
    """s_nk of an activation, (batch, units)."""
    _, layer, parameters, x, y, work = step
    spare = {name: np.empty_like(view) for name, view in parameters.items()}
    dz = np.empty_like(x)
    if not _mixes_units(layer):
        layer.backward(parameters, x, y, np.ones_like(y), spare, dz, work)
        return np.abs(dz)
    found = np.empty_like(y)
    for unit in range(y.shape[1]):
        da = np.zeros_like(y)
        da[:, unit] = 1
        layer.backward(parameters, x, y, da, spare, dz, work)
        found[:, unit] = np.abs(dz).max(axis=1)
    return found


def _mixes_units(layer: Layer) -> bool:
    """Whether an output depends on more than one input."""
    return isinstance(layer, Activation) and (layer.halves or layer.name in {entry.name for entry in OF_A_ROW})


def _activity(found: Array) -> Activity:
    units = found.shape[1]
    if not np.isfinite(found).all():
        return Activity(units, float("nan"), float("nan"))
    return Activity(units, float((found < SATURATED).mean()), float((found == 0).all(axis=0).mean()))


def gradient_norms(model: Model, gradients: Array) -> dict[str, float]:
    """The Euclidean norm of the gradient of each layer's parameters taken together, by layer name."""
    views = zip(model.layer_names, model.views_by_layer(gradients), strict=True)
    return {name: float(np.sqrt(sum(_squares(array) for array in arrays.values()))) for name, arrays in views if arrays}


def _squares(array: Array) -> float:
    flat = array.astype(np.float64).ravel()  # float32 would overflow from 1e19 on
    return float(flat @ flat)


def parameter_sums(model: Model, parameters: Array) -> tuple[float, float]:
    """The sum of all kernels' entries, and that of all biases'."""
    views = model.views(parameters)
    weights, biases = (
        float(sum(array.astype(np.float64).sum() for path, array in views.items() if path.endswith(kind)))
        for kind in (".kernel", ".bias")
    )
    return weights, biases
