"""Losses in the matrix: value and derivative at sampled outputs and targets, for every reduction and weighting."""

from collections.abc import Iterator

import numpy as np

from backends import Backend, NotOffered
from backends.numpy_backend import NumpyTwin, as_dtype
from comparisons.ladder import judge, relative_error
from comparisons.verification.cells import Cell, Effort, Task, cell
from comparisons.verification.networks import DTYPES, Point
from scratch.arrays import Array, Convention
from scratch.losses import Loss, cases, sample
from scratch.model import Model
from scratch.optimizers import SGD

BATCH, UNITS = 7, 4
NOTHING = np.zeros(0)


def loss_cells(task: Task, backend: Backend, effort: Effort) -> Iterator[Cell]:
    """All cases of one loss; those that a framework lacks are left out."""
    listed = cases(task.name)
    offered = 0
    for label, loss, weighted in listed if effort.variants else listed[:2]:
        try:
            yield from _cells(task, backend, label, loss, weighted)
            offered += 1
        except NotOffered:
            continue
    if not offered:
        raise NotOffered(f"{backend.title} offers none of the cases of {task.name}.")
