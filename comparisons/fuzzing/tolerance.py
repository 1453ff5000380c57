"""How large an error may be before it is a finding: larger than scratch's in the same precision, element by element.

The matrix measures errors against the largest entry; here every element is measured against itself, since edge values are the
point. Inputs are exact in float32, so no error is excused by them, but rounding on the way may be, and scratch tells how much.
An element is right if it is within SPAN times the largest of
    u |truth|   the last place of the result itself; where the truth is 0, u times the scale of what was added up to it,
    s           scratch's own errors, in the same precision,
    c           how far the truth itself moves (the condition number times u),
    tiny        the smallest normal number, times that scale: frameworks flush what is below to zero.
c is taken at neighbours that differ from the input in the last places only; s at others around it, so that scratch's good luck
at one of them condemns nobody. With luck out of the question (that all of eight random errors are 150 times too small for their
scale has a probability below 1e-15), what is left is that a right implementation may take more steps than scratch: SPAN is the
ladder's own 2^7.25 = 152, nineteen elementary functions in a chain with four units in the last place (8 u) each.

Where scratch has no digit left itself, or the numbers come so near to the end of the range that the order of two multiplications
decides whether they overflow, nothing is asked. What depends on an infinite input has no truth: scratch in the same precision is
asked whether there is a limit. What depends on NaN must be NaN.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from backends import float128
from comparisons.fuzzing.cases import Case
from comparisons.fuzzing.neighbours import around, has_kinks_in_sums, neighbours
from comparisons.fuzzing.running import SCRATCH, results
from comparisons.ladder import ROUNDING_SLOPE, UNIT_ROUNDOFF
from scratch.activations import ACTIVATIONS
from scratch.arrays import Array

DTYPES = ("float32", "float64")
SPAN = (UNIT_ROUNDOFF["float32"] / UNIT_ROUNDOFF["float64"]) ** (1 - ROUNDING_SLOPE)


@dataclass(frozen=True)
class Point:
    """A case with what scratch says about it."""

    case: Case
    convention: str

    @cached_property
    def truth(self) -> dict[str, Array]:
        """In float128."""
        return results(self.case, SCRATCH, "float128", self.convention)

    @cached_property
    def scratch(self) -> dict[str, dict[str, Array]]:
        """In the precisions that frameworks have, by precision."""
        return {dtype: results(self.case, SCRATCH, dtype, self.convention) for dtype in DTYPES}

    def errors(self, name: str, values: Array) -> Array:
        """|values - truth|, infinite where either is not finite."""
        return distance(float128.array(values), self.truth[name])

    def least(self, name: str, dtype: str) -> Array:
        """How large an error may be whatever scratch does."""
        u, tiny = UNIT_ROUNDOFF[dtype], float(np.finfo(dtype).tiny)
        size = np.asarray(np.abs(self.truth[name]), np.float64)
        scale = scale_of(self.case, size)
        if self.case.kind == "optimizer":
            # Parameters are sums of steps, whose rounding stays when they cancel.
            start = np.abs(self.case.arrays["parameters"]).astype(np.float64)
            size = np.maximum.accumulate(np.concatenate([start[None], size]), axis=0)[1:]
        least: Array = SPAN * np.maximum(u * np.where(size == 0, scale, size), tiny * scale)
        return least

    def allowed(self, name: str, dtype: str) -> Array:
        """How large an error may be; infinite where nothing can be asked."""
        allowed, lost = self._allowed[dtype]
        tiny, huge = float(np.finfo(dtype).tiny), float(np.finfo(dtype).max)
        size = np.asarray(np.abs(self.truth[name]), np.float64)
        # Beside what scratch has lost, a result that vanishes says nothing either: its overflow gives zeros, too.
        beside = any(part.any() for part in lost.values())
        if self.case.kind == "activation":
            beside = np.logical_or.reduce([part.any(axis=1, keepdims=True) for part in lost.values()])
        at_the_end = np.maximum(size, scale_of(self.case, size)) > huge / SPAN
        return np.where(lost[name] | (beside & (size <= tiny)) | at_the_end, np.inf, allowed[name])

    @cached_property
    def _allowed(self) -> dict[str, tuple[dict[str, Array], dict[str, Array]]]:
        """By precision and quantity: how large an error may be, and where scratch has no digit left."""
        return {dtype: self._allowed_in(dtype) for dtype in DTYPES}

    def _allowed_in(self, dtype: str) -> tuple[dict[str, Array], dict[str, Array]]:
        allowed, lost = {}, {}
        near = self._on_scratch([*neighbours(self.case, dtype, self.kinks)], "float128")
        others = [self.case, *around(self.case, dtype, self.kinks)]
        pairs = list(zip(self._on_scratch(others, dtype), self._on_scratch(others, "float128"), strict=True))
        for name, true in self.truth.items():
            size = np.asarray(np.abs(true), np.float64)
            moved = [distance(there[name], true) for there in near]
            if has_kinks_in_sums(self.case):  # of several that are the same, any one may be the largest
                moved = [np.broadcast_to(part.max(axis=-1, keepdims=True), part.shape) for part in moved]
            rounded = [_error_at(size, values[name], there[name]) for values, there in pairs]
            allowed[name] = np.maximum(self.least(name, dtype), SPAN * np.maximum.reduce([*moved, *rounded]))
            lost[name] = (allowed[name] >= SPAN * size) & (size > float(np.finfo(dtype).tiny))
        return allowed, lost

    def _on_scratch(self, cases: list[Case], dtype: str) -> list[dict[str, Array]]:
        """Scratch's results for several cases; activations treat every row alone, so theirs go in together."""
        if self.case.kind != "activation":
            return [results(case, SCRATCH, dtype, self.convention) for case in cases]
        joined = {name: np.concatenate([case.arrays[name] for case in cases]) for name in self.case.arrays}
        found = results(Case("activation", self.case.name, arrays=joined), SCRATCH, dtype, self.convention)
        rows = [slice(i * len(self.case.arrays["z"]), (i + 1) * len(self.case.arrays["z"])) for i in range(len(cases))]
        return [{name: values[part] for name, values in found.items()} for part in rows]

    @property
    def kinks(self) -> tuple[float, ...]:
        """Inputs at which an activation's derivative jumps."""
        if self.case.kind != "activation":
            return ()
        return ACTIVATIONS[self.case.name].in_convention(self.convention).kinks


def _error_at(size: Array, values: Array, true: Array) -> Array:
    """The error of other results as one of results of this size; of smaller ones as it is, since errors need not shrink so."""
    there, error = np.asarray(np.abs(true), np.float64), distance(float128.array(values), true)
    share = np.where(there > size, size / np.where(there > 0, there, 1), 1)
    found: Array = np.where(share > 0, error * share, 0)
    return found


def scale_of(case: Case, size: Array) -> Array:
    """The largest number in play, 1 at least: the input times the cotangent or the weight; row by row for an activation."""
    if case.kind == "optimizer":
        return np.ones_like(size)
    largest = {name: np.maximum(np.abs(array), 1).astype(np.float64) for name, array in case.arrays.items()}
    if case.kind == "activation":
        rows = [array.max(axis=1, keepdims=True) for array in largest.values()]
        return np.broadcast_to(rows[0] * rows[1], size.shape)
    inputs = max(largest[name].max() for name in ("x", "z", "y") if name in largest)
    factors = [largest[name].max() for name in ("cotangent", "weights") if name in largest]
    return np.full_like(size, inputs * np.prod(factors))


def distance(first: Array, second: Array) -> Array:
    """|first - second| in float64, infinite where one of the two is not finite."""
    with np.errstate(all="ignore"):
        found = np.asarray(np.abs(first - second), np.float64)
    return np.where(np.isnan(found), np.inf, found)
