"""Scratch's learning rate schedules in PyTorch: one row each, from the schedule and an optimizer to a scheduler."""

from collections.abc import Callable
from typing import Any

import numpy as np

from backends.interface import find_row
from backends.on_torch.framework import torch
from scratch.arrays import Array
from scratch.schedules import Schedule

SCHEDULES: dict[str, Callable[[Any, torch.optim.Optimizer], Any]] = {
    "constant": lambda s, optimizer: torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0),
}

GAPS: dict[str, str] = {}
"""What PyTorch does not have, and what there is instead."""


def rates(schedule: Schedule, steps: int) -> Array:
    """The learning rate of each step: the scheduler is stepped after the optimizer, once per step."""
    row = find_row(SCHEDULES, GAPS, schedule.name, "PyTorch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=schedule.learning_rate)
    scheduler = row(schedule, optimizer)
    found = np.empty(steps)
    for step in range(steps):
        found[step] = optimizer.param_groups[0]["lr"]
        optimizer.step()
        scheduler.step()
    return found
