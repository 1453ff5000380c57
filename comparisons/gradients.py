"""Gradients of every backend on the ladder: against the float128 truth, and against each other.

The truth is scratch's backward pass in float128, which is itself checked against the definition of the derivative,
central differences in float128 with no backward pass in them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from backends import float128
from backends.interface import Twin
from backends.numpy_backend import NumpyTwin, as_dtype
from comparisons.ladder import UNIT_ROUNDOFF, as_row, judge, largest, magnitude, relative_error
from scratch.arrays import Array, Scalar
from scratch.model import Model

STEP = 1e-11
"""Step h of a central difference in float128. Its error is h^2 f'''/6 + u |f| / h, about 1e-22 for functions near 1."""

VANISHING = UNIT_ROUNDOFF["float32"]
"""A parameter whose gradient is smaller than this share of the whole gradient's largest entry is measured against the latter.
Behind a saturated unit the gradient is a difference of nearly equal numbers, 1 - a^2 with a near 1: its absolute error is u
times the gradient before that factor, however small the result. A mistake stays visible down to the ladder's own limit."""

KINK = 2.0**-40
"""A pre-activation nearer to a kink than this, relative to the largest one, may fall on either side in float64:
u_64 = 2^-53 times the condition number of the sums before it, 2^13 at most."""


@dataclass(frozen=True)
class Probe:
    """One point at which gradients are compared: parameters, a batch, and a cotangent in place of the loss or none."""

    parameters: Array
    x: Array
    y: Array
    cotangent: Array | None = None

    def gradients(self, twin: Twin, dtype: str) -> Array:
        """The twin's flat gradient at this point."""
        twin.set_parameters(as_dtype(self.parameters, dtype))
        x = as_dtype(self.x, dtype)
        if self.cotangent is not None:
            return twin.vjp(x, as_dtype(self.cotangent, dtype)).gradients
        y = self.y if self.y.ndim == 1 else as_dtype(self.y, dtype)
        return twin.loss_and_gradients(x, y)[1].gradients


def make_probes(
    model: Model, points: Sequence[Array], batches: Sequence[tuple[Array, Array]], rng: np.random.Generator
) -> list[Probe]:
    """Every batch at every parameter vector: with the loss, and with a random cotangent (never all ones, which hide errors)."""
    probes = []
    for parameters in points:
        for x, y in batches:
            cotangent = rng.standard_normal((len(x), model.widths[-1])).astype(np.float32)
            probes += [Probe(parameters, x, y), Probe(parameters, x, y, cotangent)]
    return probes


def compare_gradients(
    model: Model, probes: Sequence[Probe], truth: NumpyTwin, twins: Mapping[str, Mapping[str, Twin]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows (backend, parameter, ladder) against the truth, and rows (backend, other, parameter, ladder) in pairs.

    `twins` holds for every backend a twin per precision. The error at a rung is the largest over all probes, relative to
    the largest entry of the same parameter's true gradient, or of the whole one where that vanishes beside it.
    """
    on_kink = False
    true, computed = [], []
    for probe in probes:
        true.append(probe.gradients(truth, "float128"))
        on_kink |= truth.workspace(len(probe.x)).kink_distance() < KINK
        computed.append(
            {
                (name, dtype): probe.gradients(twin, dtype)
                for name, by_dtype in twins.items()
                for dtype, twin in by_dtype.items()
            }
        )

    def error(path: str, dtype: str, name: str, other: str | None) -> float:
        """The largest error over all probes: of one backend against the truth, or against another backend."""
        errors = []
        for reference, found in zip(true, computed, strict=True):
            expected = model.views(reference)[path]
            scale, whole = magnitude(expected), magnitude(reference)
            if scale < VANISHING * whole:
                scale = whole
            against = expected if other is None else model.views(found[other, dtype])[path]
            errors.append(relative_error(model.views(found[name, dtype])[path], against, scale))
        return largest(errors)

    def row(path: str, name: str, other: str | None = None) -> dict[str, Any]:
        shared = [dtype for dtype in twins[name] if other is None or dtype in twins[other]]
        ladder = as_row(judge({dtype: error(path, dtype, name, other) for dtype in shared}))
        if ladder["verdict"] == "wrong" and on_kink:
            ladder |= {"verdict": "inconclusive", "reason": "an activation sits on a kink, where either side is right"}
        return {"backend": name, **({"other": other} if other else {}), "parameter": path, **ladder}

    rows = [row(path, name) for name in twins for path in model.shapes]
    pairs = [row(path, one, other) for one, other in combinations(twins, 2) for path in model.shapes]
    return rows, pairs


def check_truth(model: Model, probe: Probe, truth: NumpyTwin, rng: np.random.Generator) -> list[dict[str, Any]]:
    """The float128 gradient against central differences of the float128 forward pass, per parameter.

    Checked are the gradient's largest entry, three random ones, and one random direction through all. Errors are relative
    to the largest entry (the direction's to the gradient's norm, of which its slope is a random share).
    """
    gradient = model.views(probe.gradients(truth, "float128"))
    start = as_dtype(probe.parameters, "float128")

    def slope(path: str, direction: Array) -> Scalar:
        return central_difference(lambda point: loss_at(truth, probe, point), start, _along(model, path, direction))

    rows = []
    for path, expected in gradient.items():
        scale = magnitude(expected) or 1.0
        flat = expected.reshape(-1)
        largest = int(np.argmax(np.abs(flat)))
        entries = {largest, *(int(index) for index in rng.integers(0, flat.size, 3))}
        error = 0.0
        for index in entries:
            unit = np.zeros(expected.shape)
            unit.reshape(-1)[index] = 1
            error = max(error, abs(float(slope(path, unit) - flat[index])) / scale)
        direction = rng.choice([-1.0, 1.0], expected.shape) * 2.0 ** -np.ceil(np.log2(flat.size) / 2)
        along = np.add.reduce(np.multiply(expected, direction), axis=None)
        norm = float(np.sqrt(np.add.reduce(np.square(expected), axis=None))) or 1.0
        error = max(error, abs(float(slope(path, direction) - along)) / norm)
        rows.append({"parameter": path, "float128": error, "entries": len(entries), "directions": 1})
    return rows


def loss_at(truth: NumpyTwin, probe: Probe, parameters: Array) -> Scalar:
    """The float128 loss (or the cotangent's inner product with the output) at those parameters."""
    truth.set_parameters(parameters)
    output = truth.predict(as_dtype(probe.x, "float128"))
    if probe.cotangent is not None:
        return np.add.reduce(np.multiply(output, as_dtype(probe.cotangent, "float128")), axis=None)
    workspace = truth.workspace(len(probe.x))
    return workspace.loss(probe.y if probe.y.ndim == 1 else as_dtype(probe.y, "float128"))


def central_difference(function: Callable[[Array], Scalar], point: Array, direction: Array) -> Scalar:
    """(f(p + h d) - f(p - h d)) / 2 h in float128."""
    step = float128.array(STEP)[()] * direction
    return (function(point + step) - function(point - step)) / (2 * float128.array(STEP)[()])


def _along(model: Model, path: str, direction: Array) -> Array:
    vector = np.zeros(model.size)
    model.views(vector)[path][...] = direction
    return float128.array(vector)
