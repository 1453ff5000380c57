"""Optimizers in the matrix, teacher-forced: one step, many steps, and state that is taken out and put into a fresh twin."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np

from backends import Backend, NotOffered
from backends.interface import Twin
from comparisons.ladder import Ladder, judge
from comparisons.optimizers import Recording, Replays, find_causes, mathematics, replay, trajectory_error
from comparisons.verification.cells import Cell, Effort, Task, cell
from comparisons.verification.networks import DTYPES
from scratch.arrays import Array
from scratch.layers import Dense
from scratch.losses import mean_squared_error
from scratch.model import Model
from scratch.optimizers import OPTIMIZERS, VARIANTS, Optimizer

MODEL = Model(4, (Dense(4, 3), Dense(3, 2)), mean_squared_error())
"""Two kernels of different shapes and two biases: what an optimizer does per parameter shows."""


@cache
def replays(steps: int) -> Replays:
    """What every implementation gets: random gradients of sizes from 1e-4 to 10 with a steady direction, exact in float32."""
    rng = np.random.default_rng(0)
    sizes = 10.0 ** rng.uniform(-4, 1, MODEL.size)
    steady = rng.standard_normal(MODEL.size)
    gradients = (0.3 * steady + rng.standard_normal((steps, MODEL.size))) * sizes
    return Replays(MODEL, Recording(MODEL.initialize(rng), gradients.astype(np.float32)))


def optimizer_cells(task: Task, backend: Backend, effort: Effort) -> Iterator[Cell]:
    """Every setting of one optimizer; settings that the framework lacks are left out."""
    settings: list[Mapping[str, Any]] = [{}, *(VARIANTS.get(task.name, []) if effort.variants else [])]
    offered = 0
    for chosen in settings:
        try:
            yield from _cells(task, backend, chosen, effort.steps)
            offered += 1
        except NotOffered:
            if not chosen:
                raise
    if not offered:
        raise NotOffered(f"{backend.title} offers none of the settings of {task.name}.")


def _cells(task: Task, backend: Backend, chosen: Mapping[str, Any], steps: int) -> Iterator[Cell]:
    case = ", ".join(f"{name}={value}" for name, value in chosen.items())
    convention = backend.convention or "paper"
    own = OPTIMIZERS[task.name](convention=convention, **chosen)
    paper = OPTIMIZERS[task.name](convention="paper", **chosen)
    many = replays(steps)
    start = many.recording.parameters
    trajectories = {dtype: replay(backend.mirror(MODEL, start, own, dtype), many.recording) for dtype in DTYPES}

    def against(formula: Optimizer, until: int) -> Ladder:
        reference = many.reference(formula)[:until]
        return judge({dtype: trajectory_error(found[:until], reference) for dtype, found in trajectories.items()})

    yield cell(task, convention, "one step", against(own, 1), case)
    yield cell(task, convention, f"{steps:,} steps", against(own, steps), case)
    yield cell(task, convention, "restored", _restored(backend, own, many.recording), case)
    if mathematics(own) != mathematics(paper):
        ladder = against(paper, steps)
        causes = find_causes(paper, own, lambda formula: against(formula, steps)) if ladder.verdict == "wrong" else []
        yield cell(task, "paper", f"{steps:,} steps", ladder, case, tuple(cause["choice"] for cause in causes))


def _restored(backend: Backend, optimizer: Optimizer, recording: Recording) -> Ladder:
    """Five steps, then everything out of the twin and into a fresh one: the next five give the same bits."""
    errors = {}
    for dtype in DTYPES:
        first = backend.mirror(MODEL, recording.parameters, optimizer, dtype)
        _apply(first, recording.gradients[:5])
        saved, step = first.optimizer_state()
        second = backend.mirror(MODEL, first.parameters(), optimizer, dtype)
        second.set_optimizer_state(saved, step)
        for twin in (first, second):
            _apply(twin, recording.gradients[5:10])
        errors[dtype] = 0.0 if np.array_equal(first.parameters(), second.parameters()) else 1.0
    return judge(errors)


def _apply(twin: Twin, gradients: Array) -> None:
    for gradient in gradients:
        twin.apply_gradients(gradient)
