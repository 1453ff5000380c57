"""Activations and layers in the matrix: each alone, between an input and a random cotangent.

Scratch itself is held against the definition of the derivative, central differences of its forward pass in float128; a
framework against scratch in float128, in the framework's convention and, where that is another formula, in the paper's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from backends import Backend, float128
from backends.interface import Pullback, Twin
from backends.numpy_backend import NumpyTwin, as_dtype
from comparisons.gradients import STEP
from comparisons.ladder import Ladder
from comparisons.verification.cells import Cell, Effort, Task, cell, judge_results, same_bits
from scratch.activations import ACTIVATIONS, Activation
from scratch.arrays import Array, Convention
from scratch.layers import LAYERS, VARIANTS, Embedding, Layer
from scratch.losses import mean_squared_error
from scratch.model import Model
from scratch.optimizers import SGD

DTYPES = ("float32", "float64")
WIDTH = 6
ROWS = 8
BATCHES = 3
"""After how many batches in training the layer's state is compared."""


@dataclass(frozen=True)
class Point:
    """A one-layer network, where it is evaluated, and the cotangent."""

    model: Model
    parameters: Array
    batches: tuple[Array, ...]
    cotangent: Array
    masks: Mapping[str, Array]
    state: Array
    """The layers' state at the start, which is not the first one: a mean of zero would hide whether it is used."""
    compare: Array
    """(batch, inputs): where the input's derivative is compared; not on kinks."""

    @classmethod
    def of(cls, layer: Layer, inputs: int, batches: tuple[Array, ...], rng: np.random.Generator) -> "Point":
        """The layer alone. All numbers are exact in float32."""
        model = Model(inputs, (layer,), mean_squared_error())
        parameters = model.initialize(rng)
        # Scales that start at one and offsets that start at zero would hide whether they are used.
        parameters += 0.25 * rng.standard_normal(parameters.shape)
        parameters = parameters.astype(np.float32).astype(np.float64)
        rows = len(batches[0])
        cotangent = rng.standard_normal((rows, model.widths[-1])).astype(np.float32)
        compare = np.ones((rows, inputs), dtype=bool)
        if isinstance(layer, Activation):
            for kink in layer.kinks:
                compare &= batches[0] != np.float32(kink)
        start = model.initial_state()
        state = start * (1 + np.abs(rng.normal(0, 0.25, start.shape))) + np.abs(rng.normal(0, 0.25, start.shape))
        state = state.astype(np.float32).astype(np.float64)
        return cls(model, parameters, batches, cotangent, model.draw_masks(rng, rows), state, compare)

    def pull_back(self, twin: Twin, dtype: str, *, training: bool) -> Pullback:
        """Output and gradients at the first batch."""
        twin.set_state(as_dtype(self.state, dtype))
        if self.masks:
            twin.set_masks(self.masks)
        return twin.vjp(as_dtype(self.batches[0], dtype), as_dtype(self.cotangent, dtype), training=training)

    def state_after(self, twin: Twin, dtype: str) -> Array:
        """The layer's state after all batches in training."""
        twin.set_state(as_dtype(self.state, dtype))
        if self.masks:
            twin.set_masks(self.masks)
        for batch in self.batches:
            twin.vjp(as_dtype(batch, dtype), as_dtype(self.cotangent, dtype))
        return twin.state()

    @cached_property
    def truth(self) -> NumpyTwin:
        """Scratch in float128."""
        return NumpyTwin(self.model, self.parameters, SGD(), "float128")

    def differences(self, *, training: bool) -> tuple[Array, Array, float]:
        """Derivatives of sum(output * cotangent) by input and parameters from central differences, and their relative error."""
        x, p = as_dtype(self.batches[0], "float128"), as_dtype(self.parameters, "float128")
        cotangent = as_dtype(self.cotangent, "float128")
        truth = self.truth

        def at(parameters: Array, inputs: Array) -> Any:
            truth.set_parameters(parameters)
            truth.set_state(as_dtype(self.state, "float128"))
            if self.masks:
                truth.set_masks(self.masks)
            output = truth.vjp(inputs, cotangent, training=training).output
            return np.add.reduce(np.multiply(output, cotangent), axis=None)

        found = []
        worst = 0.0
        for array, value in ((x, lambda moved: at(p, moved)), (p, lambda moved: at(moved, x))):
            slopes = np.zeros_like(array)
            if array is x and _takes_indices(self.model.layers[0]):
                found.append(slopes)  # a whole number does not move
                continue
            for index in np.ndindex(array.shape):
                if array is x and not self.compare[index]:
                    continue
                once, twice = (_slope(value, array, index, h) for h in (STEP, 2 * STEP))
                slopes[index] = once
                worst = max(worst, abs(float(twice - once)))
            found.append(slopes)
        truth.set_parameters(p)
        size = max(float(np.abs(found[0]).max(initial=0)), 1.0)
        return found[0], found[1], (worst + float128.UNIT_ROUNDOFF * size / STEP) / size


def _slope(value: Any, array: Array, index: tuple[int, ...], step: float) -> Any:
    h = float128.array(step)[()]
    up, down = array.copy(), array.copy()
    up[index] += h
    down[index] -= h
    return (value(up) - value(down)) / (2 * h)


def activation_cells(task: Task, backend: Backend, effort: Effort) -> Iterator[Cell]:  # noqa: ARG001  (one signature for all)
    """Value and derivative of an activation at its samples and at random inputs."""
    entry = ACTIVATIONS[task.name]
    for convention, formula in _formulas(entry, backend.convention):
        rng = np.random.default_rng(0)
        count = -(-len(formula.samples) // WIDTH) * WIDTH + 2 * WIDTH
        values = np.concatenate([formula.samples, rng.standard_normal(count - len(formula.samples))])
        x = values.astype(np.float32).reshape(-1, WIDTH)
        yield from _cells(task, backend, convention, Point.of(formula, WIDTH, (x,), rng), entry)


def layer_cells(task: Task, backend: Backend, effort: Effort) -> Iterator[Cell]:
    """Output, derivatives and state of a layer, in training and in inference."""
    cases = [("", LAYERS[task.name](WIDTH))]
    if effort.variants:
        cases += [(name, make(WIDTH)) for name, make in VARIANTS.get(task.name, {}).items()]
    for case, layer in cases:
        for convention, formula in _formulas(layer, backend.convention):
            rng = np.random.default_rng(0)
            batches = tuple(_batch(formula, rng) for _ in range(BATCHES))
            yield from _cells(task, backend, convention, Point.of(formula, WIDTH, batches, rng), layer, case)


def _batch(layer: Any, rng: np.random.Generator) -> Array:
    if _takes_indices(layer):
        return rng.integers(0, layer.tokens, (ROWS, WIDTH)).astype(np.float32)
    return rng.standard_normal((ROWS, WIDTH)).astype(np.float32)


def _takes_indices(layer: Any) -> bool:
    return isinstance(layer, Embedding)


def _formulas(entry: Any, convention: Convention | None) -> Iterator[tuple[Convention, Any]]:
    """The formula that a backend should have, and the paper's where that is another one."""
    if convention is None:
        yield "paper", entry
        return
    own = entry.in_convention(convention)
    yield convention, own
    if own != entry:
        yield "paper", entry


def _cells(task: Task, backend: Backend, convention: Convention, point: Point, entry: Layer, case: str = "") -> Iterator[Cell]:
    own = entry if backend.convention is None else entry.in_convention(backend.convention)
    mine = Model(point.model.inputs, (own,), point.model.loss)
    twins = {dtype: backend.mirror(mine, point.parameters, SGD(), dtype) for dtype in DTYPES}
    modes = {"": True} if isinstance(entry, Activation) else {"": True, " in inference": False}
    for suffix, training in modes.items():
        true = point.pull_back(point.truth, "float128", training=training)
        found = {dtype: point.pull_back(twin, dtype, training=training) for dtype, twin in twins.items()}
        dx, dp, uncertain = true.input_gradient, true.gradients, 0.0
        if backend.convention is None:
            dx, dp, uncertain = point.differences(training=training)
            found["float128"] = true
        outputs = {dtype: found[dtype].output for dtype in DTYPES}
        yield cell(task, convention, f"value{suffix}", judge_results(outputs, true.output), case)
        if point.compare.any() and true.input_gradient.any():
            derivatives = {dtype: pullback.input_gradient[point.compare] for dtype, pullback in found.items()}
            ladder = judge_results(derivatives, dx[point.compare], uncertain)
            yield cell(task, convention, f"input derivative{suffix}", ladder, case)
        if point.model.size:
            gradients = {dtype: pullback.gradients for dtype, pullback in found.items()}
            yield cell(task, convention, f"parameter derivative{suffix}", judge_results(gradients, dp, uncertain), case)
    if point.model.state_size:
        true_state = point.state_after(point.truth, "float128")
        states = {dtype: point.state_after(twin, dtype) for dtype, twin in twins.items()}
        yield cell(task, convention, "running state", judge_results(states, true_state), case)
    if point.model.size or point.model.state_size:
        yield cell(task, convention, "restored", _restored(backend, mine, point, twins), case)


def _restored(backend: Backend, model: Model, point: Point, twins: Mapping[str, Twin]) -> Ladder:
    """Parameters and state out of one twin and into a fresh one: the same bits come out of it."""
    same = {}
    for dtype, twin in twins.items():
        point.state_after(twin, dtype)
        fresh = backend.mirror(model, np.zeros(model.size), SGD(), dtype)
        fresh.set_parameters(twin.parameters())
        fresh.set_state(twin.state())
        x = as_dtype(point.batches[0], dtype)
        same[dtype] = np.array_equal(fresh.predict(x), twin.predict(x)) and np.array_equal(fresh.state(), twin.state())
    return same_bits(same)
