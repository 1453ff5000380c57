"""One derivation from its functions to its verdict, its diagnosis and its annotated backward."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace as changed
from typing import Any

import numpy as np

from comparisons.derivations.behaviour import find_behaviour, find_cast, find_nonfinite, without_casts
from comparisons.derivations.checking import (
    DRAWS,
    VANISHES,
    BackwardFailure,
    Check,
    Failure,
    Point,
    judge_input,
    relative_error,
)
from comparisons.derivations.contract import ContractError, Derivation, Elementwise, parameters_of
from comparisons.derivations.explain import Explainer
from comparisons.derivations.framework_functions import FRAMEWORKS
from comparisons.derivations.results import SEVERITY, DerivationResult, Diagnosis, InputResult, Line
from comparisons.derivations.running import is_users
from comparisons.derivations.witnessing import hear_witnesses, kink_rows
from comparisons.ladder import UNIT_ROUNDOFF

OUTPUT_NAMES = {"y", "s", "a", "out", "output", "h", "o", "t", "sig", "act", "p", "activation", "fx", "value"}
PLATEAU = 1e-3
"""A gradient whose float64 error is below this, and which casts lower, is right until a digit."""


def judge_derivation(
    derivation: Derivation, *, seed: int = 0, explain: bool = True, against: Sequence[str] = ()
) -> DerivationResult:
    """The verdict on one derivation. Raises ContractError and Failure; anything else is a mistake of ours."""
    began = time.perf_counter()
    check, result = _judge(derivation, seed)
    if isinstance(derivation, Elementwise) and result.verdict == "wrong":
        check, result = _or_of_output(derivation, check, result, seed)
    if explain and result.verdict == "wrong" and check.points:
        wrong = [name for name, one in result.inputs.items() if one.verdict == "wrong"]
        if wrong:
            _explain(check, result, wrong)
        if not result.listing:
            result.listing = _plain_listing(check, result)
    frameworks = [name for name in against if name != "numpy"]
    if frameworks and check.points and derivation.form not in FRAMEWORKS:
        heard = hear_witnesses(check, frameworks)
        result.witnesses, result.kinks = heard.witnesses, heard.kinks
    result.notes = check.notes
    result.seconds = time.perf_counter() - began
    return result


def _or_of_output(derivation: Elementwise, check: Check, result: DerivationResult, seed: int) -> tuple[Check, DerivationResult]:
    """The derivative as one in terms of the output, if it is right as that or is meant so by its parameter's name."""
    other = changed(derivation, of_output=True)
    try:
        second_check, second = _judge(other, seed)
    except Failure:
        return check, result
    if second.verdict == "correct":
        second_check.notes.insert(0, "the derivative is written in terms of the function's output, and right as that")
        return second_check, second
    hinted = (
        set(parameters_of(derivation.derivative)) & OUTPUT_NAMES and not set(parameters_of(derivation.function)) & OUTPUT_NAMES
    )
    return (second_check, second) if hinted else (check, result)


def _judge(derivation: Derivation, seed: int) -> tuple[Check, DerivationResult]:
    check = Check(derivation, seed)
    backward = derivation.functions[1]
    line = backward.__code__.co_firstlineno if is_users(backward) else None
    result = DerivationResult(derivation.name, derivation.form, "correct", line)
    for number in range(1 if derivation.form == "elementwise" else DRAWS):
        point = check.draw(number)
        try:
            check.examine(point)
        except BackwardFailure as failure:
            return check, _cannot_run(result, check, failure)
        check.points.append(point)
    _judge_inputs(check, result)
    behaviour = find_behaviour(check, check.points[0]) if derivation.form != "elementwise" else []
    check.repeatable = derivation.form == "functions" and not behaviour
    result.diagnosis += behaviour
    if behaviour:
        result.verdict = "wrong"
        result.first_wrong_line = min((d.line for d in behaviour if d.line), default=None)
    return check, result


def _cannot_run(result: DerivationResult, check: Check, failure: Failure) -> DerivationResult:
    """A backward that raises is wrong; where shapes do not fit, the reason is known."""
    text = str(failure)
    shapes = ("shape", "broadcast", "dimension", "matmul", "align", "size", "axes", "axis")
    code = "shape" if isinstance(failure.error, ValueError | IndexError) and any(w in text for w in shapes) else "unexplained"
    result.verdict = "wrong"
    where = f"Line {failure.line}: " if failure.line else ""
    result.diagnosis.append(Diagnosis(code, f"{where}{text}.", None, line=failure.line))
    result.first_wrong_line = failure.line
    result.notes = check.notes
    result.listing = _plain_listing(check, result)
    return result


def _judge_inputs(check: Check, result: DerivationResult) -> None:
    """A row per input, from the worst of all sets of inputs."""
    first = check.points[0]
    for name in first.wrt:
        if name not in first.truths:
            takes = getattr(check.derivation, "takes", None)
            if takes is not None and not takes(first.inputs, name):
                continue  # another derivation's, of the same inputs(rng)
            check.note(f"the gradient of {name} is not returned, and not checked")
            continue
        judged = [_judge_point(check, point, name) for point in check.points if name in point.truths]
        told = [one for one in judged if one.reason != VANISHES]
        if told and len(told) < len(judged):
            check.note(f"{name}: judged on one set of inputs only; on the other it vanishes beside the loss")
        result.inputs[name] = max(told or judged, key=lambda one: (SEVERITY.index(one.verdict), one.errors.get("float64", 0.0)))
        for point in check.points:
            truth = point.truths[name]
            if truth.jumps:
                check.note(
                    f"the forward jumps at {len(truth.jumps)} elements of {name}; they have no gradient and were left out"
                )
    result.kinks = [row for point in check.points for row in kink_rows(check, point, {})]
    if result.kinks:
        sitting = "1 element sits" if len(result.kinks) == 1 else f"{len(result.kinks)} elements sit"
        check.note(f"kink: {sitting} on one, where every value between the one-sided slopes is a subgradient")
    for name in first.returned["float64"]:
        if name not in first.wrt:
            check.note(f"a gradient is returned for '{name}', which is no floating-point input")
    if not result.inputs:
        raise ContractError(f"{result.name}: the backward returns the gradient of none of {', '.join(first.wrt)}.")
    result.verdict = max((one.verdict for one in result.inputs.values()), key=SEVERITY.index)


def _judge_point(check: Check, point: Point, name: str) -> InputResult:
    errors, reference = check.errors(point, name)
    verdict, slope, reason, note = judge_input(errors, reference)
    truth = point.truths[name]
    if note:
        check.note(f"{name}: {note}")
    if np.isnan(list(errors.values())).any():
        verdict, reason = "inconclusive", "the forward is not finite beside these inputs"
    size = truth.gradient.size
    checked = f"all {size} elements" if truth.complete else f"{len(truth.indices)} of {size} elements and 8 random directions"
    return InputResult(verdict, errors, slope, reason, checked, point.precision, reference)


def _explain(check: Check, result: DerivationResult, wrong: list[str]) -> None:
    point = max(check.points, key=lambda p: max(_size(check, p, name) for name in wrong))
    wrong = [name for name in wrong if _judge_point(check, point, name).verdict == "wrong"] or wrong
    nonfinite = [
        name for name in wrong if np.isinf(check.errors(point, name)[0].get("float64", 0.0)) and _has_shape(point, name)
    ]
    if nonfinite:
        line = find_nonfinite(check, point)
        for name in nonfinite:
            text = f"The gradient of {name} is NaN or infinite in float64 where the true one is finite: an overflow, or 0/0."
            result.diagnosis.append(Diagnosis("nonfinite", text, name, line=line))
        result.first_wrong_line = _first(result.first_wrong_line, line)
        wrong = [name for name in wrong if name not in nonfinite]
    wrong = _explain_casts(check, result, point, wrong)
    if any(d.code == "nondeterministic" for d in result.diagnosis):
        return
    if wrong:
        found = Explainer(check, point, wrong).explain()
        result.diagnosis += found.diagnosis
        result.first_wrong_line = _first(result.first_wrong_line, found.line)
        result.listing = found.listing


def _size(check: Check, point: Point, name: str) -> float:
    if name not in point.truths:
        return -1.0
    error = check.errors(point, name)[0].get("float64", 0.0)
    return 1e9 if np.isinf(error) else error


def _has_shape(point: Point, name: str) -> bool:
    return np.shape(point.returned["float64"].get(name, np.nan)) in ((), point.truths[name].gradient.shape)


def _first(*lines: int | None) -> int | None:
    return min((line for line in lines if line), default=None)


def _explain_casts(check: Check, result: DerivationResult, point: Point, wrong: list[str]) -> list[str]:
    """`precision` by a cast: right with all casts left out. Returns what is still unexplained."""
    suspects = [name for name in wrong if check.errors(point, name)[0].get("float64", 1.0) < PLATEAU]
    cast_at = find_cast(check, point) if suspects and "float128" in point.returned else None
    if cast_at is None:
        return wrong
    gradients = without_casts(check, point)
    line, what = cast_at
    mended = []
    for name in suspects:
        error = relative_error(
            np.asarray(gradients[name]) if not hasattr(gradients[name], "dtype") else gradients[name],
            point.truths[name],
            point.scales[name],
        )
        if error <= max(8 * UNIT_ROUNDOFF["float64"], 8 * point.truths[name].error):
            digits = int(-np.log10(check.errors(point, name)[0]["float64"]))
            text = f"The gradient of {name} is right until digit {digits} only: {what} (line {line})."
            result.diagnosis.append(Diagnosis("precision", text, name, line=line))
            mended.append(name)
    if mended:
        result.first_wrong_line = _first(result.first_wrong_line, line)
    return [name for name in wrong if name not in mended]


def _plain_listing(check: Check, result: DerivationResult) -> list[Line]:
    """The backward's source with only the wrong lines marked."""
    import inspect

    backward: Callable[..., Any] = check.derivation.functions[1]
    try:
        lines, first = inspect.getsourcelines(backward)
    except (OSError, TypeError):
        return []
    notes = {d.line: d.text for d in result.diagnosis if d.line}
    return [
        Line(first + i, text.rstrip("\n"), "wrong" if first + i in notes else "", notes.get(first + i, ""))
        for i, text in enumerate(lines)
    ]
