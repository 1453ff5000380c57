"""What counts as a finding: a result that the framework's own formula does not explain, element by element.

The matrix measures errors against the largest entry; here every element is measured against itself, since edge values are the
point. An element is right if its error falls with the precision, or is below the spacing of subnormal numbers; a result beyond
the range of its precision may overflow. Where an input is infinite or NaN there is no truth: then scratch in the same
precision is asked whether the result should be a number, an infinity or NaN.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from backends import Backend, NotOffered, float128
from backends.numpy_backend import NumpyBackend, as_dtype
from comparisons.fuzzing.strategies import WIDTH, Case
from comparisons.ladder import UNIT_ROUNDOFF, judge
from scratch.activations import ACTIVATIONS
from scratch.arrays import Array
from scratch.layers import Dense
from scratch.losses import cases, mean_squared_error
from scratch.model import Model
from scratch.optimizers import OPTIMIZERS, SGD, VARIANTS, Optimizer

DTYPES = ("float32", "float64")
KEPT_DIGITS = 2.0**20
"""A right result may have lost this many units of its roundoff, six digits, before it counts as a finding of its own."""


@dataclass(frozen=True)
class Finding:
    """A case on a backend, and what is wrong with it."""

    case: Case
    backend: str
    property: str
    symptom: str
    """A short phrase; findings with the same operation, backend, property and symptom are one."""
    expected: str
    found: dict[str, str]
    """By precision."""

    @property
    def signature(self) -> str:
        """What makes it distinct."""
        return f"{self.case.kind}/{self.case.name}/{self.backend}/{self.property}: {self.symptom}"


def examine(case: Case, backend: Backend) -> Finding | None:
    """The first finding of a case on a backend; None where all is right. Raises NotOffered."""
    with np.errstate(all="ignore"):
        truth = results(case, NumpyBackend(), "float128", backend.convention or "paper")
        found: dict[str, dict[str, Array]] = {}
        for dtype in DTYPES:
            try:
                found[dtype] = results(case, backend, dtype, backend.convention or "paper")
            except NotOffered:
                raise
            except Exception as error:
                words = str(error).splitlines()[0][:120] if str(error) else ""
                return Finding(case, backend.name, "run", f"raises {type(error).__name__}", "no exception", {dtype: words})
        for name, true in truth.items():
            if (symptom := _symptom(case, backend, name, true, {dtype: found[dtype][name] for dtype in DTYPES})) is not None:
                texts = {dtype: _text(found[dtype][name]) for dtype in DTYPES}
                return Finding(case, backend.name, name, symptom, _text(true), texts)
    return None


def results(case: Case, backend: Backend, dtype: str, convention: str) -> dict[str, Array]:
    """What a backend makes of a case, by property."""
    x = {name: array if array.dtype.kind in "iu" else as_dtype(array, dtype) for name, array in case.arrays.items()}
    if case.kind == "activation":
        twin = _activation_twin(backend, case.name, dtype, convention)
        pullback = twin.vjp(x["z"], x["cotangent"])
        return {"value": pullback.output, "derivative": pullback.input_gradient}
    if case.kind == "loss":
        twin = _loss_twin(backend, case.name, case.setting, x["z"].shape[1], dtype, convention)
        value, pullback = twin.loss_and_gradients(x["z"], x["y"], x.get("weights"))
        return {
            "value": np.reshape(value, 1) if dtype != "float128" else float128.array(value).reshape(1),
            "derivative": pullback.input_gradient,
        }
    optimizer = optimizer_of(case, convention)
    model = Model(1, (Dense(1, WIDTH, bias=False),), mean_squared_error())
    twin = backend.mirror(model, case.arrays["parameters"].ravel().astype(np.float64), optimizer, dtype)
    for gradient in case.arrays["gradients"]:
        twin.apply_gradients(as_dtype(gradient, dtype))
    return {"parameters": twin.parameters()}


def optimizer_of(case: Case, convention: str) -> Optimizer:
    """The optimizer that a case is about."""
    settings: Mapping[str, Any] = ({}, *VARIANTS.get(case.name, []))[case.setting]
    return OPTIMIZERS[case.name](convention=convention, **settings)


@lru_cache(maxsize=512)
def _activation_twin(backend: Backend, name: str, dtype: str, convention: str) -> Any:
    entry = ACTIVATIONS[name].in_convention(convention)
    return backend.mirror(Model(WIDTH, (entry,), mean_squared_error()), np.zeros(0), SGD(), dtype)


@lru_cache(maxsize=512)
def _loss_twin(backend: Backend, name: str, setting: int, units: int, dtype: str, convention: str) -> Any:
    loss = cases(name)[setting].in_convention(convention)
    return backend.mirror(Model(units, (), loss), np.zeros(0), SGD(), dtype)


def _symptom(case: Case, backend: Backend, name: str, true: Array, found: Mapping[str, Array]) -> str | None:
    """The first thing that is wrong with one property, or None."""
    if not all(np.isfinite(array).all() for array in case.arrays.values()):
        return _non_finite_symptom(case, backend, name, found)
    if not np.isfinite(true).all():
        return None
    for dtype, values in found.items():
        lost = ~np.isfinite(values) & (np.abs(true).astype(np.float64) < np.finfo(dtype).max / 2)
        if lost.any():
            return f"{'NaN' if np.isnan(values[lost]).any() else 'infinite'} in {dtype} where the truth is finite"
    errors = {dtype: _errors(values, true, dtype) for dtype, values in found.items()}
    worst = max(zip(*errors.values(), strict=True), key=lambda pair: pair[1], default=(0.0, 0.0))
    ladder = judge({"float32": worst[0], "float64": worst[1]})
    if ladder.verdict == "wrong":
        return "wrong"
    for dtype, of_elements in errors.items():
        if max(of_elements) > KEPT_DIGITS * UNIT_ROUNDOFF[dtype] and dtype == "float64":
            return "loses more than six digits"
    return None


def _errors(values: Array, true: Array, dtype: str) -> list[float]:
    """Relative error of every element; of one that is next to zero, relative to the smallest normal number over u."""
    finite = np.isfinite(values)
    difference = np.abs(float128.array(np.where(finite, values, 0)) - true)
    size = np.maximum(np.abs(true), float128.array(float(np.finfo(dtype).tiny)))
    relative = (difference / size).astype(np.float64)
    return [float(error) if ok else 0.0 for error, ok in zip(relative.ravel(), finite.ravel(), strict=True)]


def _non_finite_symptom(case: Case, backend: Backend, name: str, found: Mapping[str, Array]) -> str | None:
    for dtype, values in found.items():
        ours = results(case, NumpyBackend(), dtype, backend.convention or "paper")[name]
        for kind, ask in (("NaN", np.isnan), ("infinite", np.isinf)):
            if (ask(values) & ~ask(ours)).any():
                return f"{kind} at a non-finite input, scratch not"
            if (~ask(values) & ask(ours)).any():
                return f"not {kind} at a non-finite input, scratch is"
    return None


def _text(values: Array) -> str:
    return "[" + ", ".join(f"{float(value):.9g}" for value in values.ravel()) + "]"


def simplest(finding: Finding, backend: Backend) -> Finding:
    """The same finding with as many zeros among its numbers as it bears; Hypothesis shrinks each number, not their number."""
    for name, array in finding.case.arrays.items():
        for index in np.ndindex(array.shape):
            if array.dtype.kind == "f" and array[index] != 0:
                fewer = array.copy()
                fewer[index] = 0
                trial = examine(replace(finding.case, arrays={**finding.case.arrays, name: fewer}), backend)
                if trial is not None and trial.signature == finding.signature:
                    finding, array = trial, fewer
    return finding
