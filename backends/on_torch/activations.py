"""Scratch's activations in PyTorch: one row each, a `torch.nn` module from the entry's settings."""

from collections.abc import Callable
from typing import Any

from backends.on_torch.framework import torch


class Function(torch.nn.Module):
    """A module of a function that has none."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """The function's value."""
        return self.function(z)


def _rrelu(**settings: Any) -> torch.nn.Module:
    # The module would draw a slope for every element in training.
    return Function(lambda z: torch.nn.functional.rrelu(z, **settings, training=False))


def _standardize(epsilon: float) -> torch.nn.Module:
    return Function(lambda z: torch.nn.functional.layer_norm(z, z.shape[1:], eps=epsilon))


ACTIVATIONS: dict[str, Callable[..., torch.nn.Module]] = {
    "linear": torch.nn.Identity,
    "relu": torch.nn.ReLU,
    "relu6": torch.nn.ReLU6,
    "capped_relu": lambda max_value: torch.nn.Hardtanh(0.0, max_value),
    "thresholded_relu": lambda threshold: torch.nn.Threshold(threshold, 0.0),
    "threshold": torch.nn.Threshold,
    "leaky_relu": torch.nn.LeakyReLU,
    "rrelu": _rrelu,
    "hard_tanh": torch.nn.Hardtanh,
    "hard_sigmoid": torch.nn.Hardsigmoid,
    "hard_silu": torch.nn.Hardswish,
    "soft_shrink": lambda threshold: torch.nn.Softshrink(threshold),
    "hard_shrink": lambda threshold: torch.nn.Hardshrink(threshold),
    "elu": torch.nn.ELU,
    "selu": torch.nn.SELU,
    "celu": torch.nn.CELU,
    "exponential": lambda: Function(torch.exp),
    "softplus": torch.nn.Softplus,
    "log_sigmoid": torch.nn.LogSigmoid,
    "sigmoid": torch.nn.Sigmoid,
    "tanh": torch.nn.Tanh,
    "tanh_shrink": torch.nn.Tanhshrink,
    "softsign": torch.nn.Softsign,
    "silu": torch.nn.SiLU,
    "mish": torch.nn.Mish,
    "gelu": torch.nn.GELU,
    "gelu_tanh": lambda: torch.nn.GELU(approximate="tanh"),
    "glu": lambda: torch.nn.GLU(dim=1),
    "softmax": lambda: torch.nn.Softmax(dim=1),
    "softmin": lambda: torch.nn.Softmin(dim=1),
    "log_softmax": lambda: torch.nn.LogSoftmax(dim=1),
    "standardize": _standardize,
}

GAPS: dict[str, str] = {
    "sparse_sigmoid": "torch.clamp((z + 1) / 2, 0, 1) is the formula",
    "sparse_plus": "0.25 * torch.square(torch.clamp(z, -1, 1) + 1) + torch.relu(z - 1) is the formula",
    "squareplus": "0.5 * (z + torch.sqrt(torch.square(z) + b)) is the formula",
    "sparsemax": "neither torch.nn nor torch.nn.functional has it; other packages do",
}
"""What PyTorch does not have, and what there is instead."""
