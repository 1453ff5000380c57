"""Scratch's learning rate schedules in PyTorch: one row each, from the schedule and an optimizer to a scheduler."""

from collections.abc import Callable
from typing import Any

import numpy as np

from backends.interface import NotOffered, find_row
from backends.on_torch.framework import torch
from scratch.arrays import Array
from scratch.schedules import Schedule, metric

lr_scheduler = torch.optim.lr_scheduler


class _MultiFactor(lr_scheduler.MultiplicativeLR):
    """A factor at each boundary; MultiStepLR has one factor for all of them, and drops at the same step."""

    def __init__(self, optimizer: torch.optim.Optimizer, boundaries: Any, factors: Any) -> None:
        at = dict(zip(boundaries, factors, strict=True))
        super().__init__(optimizer, lambda t: at.get(t, 1.0))


def _warm_up(optimizer: torch.optim.Optimizer, eta: float, steps: int, start: float) -> Any:
    return lr_scheduler.LinearLR(optimizer, start / eta, 1.0, steps)


def _polynomial(optimizer: torch.optim.Optimizer, steps: int, end: float, power: float) -> Any:
    if end:
        raise NotOffered("PyTorch has no polynomial schedule that ends above 0. Add the end in a LambdaLR.")
    return lr_scheduler.PolynomialLR(optimizer, steps, power)


def _warm_up_cosine(s: Any, optimizer: torch.optim.Optimizer, warm_up_steps: int, steps: int, start: float, end: float) -> Any:
    parts = [
        _warm_up(optimizer, s.learning_rate, warm_up_steps, start),
        lr_scheduler.CosineAnnealingLR(optimizer, steps, end),
    ]
    return lr_scheduler.SequentialLR(optimizer, parts, [warm_up_steps])


SCHEDULES: dict[str, Callable[[Any, torch.optim.Optimizer], Any]] = {
    "constant": lambda s, o: lr_scheduler.ConstantLR(o, factor=1.0),
    "step": lambda s, o: lr_scheduler.StepLR(o, s.settings["period"], s.settings["factor"]),
    "piecewise": lambda s, o: _MultiFactor(o, **s.settings),
    "exponential": lambda s, o: lr_scheduler.ExponentialLR(o, s.settings["factor"] ** (1 / s.settings["steps"])),
    "linear": lambda s, o: lr_scheduler.LinearLR(o, 1.0, s.settings["end"] / s.learning_rate, s.settings["steps"]),
    "polynomial": lambda s, o: _polynomial(o, **s.settings),
    "cosine": lambda s, o: lr_scheduler.CosineAnnealingLR(o, s.settings["steps"], s.settings["end"]),
    "cosine_restarts": lambda s, o: lr_scheduler.CosineAnnealingWarmRestarts(
        o, s.settings["period"], s.settings["longer"], s.settings["end"]
    ),
    "warm_up": lambda s, o: _warm_up(o, s.learning_rate, **s.settings),
    "warm_up_cosine": lambda s, o: _warm_up_cosine(s, o, **s.settings),
    "one_cycle": lambda s, o: lr_scheduler.OneCycleLR(
        o,
        s.learning_rate,
        s.settings["steps"],
        pct_start=s.settings["share"],
        div_factor=s.settings["divisor"],
        final_div_factor=s.settings["final_divisor"],
        cycle_momentum=False,
    ),
    "cyclic": lambda s, o: lr_scheduler.CyclicLR(
        o, s.settings["low"], s.learning_rate, s.settings["half_period"], cycle_momentum=False
    ),
    "reduce_on_plateau": lambda s, o: lr_scheduler.ReduceLROnPlateau(o, eps=0.0, **s.settings),
}

GAPS: dict[str, str] = {
    "inverse_time": "no such class; torch.optim.lr_scheduler.LambdaLR takes the formula.",
}
"""What PyTorch does not have, and what there is instead."""


def rates(schedule: Schedule, steps: int, dtype: str) -> Array:
    """The learning rate of each step: the scheduler is stepped after the optimizer, once per step.

    PyTorch's rates are Python floats whatever the parameters are; for float32 they are rounded to it.
    """
    row = find_row(SCHEDULES, GAPS, schedule.name, "PyTorch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=schedule.learning_rate)
    scheduler = row(schedule, optimizer)
    found = np.empty(steps)
    for step in range(steps):
        found[step] = optimizer.param_groups[0]["lr"]
        optimizer.step()
        if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
            scheduler.step(metric(step))
        elif step + 1 < steps:  # one-cycle refuses a step beyond its last
            scheduler.step()
    return found.astype(dtype)
