"""Scratch's activations in PyTorch: one row each, a `torch.nn` module from the entry's settings."""

from collections.abc import Callable

from backends.on_torch.framework import torch

ACTIVATIONS: dict[str, Callable[..., torch.nn.Module]] = {
    "linear": torch.nn.Identity,
    "relu": torch.nn.ReLU,
    "sigmoid": torch.nn.Sigmoid,
    "tanh": torch.nn.Tanh,
    "softmax": lambda: torch.nn.Softmax(dim=1),
}

GAPS: dict[str, str] = {}
"""What PyTorch does not have, and what there is instead."""
