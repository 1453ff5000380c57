"""From a case that differs to a small one that differs in the same way: fewer steps, more zeros, shorter numbers.

Hypothesis would shrink as well, but asks a framework thousands of times; this asks about a hundred times.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from backends import Backend
from comparisons.fuzzing.cases import Case
from comparisons.fuzzing.findings import Finding
from comparisons.fuzzing.judging import examine
from scratch.arrays import Array

PASSES = 3
"""Once a number is simpler, another one may become so that could not before."""


def simplest(finding: Finding, backend: Backend) -> Finding:
    """The same finding with as few numbers other than zero, and as short ones, as it bears."""
    for _ in range(PASSES):
        before = finding.case
        for name, place in list(_places(finding.case)):
            for array in _simpler(finding.case.arrays[name], place):
                if (smaller := _shown(replace_array(finding.case, name, array), finding, backend)) is not None:
                    finding = smaller
                    break
        if finding.case is before:
            break
    return finding


def replace_array(case: Case, name: str, array: Array) -> Case:
    """The case with another array of that name."""
    return replace(case, arrays={**case.arrays, name: array})


def _shown(case: Case, finding: Finding, backend: Backend) -> Finding | None:
    """The finding as that case shows it, or None."""
    if not case.allowed:
        return None
    return next((found for found in examine(case, backend) if found.signature == finding.signature), None)


def _places(case: Case) -> Iterator[tuple[str, Any]]:
    """Where a case may become simpler, the largest changes first: steps, by their number, then rows, then numbers."""
    if "gradients" in case.arrays:
        yield from (("gradients", step) for step in reversed(range(len(case.arrays["gradients"]))))
    floats = {name: array for name, array in case.arrays.items() if array.dtype.kind == "f"}
    for name, array in floats.items():
        yield from ((name, (row,)) for row in range(len(array)) if array.ndim > 1)
    for name, array in floats.items():
        yield from ((name, index) for index in np.ndindex(array.shape))


def _simpler(array: Array, place: Any) -> Iterator[Array]:
    """What may stand there instead; nothing where an earlier change has taken the place away."""
    if isinstance(place, int):
        if 1 < len(array) > place:
            yield np.delete(array, place, axis=0)
    elif place[0] < len(array) and np.any(array[place]):
        for number in _shorter(float(array[place])) if len(place) == array.ndim else (0.0,):
            changed = array.copy()
            changed[place] = number
            yield changed


def _shorter(x: float) -> Iterator[float]:
    """Zero, one, and numbers of about the same size, as far as they are shorter to write."""
    candidates = [0.0, 1.0, -1.0]
    if np.isfinite(x):
        candidates += [float(round(x)), float(f"{x:.0e}"), float(f"{x:.1e}"), float(f"{x:.2e}")]
    yield from (number for number in dict.fromkeys(candidates) if _length(number) < _length(x))


def _length(x: float) -> int:
    """Of a number as float32 prints it; none for a zero."""
    return len(str(np.float32(x))) if x else 0
