"""What is wrong with a case on a backend: every result beside the truth, and a short phrase for what differs."""

import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from backends import Backend, NotOffered
from comparisons.fuzzing.cases import Case, network_of
from comparisons.fuzzing.edges import NORMAL
from comparisons.fuzzing.findings import Finding
from comparisons.fuzzing.running import SCRATCH, network_twin, results
from comparisons.fuzzing.tolerance import DTYPES, SPAN, Point, scale_of
from comparisons.gradients import Probe, compare_gradients
from comparisons.ladder import UNIT_ROUNDOFF, judge
from scratch.arrays import Array

Deviation = tuple[str, Array, Array]
"""A symptom, the error of every element that has it, and what is right."""


def examine(case: Case, backend: Backend, known: Collection[str] = ()) -> list[Finding]:
    """Everything that is wrong with a case on a backend; findings with a known signature may be left out. Raises NotOffered."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice on networks that nobody means to train
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
        told = []
        for name in at.truth:
            of_name = {dtype: found[dtype][name] for dtype in DTYPES}
            familiar = {
                signature.rpartition(": ")[2] for signature in known if signature.startswith(_place(case, backend, name))
            }
            deviations = _deviations(at, name, of_name, familiar) if case.finite else _without_truth(at, name, of_name)
            told += [_finding(case, backend, name, deviation, of_name) for deviation in deviations]
        return told


def convention_of(backend: Backend) -> str:
    """Whose formula the backend is held against."""
    return backend.convention or "paper"


def _place(case: Case, backend: Backend, name: str) -> str:
    return Finding(case, backend.name, name, "", (), 0.0, {}).signature


def _finding(case: Case, backend: Backend, name: str, deviation: Deviation, found: Mapping[str, Array]) -> Finding:
    """At the element with the largest error."""
    symptom, errors, expected = deviation
    index = tuple(int(i) for i in np.unravel_index(np.argmax(errors), errors.shape))
    at_index = {dtype: float(values[index]) for dtype, values in found.items()}
    return Finding(case, backend.name, name, symptom, index, float(expected[index]), at_index)


def _deviations(at: Point, name: str, found: Mapping[str, Array], familiar: Collection[str]) -> list[Deviation]:
    """What is wrong with one quantity; nothing where it could only be what is familiar."""
    errors = {dtype: at.errors(name, values) for dtype, values in found.items()}
    # Most results are good to their last places, and then nobody need ask how good they had to be.
    bad = {dtype: np.isfinite(at.truth[name]) & (errors[dtype] > at.least(name, dtype)) for dtype in found}
    if all(symptom in familiar for symptom, *_ in _symptoms(at, name, found, errors, bad)):
        return []
    bad = {dtype: part & (errors[dtype] > at.allowed(name, dtype)) if part.any() else part for dtype, part in bad.items()}
    return list(_symptoms(at, name, found, errors, bad))


def _symptoms(
    at: Point, name: str, found: Mapping[str, Array], errors: Mapping[str, Array], bad: Mapping[str, Array]
) -> Iterator[Deviation]:
    """What the bad elements have in common."""
    anywhere = bad["float32"] | bad["float64"]
    if not anywhere.any():
        return
    excess = {dtype: np.where(bad[dtype], np.minimum(errors[dtype], np.finfo(np.float64).max), 0) for dtype in found}
    worst, true = np.maximum(excess["float32"], excess["float64"]), at.truth[name]
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
    size = np.asarray(np.abs(true), np.float64)
    scale = np.maximum(scale_of(at.case, size), np.where(np.isfinite(size), size, 1))
    ladder = judge({dtype: float((values / scale).max()) for dtype, values in errors.items()})
    return "wrong" if ladder.verdict == "wrong" else "loses digits"


def _without_truth(at: Point, name: str, found: Mapping[str, Array]) -> Iterator[Deviation]:
    """The same for what depends on an input that is infinite or NaN."""
    hidden = any(np.isnan(array).any() for array in at.case.arrays.values())
    if hidden and name != "value":
        return
    depends = _depends_on_non_finite(at, name)
    for dtype, values in found.items():
        ours = at.scratch[dtype][name]
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
    here, changed = at.scratch["float64"][name], np.zeros(at.truth[name].shape, dtype=bool)
    for number in (-0.37, 0.41):
        arrays = {key: np.where(np.isfinite(array), array, number) for key, array in at.case.arrays.items()}
        changed |= results(replace(at.case, arrays=arrays), SCRATCH, "float64", at.convention)[name] != here
    return changed


def _in_network(case: Case, backend: Any, found: Mapping[str, Mapping[str, Array]]) -> Iterator[Finding]:
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
            yield _finding(case, backend, "gradients", (symptom, np.maximum(*errors.values()), true), values)
