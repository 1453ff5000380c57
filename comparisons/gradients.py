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
"""A row with a pre-activation nearer to a kink than this, relative to the largest one, is left out of a comparison: in float64
it may fall on either side, where sums before it have cancelled by a factor of 2^13 or more, and both sides are right."""
ON_KINKS = {"verdict": "inconclusive", "reason": "every row sits on a kink, where either side is right"}


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

    def rows(self, chosen: Array) -> "Probe":
        """The same point with those rows of the batch only."""
        cotangent = None if self.cotangent is None else self.cotangent[chosen]
        return Probe(self.parameters, self.x[chosen], self.y[chosen], cotangent)


def away_from_kinks(probes: Sequence[Probe], truth: NumpyTwin) -> list[Probe]:
    """The probes without the rows that sit on a kink, and without the probes of which too few rows are left."""
    kept = []
    for probe in probes:
        truth.set_parameters(as_dtype(probe.parameters, "float128"))
        # Batch normalization gives other numbers to the rows that are left, so they are looked at again.
        chosen = np.zeros(len(probe.x), dtype=bool)
        while len(probe.x) >= truth.model.fewest_rows and not chosen.all():
            chosen = truth.forward(as_dtype(probe.x, "float128")).kink_distances() >= KINK
            probe = probe.rows(chosen)
        if len(probe.x) >= truth.model.fewest_rows:
            kept.append(probe)
    return kept


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
    the largest entry of the same parameter's true gradient, or of the whole one where that vanishes beside it. Rows of a
    batch that sit on a kink are left out; where none other is left, they are compared, but nothing is called wrong.
    """
    away = away_from_kinks(probes, truth)
    true, computed = [], []
    for probe in away or probes:
        true.append(probe.gradients(truth, "float128"))
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
            against = expected if other is None else model.views(found[other, dtype])[path]
            errors.append(relative_error(model.views(found[name, dtype])[path], against, _scale(expected, reference)))
        return largest(errors)

    def row(path: str, name: str, other: str | None = None) -> dict[str, Any]:
        shared = [dtype for dtype in twins[name] if other is None or dtype in twins[other]]
        ladder = as_row(judge({dtype: error(path, dtype, name, other) for dtype in shared}))
        if ladder["verdict"] == "wrong" and not away:
            ladder |= ON_KINKS
        return {"backend": name, **({"other": other} if other else {}), "parameter": path, **ladder}

    rows = [row(path, name) for name in twins for path in model.shapes]
    pairs = [row(path, one, other) for one, other in combinations(twins, 2) for path in model.shapes]
    return rows, pairs


def _scale(gradient: Array, whole: Array) -> float:
    """Against what a parameter's errors are measured: its largest entry, or the whole gradient's where that vanishes."""
    own, all_of_it = magnitude(gradient), magnitude(whole)
    return all_of_it if own < VANISHING * all_of_it else own


def check_truth(
    model: Model, probe: Probe, truth: NumpyTwin, twins: Mapping[str, Twin], rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Scratch's gradients at all three precisions against central differences in float128, a ladder per parameter.

    `twins` holds scratch's float32 and float64 twins. Checked are the gradient's largest entry and three random ones;
    float128 is checked along one random direction through all entries as well. The differences' own error is measured, as
    the change when their step is doubled plus the rounding u |f| / h: no rung can be nearer to the truth than that.
    """
    away = away_from_kinks([probe], truth)
    probe = away[0] if away else probe
    whole = probe.gradients(truth, "float128")
    found = {dtype: model.views(probe.gradients(twin, dtype)) for dtype, twin in twins.items()}
    start = as_dtype(probe.parameters, "float128")
    value = abs(float(loss_at(truth, probe, start)))

    def slope(path: str, direction: Array) -> tuple[Scalar, float]:
        """The slope along a direction within one parameter, and its error."""
        along = _along(model, path, direction)
        once, twice = (
            central_difference(lambda point: loss_at(truth, probe, point), start, along, h) for h in (STEP, 2 * STEP)
        )
        return once, abs(float(twice - once)) + float128.UNIT_ROUNDOFF * value / STEP

    rows = []
    for path, expected in model.views(whole).items():
        scale = _scale(expected, whole) or 1.0
        flat = expected.reshape(-1)
        errors = dict.fromkeys([*twins, "float128"], 0.0)
        reference_error = 0.0
        entries = {int(np.argmax(np.abs(flat))), *(int(index) for index in rng.integers(0, flat.size, 3))}
        for index in entries:
            unit = np.zeros(expected.shape)
            unit.reshape(-1)[index] = 1
            true, uncertainty = slope(path, unit)
            reference_error = max(reference_error, uncertainty / scale)
            errors["float128"] = max(errors["float128"], abs(float(flat[index] - true)) / scale)
            for dtype, views in found.items():
                computed = float128.array(views[path].reshape(-1)[index : index + 1])[0]
                errors[dtype] = max(errors[dtype], abs(float(computed - true)) / scale)
        # Scaled by a power of two to a length of about one, so that the slope is a random share of the gradient's norm.
        direction = rng.choice([-1.0, 1.0], expected.shape) * 2.0 ** -np.ceil(np.log2(flat.size) / 2)
        true, uncertainty = slope(path, direction)
        norm = max(float(np.sqrt(np.add.reduce(np.square(expected), axis=None))), scale)
        along = float(np.add.reduce(np.multiply(expected, direction), axis=None) - true)
        reference_error = max(reference_error, uncertainty / norm)
        errors["float128"] = max(errors["float128"], abs(along) / norm)
        ladder = as_row(judge(errors, reference_error=reference_error))
        if ladder["verdict"] == "wrong" and not away:
            ladder |= ON_KINKS
        rows.append({"parameter": path, **ladder, "reference_error": reference_error, "entries": len(entries)})
    return rows


def loss_at(truth: NumpyTwin, probe: Probe, parameters: Array) -> Scalar:
    """The float128 loss (or the cotangent's inner product with the output) at those parameters."""
    truth.set_parameters(parameters)
    workspace = truth.forward(as_dtype(probe.x, "float128"))
    if probe.cotangent is not None:
        return np.add.reduce(np.multiply(workspace.output, as_dtype(probe.cotangent, "float128")), axis=None)
    return workspace.loss(probe.y if probe.y.ndim == 1 else as_dtype(probe.y, "float128"))


def central_difference(function: Callable[[Array], Scalar], point: Array, direction: Array, step: float = STEP) -> Scalar:
    """(f(p + h d) - f(p - h d)) / 2 h in float128."""
    h = float128.array(step)[()]
    return (function(point + h * direction) - function(point - h * direction)) / (2 * h)


def partial_difference(function: Callable[[Array], Scalar], point: Array, index: tuple[int, ...]) -> tuple[Scalar, float]:
    """The derivative by one entry, and its absolute error.

    Of three steps the one with the smallest error: the usual one, one relative to the distance from 0 and 1, for derivatives
    such as y / z near 0, and one between. The error is measured: the change when the step is doubled, and the rounding, a few u
    of the value over the step.
    """
    direction = np.zeros_like(point)
    direction[index] = 1
    near = min(abs(float(point[index])), abs(float(1 - point[index])), 1.0) or 1.0
    size = abs(float(function(point)))
    found = []
    for step in (STEP, STEP * near**0.5, STEP * near):
        with np.errstate(all="ignore"):  # a longer step may lead out of the domain
            once, twice = (central_difference(function, point, direction, h) for h in (step, 2 * step))
        error = abs(float(twice - once)) + 8 * float128.UNIT_ROUNDOFF * size / step
        found.append((error if np.isfinite(error) else np.inf, once))
    error, slope = min(found, key=lambda pair: pair[0])
    return slope, error


def _along(model: Model, path: str, direction: Array) -> Array:
    vector = np.zeros(model.size)
    model.views(vector)[path][...] = direction
    return float128.array(vector)
