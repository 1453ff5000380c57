"""Optimizers on the ladder, teacher-forced: the same recorded gradients into every implementation.

Beside the verdict in the right convention stands the one in the wrong convention, with its causes. A cause counts only if
the ladder confirms it: with all of them repaired the difference is rounding.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backends.interface import Backend, Twin
from backends.numpy_backend import NumpyTwin
from comparisons.ladder import Ladder, as_row, judge, magnitude, relative_error
from scratch.arrays import Array
from scratch.model import Model
from scratch.optimizers import CHOICES, Convention, Optimizer

DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class Recording:
    """Gradients of a real training run, (steps, parameters) in float32, and the parameters that it started from."""

    parameters: Array
    gradients: Array


def record(
    model: Model, parameters: Array, batches: Sequence[tuple[Array, Array]], optimizer: Optimizer
) -> tuple[Recording, Array]:
    """Train the scratch model in float64 over the batches; returns the recording and the final parameters.

    Training that diverges is recorded as far as all numbers are finite in float32, which may be no step at all.
    """
    twin = NumpyTwin(model, parameters, optimizer, "float64")
    gradients: list[Array] = []
    trained = parameters
    for x, y in batches:
        gradient = twin.loss_and_gradients(x, y)[1].gradients.astype(np.float32)
        if not np.isfinite(gradient).all():
            break
        twin.apply_gradients(gradient)
        after = twin.parameters().astype(np.float32).astype(np.float64)
        if not np.isfinite(after).all():
            break
        gradients.append(gradient)
        trained = after
    return Recording(parameters, np.array(gradients, dtype=np.float32).reshape(-1, model.size)), trained


AVERAGES = ("average", "averaged")
"""Slots that are a result of their own: running means of the parameters, which do not act on them."""


def replay(twin: Twin, recording: Recording) -> Array:
    """The parameters, and their running means where the optimizer keeps some, after every recorded gradient."""
    twin.set_parameters(recording.parameters)
    trajectory = []
    kept: list[str] | None = None
    for gradient in recording.gradients:
        twin.apply_gradients(gradient)
        if kept is None:
            kept = [name for name in AVERAGES if name in twin.optimizer_state()[0]]
        saved = twin.optimizer_state()[0] if kept else {}
        trajectory.append(np.concatenate([twin.parameters(), *(saved[name] for name in kept)]))
    return np.stack(trajectory)


def trajectory_error(trajectory: Array, reference: Array) -> float:
    """Largest parameter difference of any step, relative to the largest parameter of that step's reference.

    Judged is as far as the reference is finite.
    """
    errors = [relative_error(values, true) for values, true in zip(trajectory, reference, strict=True)]
    finite = list(itertools.takewhile(lambda error: not np.isnan(error), errors))
    return max(finite, default=float("nan"))


def update_ulps(twin: Twin, scratch: NumpyTwin, recording: Recording) -> float:
    """Largest difference of a single update from the same parameters, slots, step count and gradient, in ulp.

    For a slot a unit in the last place is that of the largest of its value before, after, and their difference. For a
    parameter the difference is that of the vector's largest update: where an element's own update cancels, its last place
    says nothing about the operations that led there.
    """
    scratch.set_parameters(recording.parameters)
    largest = 0.0
    for gradient in recording.gradients:
        before, (slots_before, step) = scratch.parameters(), scratch.optimizer_state()
        twin.set_parameters(before)
        twin.set_optimizer_state(slots_before, step)
        twin.apply_gradients(gradient)
        scratch.apply_gradients(gradient)
        after, (slots_after, _) = scratch.parameters(), scratch.optimizer_state()
        slots, _ = twin.optimizer_state()
        largest = max(largest, _ulps(twin.parameters(), after, before, magnitude(after - before)))
        for name, values in slots.items():
            change = np.abs(slots_after[name] - slots_before[name])
            largest = max(largest, _ulps(values, slots_after[name], slots_before[name], change))
    return largest


def _ulps(values: Array, after: Array, before: Array, change: Array | float) -> float:
    size = np.maximum(np.maximum(np.abs(before), np.abs(after)), change)
    return magnitude(np.abs(values - after) / np.spacing(np.maximum(size, np.finfo(after.dtype).tiny)))


def mathematics(optimizer: Optimizer) -> Optimizer:
    """The formula alone: conventions that make the same choices differ in the order of operations at most."""
    return replace(optimizer, convention="paper", choices=optimizer.effective_choices)


class Replays:
    """The float128 trajectories of one recording, each computed once."""

    def __init__(self, model: Model, recording: Recording) -> None:
        self.model = model
        self.recording = recording
        self._known: dict[Optimizer, Array] = {}

    def reference(self, optimizer: Optimizer) -> Array:
        """The trajectory of a scratch optimizer in float128."""
        formula = mathematics(optimizer)
        if formula not in self._known:
            twin = NumpyTwin(self.model, self.recording.parameters, formula, "float128")
            self._known[formula] = replay(twin, self.recording)
        return self._known[formula]


def compare_optimizer(
    backend: Backend,
    optimizers: Mapping[Convention, Optimizer],
    convention: Convention,
    replays: Replays,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """One row in the convention asked for; where that is a framework's own, also one per formula that is not.

    `optimizers` holds the same optimizer in every convention. The backend runs its own formula whatever is asked: a
    framework the one it has, scratch the one asked for.
    """
    own = optimizers[backend.convention or convention]
    recording = replays.recording
    trajectories, ulps = {}, {}
    for dtype in DTYPES:
        twin = backend.mirror(replays.model, recording.parameters, own, dtype)
        trajectories[dtype] = replay(twin, recording)
        scratch = NumpyTwin(replays.model, recording.parameters, optimizers[convention], dtype)
        ulps[f"ulp_{dtype}"] = update_ulps(twin, scratch, recording)

    def against(optimizer: Optimizer) -> Ladder:
        reference = replays.reference(optimizer)
        return judge({dtype: trajectory_error(values, reference) for dtype, values in trajectories.items()})

    def row(asked: Convention, ladder: Ladder) -> dict[str, Any]:
        named = {"backend": backend.name, "optimizer": own.name, "convention": asked, "mode": "teacher-forced"}
        return {**named, **as_row(ladder)}

    asked = against(optimizers[convention])
    result = row(convention, asked) | ulps | {"steps": len(recording.gradients), "causes": []}
    if asked.verdict == "wrong":
        result["causes"] = find_causes(optimizers[convention], own, against)
    others = []
    seen = {mathematics(own)}
    for other, optimizer in optimizers.items():
        if backend.convention == convention and mathematics(optimizer) not in seen:
            seen.add(mathematics(optimizer))
            ladder = against(optimizer)
            causes = find_causes(optimizer, own, against) if ladder.verdict == "wrong" else []
            others.append(row(other, ladder) | {"causes": causes})
    return result, others


def find_causes(asked: Optimizer, own: Optimizer, against: Callable[[Optimizer], Ladder]) -> list[dict[str, Any]]:
    """The choices in which the asked formula differs from the backend's own, where the ladder confirms that they explain it.

    Each comes with the error that is left when all the other choices are repaired: what this one alone does.
    """
    theirs, ours = own.effective_choices, asked.effective_choices
    if against(replace(asked, choices=theirs)).verdict == "wrong":
        return []
    causes = []
    for choice in CHOICES:
        if choice not in theirs ^ ours:
            continue
        alone = against(replace(asked, choices=theirs ^ {choice}))
        if alone.verdict == "wrong":
            causes.append({"choice": choice, "explanation": CHOICES[choice], "alone": dict(alone.errors)})
    return causes
