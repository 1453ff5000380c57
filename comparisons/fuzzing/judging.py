"""What counts as a finding: a result that is worse than scratch's in the same precision, element by element.

The matrix measures errors against the largest entry; here every element is measured against itself, since edge values are the
point. Inputs are exact in float32, so no error is excused by them, but rounding on the way may be, and scratch tells how much.
An element is right if it is within SPAN times the largest of
    u |truth|   the last place of the result itself; where the truth is 0, u times the scale of what was added up to it,
    s           scratch's own errors, in the same precision,
    c           how far the truth itself moves (the condition number times u),
    tiny        the smallest normal number, times that scale: frameworks flush what is below to zero.
s and c are taken at the input and at neighbours that differ from it in the last places only, so that scratch's good luck at one
of them condemns nobody. With luck out of the question (that all of eight random errors are 150 times too small for their scale
has a probability below 1e-15), what is left is that a right implementation may take more steps than scratch: SPAN is the
ladder's own 2^7.25 = 152, nineteen elementary functions in a chain with four units in the last place (8 u) each.

Where scratch has no digit left itself, or the numbers come so near to the end of the range that the order of two multiplications
decides whether they overflow, nothing is asked. What depends on an infinite input has no truth: scratch in the same precision is
asked whether there is a limit. What depends on NaN must be NaN.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from backends import Backend, NotOffered, float128
from comparisons.fuzzing.cases import Case, loss_of, network_of, plain_list
from comparisons.fuzzing.edges import NORMAL
from comparisons.fuzzing.running import SCRATCH, network_twin, results
from comparisons.gradients import Probe, compare_gradients
from comparisons.ladder import ROUNDING_SLOPE, UNIT_ROUNDOFF, judge
from scratch.activations import ACTIVATIONS
from scratch.arrays import Array

DTYPES = ("float32", "float64")
NEIGHBOURS = 8
SPAN = (UNIT_ROUNDOFF["float32"] / UNIT_ROUNDOFF["float64"]) ** (1 - ROUNDING_SLOPE)


@dataclass(frozen=True, eq=False)
class Finding:
    """A case on a backend, and what is wrong with it."""

    case: Case
    backend: str
    property: str
    symptom: str
    """A short phrase; findings with the same operation, backend, property and symptom are one."""
    index: tuple[int, ...]
    """Of the worst element."""
    expected: float
    """That element in 34-digit arithmetic; scratch's in the same precision where an input is not finite."""
    found: Mapping[str, float]
    """That element by precision."""
    message: str = ""
    """Of an exception."""

    @property
    def signature(self) -> str:
        """What makes it distinct, in the form of a cell of the matrix: kind/name/backend/fuzz/property: symptom."""
        return f"{self.case}/{self.backend}/fuzz/{self.property}: {self.symptom}"

    def to_dict(self) -> dict[str, Any]:
        """As plain data, infinities and NaN as text."""
        found = {dtype: plain_list(value) for dtype, value in self.found.items()}
        numbers = {"index": list(self.index), "expected": plain_list(self.expected), "found": found}
        texts = {name: getattr(self, name) for name in ("backend", "property", "symptom", "message")}
        return {"case": self.case.to_dict(), **texts, **numbers}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Finding":
        """From what `to_dict` gave."""
        found = {dtype: float(value) for dtype, value in data["found"].items()}
        changed = {"case": Case.from_dict(data["case"]), "index": tuple(data["index"]), "expected": float(data["expected"])}
        return cls(**{**data, **changed, "found": found})


def examine(case: Case, backend: Backend) -> list[Finding]:
    """Everything that is wrong with a case on a backend. Raises NotOffered."""
    with np.errstate(all="ignore"):
        try:
            found = {dtype: results(case, backend, dtype, convention_of(backend)) for dtype in DTYPES}
        except NotOffered:
            raise
        except Exception as error:  # a framework may fail as it likes, and that is a finding
            said = (str(error).splitlines() or [""])[0]
            return [Finding(case, backend.name, "run", f"raises {type(error).__name__}", (), 0.0, {}, said[:200])]
        if case.kind == "network":
            return list(_in_network(case, backend, found))
        at = Point(case, convention_of(backend))
        ask = _deviations if case.finite else _deviations_without_truth
        return [
            _finding(case, backend, name, symptom, worst, {dtype: found[dtype][name] for dtype in DTYPES}, expected)
            for name in at.truth
            for symptom, worst, expected in ask(at, name, {dtype: found[dtype][name] for dtype in DTYPES})
        ]


def convention_of(backend: Backend) -> str:
    """Whose formula the backend is held against."""
    return backend.convention or "paper"


def _finding(
    case: Case, backend: Backend, name: str, symptom: str, errors: Array, found: Mapping[str, Array], expected: Array
) -> Finding:
    """At the element with the largest error."""
    index = tuple(int(i) for i in np.unravel_index(np.argmax(errors), errors.shape))
    at_index = {dtype: float(values[index]) for dtype, values in found.items()}
    return Finding(case, backend.name, name, symptom, index, float(expected[index]), at_index)


@dataclass(frozen=True)
class Point:
    """A case with what scratch says about it."""

    case: Case
    convention: str

    @cached_property
    def truth(self) -> dict[str, Array]:
        """In float128."""
        return results(self.case, SCRATCH, "float128", self.convention)

    def scratch(self, dtype: str) -> dict[str, Array]:
        """In the same precision."""
        return results(self.case, SCRATCH, dtype, self.convention)

    def errors(self, name: str, values: Array) -> Array:
        """|values - truth|, infinite where either is not finite."""
        return _distance(float128.array(values), self.truth[name])

    def least(self, name: str, dtype: str) -> Array:
        """How large an error may be whatever scratch does."""
        u, tiny = UNIT_ROUNDOFF[dtype], float(np.finfo(dtype).tiny)
        size = np.asarray(np.abs(self.truth[name]), np.float64)
        scale = _scale(self.case, size)
        return SPAN * np.maximum(u * np.where(size == 0, scale, size), tiny * scale)

    def allowed(self, name: str, dtype: str) -> Array:
        """How large an error may be; infinite where nothing can be asked."""
        true, limits = self.truth[name], np.finfo(dtype)
        size = np.asarray(np.abs(true), np.float64)
        allowed = self.least(name, dtype) / SPAN
        for near in [self, *(Point(case, self.convention) for case in neighbours(self.case, dtype, self.kinks))]:
            moved = _distance(near.truth[name], true)
            rounded = near.errors(name, near.scratch(dtype)[name])
            allowed = np.maximum(allowed, np.maximum(moved, rounded))
        nothing_left = (allowed >= size) & (size > limits.tiny)
        # Beside such a result, one that vanishes says nothing either: zero is what scratch's overflow gives, too.
        nothing_left |= nothing_left.any(axis=-1, keepdims=True) & (size <= limits.tiny)
        at_the_end = np.maximum(size, _scale(self.case, size)) > limits.max / SPAN
        return np.where(nothing_left | at_the_end, np.inf, SPAN * allowed)

    @property
    def kinks(self) -> tuple[float, ...]:
        """Inputs at which an activation's derivative jumps."""
        if self.case.kind != "activation":
            return ()
        return ACTIVATIONS[self.case.name].in_convention(self.convention).kinks


def _scale(case: Case, size: Array) -> Array:
    """The largest number in play, row by row for an activation: the input times the cotangent, or 1."""
    if case.kind == "optimizer":
        return np.ones_like(size)
    largest = {name: np.abs(array).astype(np.float64) for name, array in case.arrays.items() if array.dtype.kind == "f"}
    if case.kind == "activation":
        rows = [np.maximum(array.max(axis=1, keepdims=True), 1) for array in largest.values()]
        return np.broadcast_to(rows[0] * rows[1], size.shape)
    weight = max(1.0, float(largest["weights"].max())) if "weights" in largest else 1.0
    return np.full_like(size, weight * max(1.0, *(float(largest[name].max()) for name in ("z", "y") if name in largest)))


def neighbours(case: Case, dtype: str, kinks: tuple[float, ...] = ()) -> Iterator[Case]:
    """The same case with its numbers moved by one to four last places of a precision, up or down at random.

    A zero stays, and so does an input that sits on a kink exactly: everybody can tell that. The kinks of losses lie where sums
    vanish, of numbers and of constants near 1, so there all outputs move, by the last place of 1 at least. The last neighbours
    have no numbers that are subnormal, or become so when they are multiplied by a small constant or, in an optimizer, squared.
    """
    rng = np.random.default_rng(0)
    moving = {name: np.array(case.arrays[name], dtype) for name in MOVING[case.kind] if name in case.arrays}
    sums = bool(case.kind == "loss" and loss_of(case).loss.kinks)
    stays = {name: np.isin(array, np.float32(kinks)) | _at_an_end(case, array) for name, array in moving.items()}
    for _ in range(NEIGHBOURS // 2):
        steps = {name: rng.choice([-4, -3, -2, -1, 1, 2, 3, 4], array.shape) for name, array in moving.items()}
        for way in (1, -1):  # both ways, since a tie breaks to either side
            moved = {}
            for name, array in moving.items():
                last_place = np.spacing(np.maximum(np.abs(array), 1) if sums and name == "z" else np.abs(array))
                beside = array + way * steps[name] * np.where((array == 0) & ~np.bool_(sums), 0, last_place)
                moved[name] = np.where(stays[name] | ~np.isfinite(beside), array, beside).astype(dtype)
            yield replace(case, arrays={**case.arrays, **moved})
    tiny = float(np.finfo(dtype).tiny)
    for small in (tiny, tiny * SMALL_FACTOR, *([np.sqrt(tiny) * SMALL_FACTOR] if case.kind == "optimizer" else [])):
        flushed = {name: np.where(np.abs(array) < small, 0, array).astype(dtype) for name, array in moving.items()}
        yield replace(case, arrays={**case.arrays, **flushed})


MOVING = {"activation": ("z",), "loss": ("z", "weights"), "optimizer": ("gradients", "parameters")}
"""Which arrays a neighbour has others of."""
SMALL_FACTOR = 2.0**10
"""The inverse of the smallest constant in formulas, such as 1 - beta_2."""


def _at_an_end(case: Case, z: Array) -> Any:
    """Where a loss's output cannot move, because its domain ends."""
    probabilities = case.kind == "loss" and loss_of(case).loss.outputs in ("probability", "distribution")
    return (z == 1) if probabilities else np.zeros(z.shape, dtype=bool)


def _distance(first: Array, second: Array) -> Array:
    with np.errstate(all="ignore"):
        found = np.asarray(np.abs(first - second), np.float64)
    return np.where(np.isnan(found), np.inf, found)


def _deviations(at: Point, name: str, found: Mapping[str, Array]) -> Iterator[tuple[str, Array, Array]]:
    """What is wrong with one property: the symptom, the error of every element that has it, and the truth."""
    true = at.truth[name]
    bad, excess = {}, {}
    for dtype, values in found.items():
        errors = at.errors(name, values)
        # Most results are good to their last places, and then nobody need ask how good they had to be.
        suspicious = np.isfinite(true) & (errors > at.least(name, dtype))
        if suspicious.any():
            suspicious &= errors > at.allowed(name, dtype)
        bad[dtype], excess[dtype] = suspicious, np.where(suspicious, np.minimum(errors, np.finfo(np.float64).max), 0)
    anywhere = bad["float32"] | bad["float64"]
    if not anywhere.any():
        return
    worst = np.maximum(excess["float32"], excess["float64"])
    for word, ask in (("NaN", np.isnan), ("infinite", np.isinf)):
        lost = np.logical_or.reduce([ask(values) & bad[dtype] for dtype, values in found.items()])
        if lost.any():
            yield f"{word} where the truth is finite", np.where(lost, worst, 0), true
        anywhere &= ~lost
    for kink in at.kinks:
        # What is flushed to zero sits on a kink there.
        on = anywhere & (np.abs(at.case.arrays["z"] - np.float32(kink)) <= (0 if kink else NORMAL))
        if on.any():
            yield f"another one at z = {kink:g}", np.where(on, worst, 0), true
        anywhere &= ~on
    if anywhere.any():
        yield _kind_of_error(at, {dtype: np.where(anywhere, excess[dtype], 0) for dtype in found}, true), worst * anywhere, true


def _kind_of_error(at: Point, errors: Mapping[str, Array], true: Array) -> str:
    """Lost digits fall with the precision, relative to one or to the largest number in play; other mathematics does not."""
    largest = [float(np.abs(array).max()) for array in (*at.case.arrays.values(), true) if array.size]
    scale = max(1.0, *largest)
    ladder = judge({dtype: float(values.max()) / scale for dtype, values in errors.items()})
    return "wrong" if ladder.verdict == "wrong" else "loses digits"


def _deviations_without_truth(at: Point, name: str, found: Mapping[str, Array]) -> Iterator[tuple[str, Array, Array]]:
    """The same for what depends on an input that is infinite or NaN."""
    hidden = any(np.isnan(array).any() for array in at.case.arrays.values())
    if hidden and name != "value":
        return
    depends = _depends_on_non_finite(at, name)
    for dtype, values in found.items():
        ours = at.scratch(dtype)[name]
        if hidden:
            symptoms = {"hides NaN": np.isnan(ours) & ~np.isnan(values)}
        else:
            close = np.abs(values - ours) <= SPAN * (UNIT_ROUNDOFF[dtype] * np.abs(ours) + np.finfo(dtype).tiny)
            there = depends & ~np.isnan(ours)
            symptoms = {
                "NaN at infinity, where there is a limit": there & np.isnan(values),
                "another limit at infinity": there & ~np.isnan(values) & (values != ours) & ~close,
            }
        for symptom, wrong in symptoms.items():
            if wrong.any():
                yield symptom, wrong.astype(float), ours
                return


def _depends_on_non_finite(at: Point, name: str) -> Array:
    """Which results are others where numbers stand in place of the infinities and NaN."""
    here, changed = at.scratch("float64")[name], np.zeros(at.truth[name].shape, dtype=bool)
    for number in (-0.37, 0.41):
        arrays = {key: np.where(np.isfinite(array), array, number) for key, array in at.case.arrays.items()}
        changed |= results(replace(at.case, arrays=arrays), SCRATCH, "float64", at.convention)[name] != here
    return changed


def _in_network(case: Case, backend: Backend, found: Mapping[str, Mapping[str, Array]]) -> Iterator[Finding]:
    """Gradients of a network on the ladder, against the largest of every parameter's, where scratch's own are right."""
    convention = convention_of(backend)
    model = network_of(case.name, case.widths).in_convention(convention)
    x, cotangent, parameters = (case.arrays[name] for name in ("x", "cotangent", "parameters"))
    probe = Probe(parameters, x, np.zeros(cotangent.shape, np.float32), cotangent)
    truth = network_twin(SCRATCH, case.name, case.widths, "float128", convention)
    twins = {
        name: {dtype: network_twin(one, case.name, case.widths, dtype, convention) for dtype in DTYPES}
        for name, one in (("scratch", SCRATCH), (backend.name, backend))
    }
    rows, _ = compare_gradients(model, [probe], truth, twins)  # type: ignore[arg-type]
    ours = {row["parameter"]: row for row in rows if row["backend"] == "scratch"}
    at = Point(case, convention)
    true = at.truth["gradients"]
    for row in (row for row in rows if row["backend"] == backend.name):
        path = row["parameter"]
        lost = [dtype for dtype in DTYPES if np.isfinite(ours[path][dtype]) and not np.isfinite(row[dtype])]
        if lost or (row["verdict"] == "wrong" and ours[path]["verdict"] != "wrong"):
            of_path = np.zeros(true.shape)
            model.views(of_path)[path][...] = 1
            errors = {dtype: of_path * at.errors("gradients", found[dtype]["gradients"]) for dtype in DTYPES}
            symptom = "not finite where the truth is" if lost else _kind_of_error(at, errors, true)
            values = {dtype: found[dtype]["gradients"] for dtype in DTYPES}
            yield _finding(case, backend, "gradients", symptom, np.maximum(*errors.values()), values, true)
