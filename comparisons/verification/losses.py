"""Losses in the matrix: value and derivative, for every reduction, setting and kind of targets, weighted and not."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np

from backends import Backend, NotOffered
from backends.numpy_backend import NumpyTwin, as_dtype
from comparisons.gradients import partial_difference
from comparisons.ladder import Ladder
from comparisons.verification.cells import Cell, Effort, Task, cell, judge_results
from comparisons.verification.networks import DTYPES
from scratch.arrays import Array, Convention, Scalar
from scratch.losses import Case, Loss, cases
from scratch.model import Model
from scratch.optimizers import SGD

BATCH = 7
NOTHING = np.zeros(0)
Results: TypeAlias = dict[str, tuple[Array, Array]]
"""Value (1,) and derivative (batch, units), by precision."""


def loss_cells(task: Task, backend: Backend, effort: Effort) -> Iterator[Cell]:
    """All cases of one loss; those that a framework lacks are left out."""
    listed = cases(task.name)
    reasons = []
    offered = 0
    for case in listed if effort.variants else _few(listed):
        try:
            yield from _cells(task, backend, case)
            offered += 1
        except NotOffered as reason:
            reasons.append(str(reason))
    if not offered:
        raise NotOffered(reasons[0])


def _few(listed: Sequence[Case]) -> list[Case]:
    """Two plain cases and the first weighted one."""
    return [*listed[:2], *[case for case in listed[2:] if case.weighted][:1]]


def _cells(task: Task, backend: Backend, case: Case) -> Iterator[Cell]:
    z, y, weights = case.sample(np.random.default_rng(0), BATCH)
    own = case.loss if backend.convention is None else case.loss.in_convention(backend.convention)
    formulas: dict[Convention, Loss] = {backend.convention or "paper": own}
    if own != case.loss:
        formulas["paper"] = case.loss
    found: Results = {}
    for dtype in DTYPES:
        twin = backend.mirror(Model(z.shape[1], (), own), NOTHING, SGD(), dtype)
        value, pullback = twin.loss_and_gradients(*_inputs(dtype, z, y, weights))
        found[dtype] = np.reshape(value, 1), pullback.input_gradient
    for convention, loss in formulas.items():
        truth = NumpyTwin(Model(z.shape[1], (), loss), NOTHING, SGD(), "float128")
        true, pullback = truth.loss_and_gradients(*_inputs("float128", z, y, weights))
        values = judge_results({dtype: of for dtype, (of, _) in found.items()}, as_dtype(np.reshape(true, 1), "float128"))
        yield cell(task, convention, "value", values, case.label)
        if backend.convention is None and not loss.detached:
            scratch = {**found, "float128": (as_dtype(np.reshape(true, 1), "float128"), pullback.input_gradient)}
            ladder = _against_differences(truth, scratch, z, y, weights)
        else:
            ladder = judge_results({dtype: of for dtype, (_, of) in found.items()}, pullback.input_gradient)
        yield cell(task, convention, "derivative", ladder, case.label)


def _inputs(dtype: str, z: Array, y: Array, weights: Array | None) -> tuple[Array, Array, Array | None]:
    targets = y if y.ndim == 1 else as_dtype(y, dtype)
    return as_dtype(z, dtype), targets, None if weights is None else as_dtype(weights, dtype)


def _against_differences(truth: NumpyTwin, found: Results, z: Array, y: Array, weights: Array | None) -> Ladder:
    """The derivative at all precisions against central differences of the value in float128."""
    start, targets, shares = _inputs("float128", z, y, weights)
    true = np.zeros_like(start)
    uncertain = 0.0

    def value(point: Array) -> Scalar:
        return truth.loss_and_gradients(point, targets, shares)[0]

    for index in np.ndindex(start.shape):
        true[index], error = partial_difference(value, start, index)
        uncertain = max(uncertain, error)
    derivatives = {dtype: dz for dtype, (_, dz) in found.items()}
    return judge_results(derivatives, true, uncertain / (float(np.abs(true).max()) or 1.0))
