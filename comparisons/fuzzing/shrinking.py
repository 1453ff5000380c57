"""From a case that differs to a small one that differs in the same way: fewer steps, more zeros, shorter numbers.

Hypothesis would shrink as well, but asks a framework thousands of times; this asks it at most TRIALS times.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from backends import Backend
from comparisons.fuzzing.cases import Case
from comparisons.fuzzing.findings import Finding
from comparisons.fuzzing.judging import examine
from scratch.arrays import Array

TRIALS = 400


def simplest(finding: Finding, backend: Backend) -> Finding:
    """The same finding with as few numbers other than zero, and as short ones, as it bears."""
    trials = 0
    changed = True
    while changed and trials < TRIALS:
        changed = False
        for case in _simpler(finding.case):
            if (trials := trials + 1) > TRIALS:
                break
            if (smaller := _shown(case, finding, backend)) is not None:
                finding, changed = smaller, True
                break
    return finding


def _shown(case: Case, finding: Finding, backend: Backend) -> Finding | None:
    """The finding as that case shows it, or None."""
    if not case.allowed:
        return None
    return next((found for found in examine(case, backend) if found.signature == finding.signature), None)


def _simpler(case: Case) -> Iterator[Case]:
    """Cases that are simpler in one place, the largest changes first."""
    gradients = case.arrays.get("gradients", np.zeros(0))
    for step in reversed(range(len(gradients))):
        if len(gradients) > 1:
            yield _with(case, "gradients", np.delete(gradients, step, axis=0))
    floats = {name: array for name, array in case.arrays.items() if array.dtype.kind == "f"}
    for name, array in floats.items():
        for row in range(len(array)):
            if array[row].any():
                yield _with(case, name, _changed(array, (row,), 0))
    for name, array in floats.items():
        for index in np.ndindex(array.shape):
            for number in _shorter(float(array[index])):
                yield _with(case, name, _changed(array, index, number))


def _shorter(x: float) -> Iterator[float]:
    """Numbers of about the same size that are shorter to write, and zero and one."""
    candidates = [0.0, 1.0, -1.0]
    if np.isfinite(x) and x:
        candidates += [float(round(x)), float(f"{x:.0e}"), float(f"{x:.1e}"), float(f"{x:.2e}")]
    for number in candidates:
        if _length(number) < _length(x):
            yield number


def _length(x: float) -> int:
    """Of a number as float32 prints it; none for a zero."""
    return len(str(np.float32(x))) if x else 0


def _with(case: Case, name: str, array: Array) -> Case:
    return replace(case, arrays={**case.arrays, name: array})


def _changed(array: Array, index: tuple[int, ...], number: float) -> Array:
    fresh = array.copy()
    fresh[index] = number
    return fresh
