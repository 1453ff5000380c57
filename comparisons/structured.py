"""Every single parameter's gradient from forward passes alone, fast enough to check a backward pass without sampling.

A dense layer computes z = a W + b. Moving one weight W[i, j] by h moves one column, z[n, j] += h a[n, i], and nothing beside or
below it; b[j] is the weight of an input that is always one. So:
- everything below is computed once, and a row n with a[n, i] = 0 does not change at all;
- through elementwise activations the perturbations of all columns j travel in one array, each entry perturbed alone;
- a unit that did not change (a closed ReLU) ends the perturbation; the change d of any other enters the next dense layer as a
  rank-one update of what is known there, z'[n, :] + d W'[j, :], and from there on each perturbation is a row of its own;
- L is a sum over rows, and dL = sum_nk dL/dz_nk dz_nk at the output, where dL/dz_nk is measured too, from the loss's value.
So 784-100-100-2-1 with a fifth of its pixels lit costs 6 million multiplications per batch of 8, not 8 times 88,805 squared.

The step is imaginary: f(x + i e) = f(x) + i e f'(x) - e^2 f''(x) / 2 - ..., so Im f(x + i e) / e is f'(x) without a subtraction, exact
to rounding once e^2 is below it (W. Squire, G. Trapp, Using Complex Variables to Estimate Derivatives of Real Functions,
SIAM Review 40 (1998)). Scratch's forward rules run unchanged; no derivative rule is called.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from backends.numpy_backend import NumpyTwin
from comparisons.gradients import KINK, VANISHING, Probe
from comparisons.ladder import UNIT_ROUNDOFF, Verdict, as_row, judge, magnitude, worst
from scratch.activations import Activation
from scratch.arrays import Array, Work
from scratch.layers import Dense
from scratch.model import Model
from scratch.optimizers import SGD

CHUNK = 2**17
"""Numbers per array of perturbed rows: it bounds the memory, and arrays of this size stay in the cache."""

IMAGINARY = {"float32": 2.0**-40, "float64": 2.0**-300}
"""The imaginary step e: e^2 vanishes beside 1, and e times a gradient small beyond use is still a normal number."""

_ANALYTIC = """add subtract multiply divide reciprocal negative positive square sqrt power matmul
    exp expm1 log log1p sin cos sinh cosh tanh arctan"""
_BRANCHES = "maximum minimum greater greater_equal less less_equal equal not_equal isfinite isnan"
_UFUNCS = {getattr(np, name) for name in f"{_ANALYTIC} {_BRANCHES}".split()}
_LINEAR: set[Any] = {np.dot, np.copyto, np.where, np.sum, np.empty_like, np.zeros_like, np.ones_like}


class ComplexStep(np.ndarray[Any, Any]):
    """A complex array that lets through only what is piecewise analytic, so that a wrong derivative cannot slip out.

    NumPy orders complex numbers by the real part and, where that is equal, by the imaginary one: comparisons, `maximum` and
    `minimum` decide a branch as an infinitely small real step would. Only |z| needs help, NumPy's is the modulus: max(z, -z).
    """

    def __array_ufunc__(self, ufunc: np.ufunc, method: Any, *inputs: Any, **kwargs: Any) -> Any:
        operands = [_plain(operand) for operand in inputs]
        if ufunc is np.absolute:
            ufunc, operands = np.maximum, [operands[0], -operands[0]]
        elif ufunc not in _UFUNCS:
            return NotImplemented
        out = kwargs.get("out")
        if out:
            kwargs["out"] = tuple(_plain(target) for target in out)
        result = getattr(ufunc, method)(*operands, **kwargs)
        return out[0] if out else result.view(ComplexStep) if np.ndim(result) and np.iscomplexobj(result) else result

    def __array_function__(self, func: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        return super().__array_function__(func, types, args, kwargs) if func in _LINEAR else NotImplemented


def _plain(operand: Any) -> Any:
    return operand.view(np.ndarray) if isinstance(operand, ComplexStep) else operand


@dataclass(frozen=True)
class Structured:
    """Gradients of all parameters, flat, with what is needed to judge others by them."""

    gradients: Array
    scales: Array
    """What rounding in each gradient is relative to: sum_n |a[n, i]| |dL/dz[n, j]|, where a factor that was computed counts as at
    least the root mean square of its row: one that cancelled, or lies behind a saturation, rounds like its neighbours. The largest
    scale of all where that vanishes beside it."""
    on_kink: Array
    """Where a perturbation moves a unit that sits on a kink: the derivative from one side only, maybe not the other's."""
    complex_step: bool
    error: float = 0.0
    """The largest of central differences, relative to the scales; 0 for the complex step, which is exact to rounding."""


@dataclass(frozen=True)
class ModelCheck:
    """What became of every parameter's gradient."""

    parameters: pd.DataFrame
    """One row per block of parameters, with its ladder and the path of its worst entry."""
    verified: int
    """How many gradients were judged: all but those on kinks."""
    error: float
    """The largest error of the finest rung, relative to the largest gradient."""
    complex_step: bool

    @property
    def verdict(self) -> Verdict:
        """The most severe verdict of all blocks."""
        return worst(list(self.parameters["verdict"]) if len(self.parameters) else [])

    def _repr_html_(self) -> str:
        return str(self.parameters.to_html(index=False))


@np.errstate(all="ignore")  # what is not finite shows in the result
def check_model(
    model: Model, parameters: Array, x: Array, y: Array, gradients: Mapping[str, Array] | Array | None = None
) -> ModelCheck:
    """Every parameter's gradient on the ladder, against perturbations of the forward pass.

    `gradients` are flat vectors by precision, "float32" and "float64", as a backend's twins give them; scratch's own where None. A
    float64 vector alone is enough: the perturbations in float32 then show how well conditioned the network is.

    An entry's error is relative to its own scale (see `Structured`), so that a mistake in the weights of a faint input stands out
    as much as in those of a bright one.
    """
    truth = structured_gradients(model, parameters, x, y)
    if gradients is None:
        probe = Probe(parameters, x, y)
        gradients = {name: probe.gradients(NumpyTwin(model, parameters, SGD(), name), name) for name in IMAGINARY}
    elif not isinstance(gradients, Mapping):
        gradients = {gradients.dtype.name: gradients}
    if set(gradients) == {"float64"}:
        coarse = structured_gradients(model, parameters, x, y, dtype="float32")
        gradients = {"float32": coarse.gradients, **gradients}
    rungs = [name for name in IMAGINARY if name in gradients]
    found = model.views(gradients[rungs[-1]])
    expected, on_kink = model.views(truth.gradients), model.views(truth.on_kink)
    errors = {name: model.views(_errors(gradients[name], truth)) for name in rungs}
    rows = []
    for path, fine in errors[rungs[-1]].items():
        row = as_row(judge({name: magnitude(errors[name][path]) for name in rungs}, reference_error=truth.error))
        kinks = np.argwhere(on_kink[path])
        if len(kinks) and row["verdict"] != "wrong":
            reason = f"{len(kinks)} on a kink, where either side is right, {_path(path, kinks[0])} first"
            row |= {"verdict": "inconclusive", "reason": reason}
        place = np.unravel_index(np.argmax(fine), fine.shape)
        rows.append(
            {
                "parameter": path,
                **row,
                "verified": fine.size - len(kinks),
                "on_kinks": len(kinks),
                "worst": _path(path, place),
                "found": float(found[path][place]),
                "expected": float(expected[path][place]),
            }
        )
    whole = np.where(truth.on_kink, 0, np.abs(gradients[rungs[-1]] - truth.gradients)).max(initial=0.0)
    verified = model.size - int(truth.on_kink.sum())
    return ModelCheck(pd.DataFrame(rows), verified, float(whole) / (magnitude(truth.gradients) or 1.0), truth.complex_step)


def _errors(gradients: Array, truth: Structured) -> Array:
    """Relative errors; infinite where a gradient is not finite and the truth is, NaN where that is not, 0 on kinks."""
    errors = np.where(np.isfinite(gradients), np.abs(gradients - truth.gradients) / truth.scales, np.inf)
    return np.where(truth.on_kink, 0, np.where(np.isfinite(truth.gradients), errors, np.nan))


def _path(path: str, place: Any) -> str:
    return f"{path}[{', '.join(str(index) for index in place)}]"


@np.errstate(all="ignore")
def structured_gradients(model: Model, parameters: Array, x: Array, y: Array, *, dtype: str = "float64") -> Structured:
    """The gradient of the loss with respect to every parameter, each from a perturbation of its own.

    Activations and losses that are not piecewise analytic, or do not take complex numbers, get central differences; their error
    is measured by doubling the step. `dtype` is the precision, float32 or float64. Layers other than Dense and activations raise
    ValueError, and so do regularizers.
    """
    for name, layer in zip(model.layer_names, model.layers, strict=True):
        if not isinstance(layer, Dense | Activation):
            raise ValueError(
                f"{name}: only dense layers and activations can be perturbed. "
                "Leave this layer out, or check it with comparisons.gradients.check_truth, which takes every layer."
            )
        if isinstance(layer, Dense) and layer.kernel_regularizer:
            raise ValueError(f"{name}.kernel_regularizer: no row has a share in a penalty. Leave it out, or use check_truth.")
    e, h = IMAGINARY[dtype], 2.0 ** round(np.log2(UNIT_ROUNDOFF[dtype]) / 3)
    point = (model, parameters, x, y, dtype)
    try:
        return _Perturbations(*point, ((1j * e, 1 / e),)).all()
    except TypeError:  # NumPy's answer where a function has no complex form, and ComplexStep's where that is not analytic
        once, twice = (_Perturbations(*point, ((s, 0.5 / s), (-s, -0.5 / s))).all() for s in (h, 2 * h))
    error = magnitude((twice.gradients - once.gradients) / once.scales)
    return replace(once, on_kink=once.on_kink | twice.on_kink, error=error)


class _Perturbations:
    """One network at one point: its unperturbed values, and the arrays that perturbed rows pass through.

    `steps` are pairs (h, weight): the derivative is the sum of weight times the rise (its imaginary part for an imaginary h).
    """

    def __init__(
        self, model: Model, parameters: Array, x: Array, y: Array, dtype: str, steps: tuple[tuple[complex, float], ...]
    ) -> None:
        self.model, self.steps = model, steps
        self.complex = isinstance(steps[0][0], complex)
        parameters = np.array(parameters, dtype=dtype)
        values = [np.array(x, dtype=dtype)]
        self.reach: list[Array | None] = []
        """By layer, how far each unit's input is from a kink; 0 where that is no more than rounding, None without kinks."""
        for layer, views, width in zip(model.layers, model.views_by_layer(parameters), model.widths[1:], strict=True):
            values.append(np.empty((len(x), width), dtype))
            layer.forward(views, values[-2], values[-1], Work.empty(parameters, len(x), width))
            self.reach.append(_reach(layer, values[-2]) if isinstance(layer, Activation) and layer.kinks else None)
        self.values = [self._lift(value) for value in values]
        self.parameters = list(model.views_by_layer(self._lift(parameters)))
        self.alone = [isinstance(layer, Activation) and not layer.halves and self._elementwise(layer) for layer in model.layers]
        self.slopes = self._slopes(y if y.ndim == 1 else np.array(y, dtype=dtype))
        self.rows = max(CHUNK // max(model.widths), *model.widths)
        self.outputs = [self._lift(np.zeros((self.rows, width), dtype)) for width in model.widths[1:]]
        self.works = [Work.empty(output, *output.shape) for output in self.outputs]

    def _lift(self, values: Array) -> Array:
        """Ready for steps of our kind."""
        return (values + 0j).astype(np.result_type(values, np.complex64)).view(ComplexStep) if self.complex else values

    def _measured(self, rise: Array) -> Array:
        measured: Array = _plain(rise).imag if self.complex else rise
        return measured

    def _elementwise(self, activation: Activation) -> bool:
        """Whether an output depends on its own input only: tried, since softmax does not say."""
        z = self._lift(np.tile([-0.3, 0.1, 0.4], (3, 1)))
        a, b = np.empty_like(z), np.empty_like(z)
        work = Work.empty(z, 3, 3)
        activation.forward({}, z, a, work)
        moved = z + (self.steps[0][0] * np.eye(3)).astype(z.dtype)
        activation.forward({}, moved, b, work)
        return not self._measured(b - a)[~np.eye(3, dtype=bool)].any()

    def _slopes(self, y: Array) -> Array:
        """dL/dz (batch, units) at the output, row by row from the loss's value."""
        output, loss = self.values[-1], self.model.loss
        slopes = np.zeros(output.shape)
        dz, work = np.empty_like(output[:1]), Work.empty(output, 1, output.shape[1])
        for n, k in np.ndindex(*output.shape):
            for step, weight in self.steps:
                row = output[n : n + 1].copy()
                row[0, k] += step
                terms = loss.terms(row, y[n : n + 1], dz, work)
                value = np.add.reduce(terms, axis=None) / loss.divisor(*output.shape)
                slopes[n, k] += weight * float(value.imag if self.complex else value)
        return slopes

    def all(self) -> Structured:
        """Perturb every parameter."""
        size = self.model.size
        found = Structured(np.zeros(size), np.zeros(size), np.zeros(size, dtype=bool), self.complex)
        start = 0
        for index, layer in enumerate(self.model.layers):
            if not isinstance(layer, Dense):
                continue
            stop = start + (layer.inputs + layer.bias) * layer.outputs
            # The kernel and, as one more row of it, the bias.
            gradients, scales, on_kink = (
                vector[start:stop].reshape(-1, layer.outputs) for vector in (found.gradients, found.scales, found.on_kink)
            )
            start = stop
            inputs = np.pad(_plain(self.values[index]).real, ((0, 0), (0, int(layer.bias))), constant_values=1)
            slopes = np.zeros((len(inputs), layer.outputs))
            for n, a in enumerate(inputs):
                slopes[n] = self._shares(index, n, np.ones(1, a.dtype))[0]
                lit, step = np.flatnonzero(a), self.rows // layer.outputs
                for part in (lit[first : first + step] for first in range(0, len(lit), step)):
                    shares, touched = self._shares(index, n, a[part])
                    gradients[part] += shares
                    on_kink[part] |= touched
            scales[...] = (_typical(inputs) if index else np.abs(inputs)).T @ _typical(slopes)
        top = magnitude(found.scales) or 1.0
        return replace(found, scales=np.where(found.scales < VANISHING * top, top, found.scales))

    def _shares(self, index: int, n: int, a: Array) -> tuple[Array, Array]:
        """Row n's share in dL/dW[i, j] for inputs a = a[n, i] and all j, (len(a), outputs), and whether a kink was touched."""
        shares = np.zeros((len(a), self.model.widths[index + 1]))
        touched = np.zeros(shares.shape, dtype=bool)
        for step, weight in self.steps:
            shares += weight * self._rise(index, n, (step * a)[:, None], touched)
        return shares, touched

    def _rise(self, index: int, n: int, by: Array, touched: Array) -> Array:
        """By how much L rises when z[n, j] of the layer `index` moves `by` (perturbations, 1), for every j alone."""
        values, layers = [value[n] for value in self.values], self.model.layers
        z = values[index + 1] + by
        above = index + 1
        while above < len(layers) and self.alone[above]:
            if (hit := self._touched(above, n, z)) is not None:
                touched |= hit
            z = self._forward(above, z)
            above += 1
        change = z - values[above]
        rise = self._measured(change)
        if above == len(layers):
            return np.asarray(rise * self.slopes[n])
        live = np.flatnonzero(rise.any(axis=0))
        shape = (len(z), len(live))
        layer = layers[above]
        if isinstance(layer, Dense):
            rows: Array = self.outputs[above][: len(z) * len(live)].reshape(*shape, layer.outputs)
            np.multiply(change[:, live, None], self.parameters[above]["kernel"][live], out=rows)
            np.add(rows, values[above + 1], out=rows)
            above += 1
        else:
            rows = np.empty_like(z, shape=(*shape, z.shape[1]))
            rows[...] = values[above]
            rows[:, np.arange(len(live)), live] = z[:, live]
        rows = rows.reshape(-1, rows.shape[2])
        for higher in range(above, len(layers)):
            if (hit := self._touched(higher, n, rows)) is not None:
                touched[:, live] |= hit.any(axis=1).reshape(shape)
            rows = self._forward(higher, rows)
        result = np.zeros(rise.shape)
        result[:, live] = (self._measured(rows - values[-1]) @ self.slopes[n]).reshape(shape)
        return result

    def _forward(self, index: int, x: Array) -> Array:
        y, work = self.outputs[index][: len(x)], self.works[index]
        work = Work(work.like[: len(x)], work.row[: len(x)], work.ones[: len(x)], work.unit_ones, work.zeros[: len(x)])
        self.model.layers[index].forward(self.parameters[index], x, y, work)
        return y

    def _touched(self, index: int, n: int, x: Array) -> Array | None:
        """Where an input of an activation moves and thereby comes to a kink; an imaginary step does so only on the kink itself."""
        reach = self.reach[index]
        if reach is None or (self.complex and reach[n].all()):
            return None
        moved = np.abs(self._measured(x - self.values[index][n]))
        touched: Array = (moved > 0) & (moved >= reach[n])
        return touched


def _typical(values: Array) -> Array:
    """Sizes, at least the root mean square of their row."""
    return np.asarray(np.maximum(np.abs(values), np.sqrt(np.square(values).mean(axis=1, keepdims=True))))


def _reach(activation: Activation, z: Array) -> Array:
    distance = np.abs(z[..., None] - np.array(activation.kinks, z.dtype)).min(axis=-1)
    return np.where(distance <= KINK * np.abs(z).max(initial=0.0), 0, distance)
