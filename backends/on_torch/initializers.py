"""Scratch's initializers in PyTorch: one row each, filling a `weight` (outputs, inputs) in place."""

from collections.abc import Callable
from typing import Any

import numpy as np

from backends.interface import find_row
from backends.on_torch.framework import torch
from scratch.arrays import Array
from scratch.initializers import Initializer

INITIALIZERS: dict[str, Callable[..., Any]] = {
    "he_normal": lambda w: torch.nn.init.kaiming_normal_(w, nonlinearity="relu"),
}

GAPS: dict[str, str] = {}
"""What PyTorch does not have, and what there is instead."""


def draw(initializer: Initializer, shape: tuple[int, int], seed: int) -> Array:
    """A kernel (inputs, outputs) in float64; PyTorch's global generator is left as it was."""
    row = find_row(INITIALIZERS, GAPS, initializer.name, "PyTorch")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        weight = torch.empty(shape[1], shape[0], dtype=torch.float64)
        row(weight, **initializer.settings)
    return np.ascontiguousarray(weight.numpy().T)
