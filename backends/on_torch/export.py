"""Networks as plain `torch.nn.Sequential`s, which need nothing of ours, and such modules as networks of scratch."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from backends.interface import NotOffered
from backends.on_torch.activations import ACTIVATIONS as ROWS
from backends.on_torch.framework import torch
from backends.on_torch.layers import layer_row
from scratch.activations import ACTIVATIONS, Activation
from scratch.activations.clipped import capped_relu, hard_shrink, hard_tanh, soft_shrink
from scratch.activations.exponential_units import celu, elu
from scratch.activations.gated import gelu, gelu_tanh
from scratch.activations.ramps import softplus
from scratch.activations.rectifiers import leaky_relu, threshold, thresholded_relu
from scratch.arrays import Array
from scratch.layers import (
    BatchNormalization,
    Dense,
    Dropout,
    GroupNormalization,
    Layer,
    LayerNormalization,
    PReLU,
    RMSNormalization,
)
from scratch.losses import Loss
from scratch.mistakes import mended
from scratch.model import Model

nn = torch.nn


def to_sequential(model: Model, parameters: Array, state: Array, dtype: str) -> torch.nn.Sequential:
    """One module of torch.nn per layer, called as the layer is, with these parameters and this state, in inference.

    It is trained like any other module: call `train()`. A layer with a planted mistake becomes the one that was meant; what a
    normalization goes without is there, but frozen. Raises NotOffered for a layer that is no module of torch.nn.
    """
    modules = OrderedDict((name, _module(layer)) for name, layer in zip(model.layer_names, model.layers, strict=True))
    sequential = nn.Sequential(modules).to(getattr(torch, dtype)).eval()
    arrays = zip(model.views_by_layer(parameters), model.state_by_layer(state), strict=True)
    with torch.no_grad():
        for layer, module, (values, kept) in zip(model.layers, sequential, arrays, strict=True):
            row = layer_row(mended(layer))
            for name, view in values.items():
                turned = view.T if name in row.transposed else view
                getattr(module, row.parameters[name]).copy_(torch.tensor(np.ascontiguousarray(turned)))
            for name, view in kept.items():
                getattr(module, row.state[name]).copy_(torch.tensor(view))
    return sequential


def from_sequential(module: torch.nn.Module, loss: Loss) -> tuple[Model, Array, Array]:
    """The network with that loss, its parameters and its state, the bits of the module's own.

    A Sequential may hold others, and a Flatten, which rows do not need. Raises NotOffered with the path of what is no layer of ours.
    """
    if not isinstance(module, nn.Sequential):
        raise NotOffered(f"A {type(module).__name__} is no torch.nn.Sequential. Give one, made of modules of torch.nn.")
    found = [(_layer(path, each), each) for path, each in _walk(module) if not _flattens(each)]
    layers = tuple(layer for layer, _ in found)
    try:
        model = Model(_inputs(layers), layers, loss)
    except ValueError as error:
        raise NotOffered(f"The module's parts do not fit together: {error}") from error
    tensors = list(module.parameters())
    dtype = "float64" if any(tensor.dtype == torch.float64 for tensor in tensors) else "float32"
    parameters, state = np.zeros(model.size, dtype), np.zeros(model.state_size, dtype)
    arrays = zip(model.views_by_layer(parameters), model.state_by_layer(state), strict=True)
    for (layer, each), (views, kept) in zip(found, arrays, strict=True):
        row = layer_row(layer)
        for name, view in views.items():
            values = _numbers(getattr(each, row.parameters[name]), dtype)
            view[...] = values.T if name in row.transposed else values
        for name, view in kept.items():
            view[...] = _numbers(getattr(each, row.state[name]), dtype)
    return model, parameters, state


def _numbers(tensor: torch.Tensor, dtype: str) -> Array:
    return np.array(tensor.detach().cpu().to(getattr(torch, dtype)).numpy())


PLAIN: dict[str, Callable[[Any], torch.nn.Module]] = {
    "dropout": lambda layer: nn.Dropout(layer.rate),
    "batch_normalization": lambda layer: nn.BatchNorm1d(
        layer.inputs, layer.epsilon, 1 - layer.momentum, affine=bool(layer.parameters)
    ),
    "layer_normalization": lambda layer: nn.LayerNorm(
        layer.inputs, layer.epsilon, elementwise_affine=bool(layer.parameters), bias=layer.offset
    ),
    "group_normalization": lambda layer: nn.GroupNorm(layer.groups, layer.inputs, layer.epsilon, affine=bool(layer.parameters)),
    "rms_normalization": lambda layer: nn.RMSNorm(layer.inputs, layer.epsilon, elementwise_affine=layer.scale),
}
"""What differs from the rows of the twin, which has given masks, and parameters that nobody trains."""

GAPS: dict[str, str] = {
    "embedding": "torch.nn.Embedding takes whole numbers and gives no rows. Put one, and a Flatten, in front of the rest.",
}
"""Layers whose module takes or gives something else."""


def _module(layer: Layer) -> torch.nn.Module:
    """The plain module of a layer, with frozen parameters where it has some that the layer has not; raises NotOffered."""
    meant = mended(layer)
    if meant.name in GAPS:
        raise NotOffered(f"A plain Sequential has no {meant.name}: {GAPS[meant.name]}")
    if isinstance(meant, Dense) and meant.kernel_regularizer:
        raise NotOffered(
            "A plain torch.nn.Linear has no penalty. Leave kernel_regularizer out, and add the penalty to the loss in PyTorch."
        )
    row = layer_row(meant)
    module = PLAIN.get(meant.name, row.module)(meant)
    if not _is_plain(module):
        raise NotOffered(f"torch.nn has no module that is {meant.name}. Write one around torch.nn.functional.")
    for name, theirs in row.parameters.items():
        parameter = getattr(module, theirs, None)
        if name not in meant.parameters and parameter is not None:
            parameter.requires_grad_(requires_grad=False)
    return module


def _is_plain(module: torch.nn.Module) -> bool:
    return type(module).__module__.startswith("torch.nn.")


def _normalization(kind: Callable[..., Layer], module: Any, width: int, **more: float) -> Layer:
    """With scale and offset as the module has them: not what is frozen at the number that changes nothing."""

    def counts(parameter: torch.Tensor | None, neutral: float) -> bool:
        return parameter is not None and (parameter.requires_grad or bool((parameter != neutral).any()))

    return kind(width, module.eps, scale=counts(module.weight, 1.0), offset=counts(module.bias, 0.0), **more)


def _single(shape: tuple[int, ...]) -> int:
    """The width of rows; raises ValueError for more dimensions."""
    (width,) = shape
    return width


def _plain_settings(module: torch.nn.Module) -> dict[str, Any]:
    """What a module was made with, but for what changes no result, and momentum, which 1 - (1 - m) may round."""
    found = {key: value for key, value in vars(module).items() if not key.startswith("_")}
    for key in ("training", "inplace", "init", "momentum"):
        found.pop(key, None)
    return found | ({"dim": 1} if found.get("dim") == -1 else {})


FROM_MODULES: dict[type, Callable[[Any], Layer]] = {
    **{
        type(ROWS[name]()): lambda m, entry=entry: entry  # type: ignore[misc]
        for name, entry in ACTIVATIONS.items()
        if name in ROWS and not entry.settings and _is_plain(ROWS[name]())
    },
    nn.Hardtanh: lambda m: hard_tanh() if m.min_val else capped_relu(m.max_val),
    nn.Threshold: lambda m: threshold(m.threshold, m.value) if m.value else thresholded_relu(m.threshold),
    nn.LeakyReLU: lambda m: leaky_relu(m.negative_slope),
    nn.Softshrink: lambda m: soft_shrink(m.lambd),
    nn.Hardshrink: lambda m: hard_shrink(m.lambd),
    nn.ELU: lambda m: elu(m.alpha),
    nn.CELU: lambda m: celu(m.alpha),
    nn.Softplus: lambda m: softplus(m.beta),
    nn.GELU: lambda m: gelu_tanh() if m.approximate == "tanh" else gelu(),
    nn.Linear: lambda m: Dense(m.in_features, m.out_features, bias=m.bias is not None),
    nn.Dropout: lambda m: Dropout(m.p),
    nn.BatchNorm1d: lambda m: _normalization(BatchNormalization, m, m.num_features, momentum=1 - m.momentum),
    nn.LayerNorm: lambda m: _normalization(LayerNormalization, m, _single(m.normalized_shape)),
    nn.GroupNorm: lambda m: _normalization(GroupNormalization, m, m.num_channels, groups=m.num_groups),
    nn.RMSNorm: lambda m: RMSNormalization(_single(m.normalized_shape), m.eps, scale=m.weight is not None),
    nn.PReLU: lambda m: PReLU(m.num_parameters),
}
"""The layer that a module is, if the two then have the same settings."""


def _layer(path: str, module: torch.nn.Module) -> Layer:
    """The layer whose row makes that module; raises NotOffered."""
    if type(module) not in FROM_MODULES:
        known = ", ".join(sorted(kind.__name__ for kind in FROM_MODULES))
        raise NotOffered(f"{path}: {type(module).__name__} is no layer of ours. Replace it by one of {known}.")
    try:
        layer = FROM_MODULES[type(module)](module)
        same = _plain_settings(_module(layer)) == _plain_settings(module)
    except (TypeError, ValueError):
        same = False
    if not same:
        raise NotOffered(f"{path}: no layer of ours has the settings of {module}. Choose other ones.")
    return layer


def _walk(module: torch.nn.Sequential, path: str = "") -> Iterator[tuple[str, torch.nn.Module]]:
    for name, each in module.named_children():
        if isinstance(each, nn.Sequential):
            yield from _walk(each, f"{path}{name}.")
        else:
            yield f"{path}{name}", each


def _flattens(module: torch.nn.Module) -> bool:
    return isinstance(module, nn.Flatten) and (module.start_dim, module.end_dim) == (1, -1)


def _inputs(layers: tuple[Layer, ...]) -> int:
    """The width of the first layer's input, from the first layer that knows its own; raises NotOffered."""
    before: list[Layer] = []
    for layer in layers:
        if not isinstance(layer, Activation | Dropout):
            width: int = layer.inputs  # type: ignore[attr-defined]
            for each in reversed(before):
                width = each.inputs(width) if isinstance(each, Activation) else width
            return width
        before.append(layer)
    raise NotOffered("No part of the module says how many inputs it takes. Give one with a torch.nn.Linear.")
