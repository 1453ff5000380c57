"""Optimizers in the matrix, teacher-forced: one step, many steps, and state that is taken out and put into a fresh twin."""

import contextlib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np

from backends import Backend, NotOffered
from backends.interface import Twin
from backends.numpy_backend import NumpyTwin
from comparisons.ladder import SEVERITY, Ladder
from comparisons.optimizers import Recording, Replays, find_causes, mathematics, replay, trajectory_error
from comparisons.verification.cells import Cell, Effort, Task, cell, judge_errors, judge_results, same_bits
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
    yield from _cells(task, backend, {}, effort.steps)
    for chosen in VARIANTS.get(task.name, []) if effort.variants else []:
        with contextlib.suppress(NotOffered):
            yield from _cells(task, backend, chosen, effort.steps)


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
        return judge_errors({dtype: trajectory_error(found[:until], reference) for dtype, found in trajectories.items()})

    yield cell(task, convention, "one step", against(own, 1), case)
    yield cell(task, convention, f"{steps:,} steps", against(own, steps), case)
    yield cell(task, convention, "state", _state(backend, own, many.recording), case)
    yield cell(task, convention, "restored", _restored(backend, own, many.recording), case)
    if mathematics(own) != mathematics(paper):
        ladder = against(paper, steps)
        causes = find_causes(paper, own, lambda formula: against(formula, steps)) if ladder.verdict == "wrong" else []
        yield cell(task, "paper", f"{steps:,} steps", ladder, case, tuple(cause["choice"] for cause in causes))


def _restored(backend: Backend, optimizer: Optimizer, recording: Recording) -> Ladder:
    """Five steps, then everything out of the twin and into a fresh one: what it keeps, and the next five steps, are the same."""
    same = {}
    for dtype in DTYPES:
        first = backend.mirror(MODEL, recording.parameters, optimizer, dtype)
        _apply(first, recording.gradients[:5])
        saved, step = first.optimizer_state()
        second = backend.mirror(MODEL, first.parameters(), optimizer, dtype)
        second.set_optimizer_state(saved, step)
        kept = _same_state(first, second)
        for twin in (first, second):
            _apply(twin, recording.gradients[5:10])
        same[dtype] = kept and _same_state(first, second) and np.array_equal(first.parameters(), second.parameters())
    return same_bits(same)


def _same_state(first: Twin, second: Twin) -> bool:
    (saved, step), (other, other_step) = first.optimizer_state(), second.optimizer_state()
    return (
        step == other_step and saved.keys() == other.keys() and all(np.array_equal(saved[name], other[name]) for name in saved)
    )


def _state(backend: Backend, optimizer: Optimizer, recording: Recording) -> Ladder:
    """What the backend keeps after five steps against what scratch keeps in float128, by name: the slot that is worst."""
    truth = NumpyTwin(MODEL, recording.parameters, optimizer, "float128")
    twins = {dtype: backend.mirror(MODEL, recording.parameters, optimizer, dtype) for dtype in DTYPES}
    for twin in (truth, *twins.values()):
        _apply(twin, recording.gradients[:5])
    true, steps = truth.optimizer_state()
    saved = {dtype: twin.optimizer_state() for dtype, twin in twins.items()}
    if any(counted != steps for _, counted in saved.values()):
        return Ladder({}, "wrong", reason=f"it counts {saved['float64'][1]} steps after {steps}")
    unknown = {name for slots, _ in saved.values() for name in slots} - set(true)
    if unknown:
        return Ladder({}, "wrong", reason=f"it keeps what scratch does not know: {', '.join(sorted(unknown))}")
    ladders = [
        judge_results({dtype: slots[name] for dtype, (slots, _) in saved.items()}, true[name]) for name in saved["float64"][0]
    ]
    return max(ladders, key=lambda ladder: SEVERITY.index(ladder.verdict), default=Ladder(dict.fromkeys(DTYPES, 0.0), "exact"))


def _apply(twin: Twin, gradients: Array) -> None:
    for gradient in gradients:
        twin.apply_gradients(gradient)
