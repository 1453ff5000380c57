"""Losses: value and gradient in one rule, since they share their intermediate results.

To add one, write its rule and one `Loss(...)` entry beside its relatives; tests and reports find it there. `base` says what an
entry holds, `sampling` draws inputs for it, and `cases` lists the forms of it that are compared.
"""

from scratch.losses.base import OUTPUTS, REDUCTIONS, TARGETS, WEIGHT_DIVISORS, Loss
from scratch.losses.cases import UNITS, Case, cases
from scratch.losses.registry import LOSSES
from scratch.losses.sampling import sample, sample_targets

mean_squared_error = LOSSES["mean_squared_error"]
softmax_cross_entropy = LOSSES["softmax_cross_entropy"]
binary_cross_entropy = LOSSES["binary_cross_entropy"]

__all__ = [
    "LOSSES",
    "OUTPUTS",
    "REDUCTIONS",
    "TARGETS",
    "UNITS",
    "WEIGHT_DIVISORS",
    "Case",
    "Loss",
    "binary_cross_entropy",
    "cases",
    "mean_squared_error",
    "sample",
    "sample_targets",
    "softmax_cross_entropy",
]
