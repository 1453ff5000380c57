"""Scratch's initializers in PyTorch: one row each, filling a `weight` (outputs, inputs) in place."""

from collections.abc import Callable
from typing import Any

import numpy as np

from backends.interface import find_row
from backends.on_torch.framework import torch
from scratch.arrays import Array
from scratch.initializers import Initializer

init = torch.nn.init


def _truncated(w: torch.Tensor, standard_deviation: float) -> None:
    # The bounds are absolute numbers in PyTorch.
    init.trunc_normal_(w, 0.0, standard_deviation, -2 * standard_deviation, 2 * standard_deviation)


INITIALIZERS: dict[str, Callable[..., Any]] = {
    "he_normal": lambda w: init.kaiming_normal_(w, nonlinearity="relu"),
    "he_uniform": lambda w: init.kaiming_uniform_(w, nonlinearity="relu"),
    "glorot_normal": init.xavier_normal_,
    "glorot_uniform": init.xavier_uniform_,
    "torch_linear": lambda w: w.copy_(torch.nn.Linear(w.shape[1], w.shape[0], dtype=w.dtype).weight.detach()),
    "uniform": lambda w, low, high: init.uniform_(w, low, high),
    "normal": lambda w, standard_deviation: init.normal_(w, 0.0, standard_deviation),
    "truncated_normal": _truncated,
    "orthogonal": init.orthogonal_,
    "constant": lambda w, value: init.constant_(w, value),
    "zeros": init.zeros_,
    "ones": init.ones_,
    "identity": init.eye_,
}

GAPS: dict[str, str] = {
    "he_normal_truncated": "kaiming_normal_ does not truncate; torch.nn.init.trunc_normal_ does, with absolute bounds.",
    "glorot_normal_truncated": "xavier_normal_ does not truncate; torch.nn.init.trunc_normal_ does, with absolute bounds.",
    "lecun_normal_truncated": "none by that name; torch.nn.init.trunc_normal_ truncates, with absolute bounds.",
    "lecun_uniform": 'none by that name; torch.nn.init.kaiming_uniform_ with nonlinearity="linear" is the same.',
}
"""What PyTorch does not have, and what there is instead."""


def draw(initializer: Initializer, shape: tuple[int, int], seed: int) -> Array:
    """A kernel (inputs, outputs) in float64; PyTorch's global generator is left as it was."""
    row = find_row(INITIALIZERS, GAPS, initializer.name, "PyTorch")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        weight = torch.empty(shape[1], shape[0], dtype=torch.float64)
        row(weight, **initializer.settings)
    return np.ascontiguousarray(weight.numpy().T)
