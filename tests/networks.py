"""Networks, batches and planted mistakes for the tests."""

import itertools
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from backends.numpy_backend import NumpyTwin
from comparisons.gradients import compare_gradients, make_probes
from scratch.activations import ACTIVATIONS
from scratch.initializers import he_normal, normal
from scratch.layers import LAYERS, Dense, Embedding
from scratch.losses import LOSSES, cases, sample_targets
from scratch.model import Model
from scratch.optimizers import SGD, Adam

DTYPES = ("float32", "float64")
LOSS_CASES = [
    (case.loss, case.indices)
    for name in LOSSES
    for case in cases(name)
    if case.loss.outputs == "real" and not case.loss.kinks and not (case.loss.given or case.weighted or case.edges)
]
"""Losses that take any outputs and have no kink, with every reduction, rows as targets and class indices (True)."""


def loss_id(case):
    return f"{case[0].name}-{case[0].reduction}-{'indices' if case[1] else 'rows'}"


def network(widths, activation="relu", loss=None, output="linear", bias=True):
    """A network of dense layers with one activation between them."""
    layers = []
    for index, (fan_in, fan_out) in enumerate(itertools.pairwise(widths)):
        entry = ACTIVATIONS[output if index == len(widths) - 2 else activation]
        layers += [Dense(fan_in, entry.inputs(fan_out), he_normal(), normal(0.3), bias=bias), entry]
    return Model(widths[0], tuple(layers), loss or LOSSES["softmax_cross_entropy"]("mean"))


def batch_for(model, rows, rng, indices=True):
    """Random inputs, and targets as the loss takes them; all numbers exact in float32."""
    x = rng.standard_normal((rows, model.widths[0])).astype(np.float32)
    if model.layers and isinstance(model.layers[0], Embedding):
        x = rng.integers(0, model.layers[0].tokens, x.shape).astype(np.float32)
    units = model.widths[-1]
    return x, sample_targets(model.loss, rng, rows, units, indices=indices)


def ladder_rows(model, backend, rng, rows=8, truth_model=None, indices=True, batches=1):
    """The gradient comparison of one backend's twins of `model` with the float128 truth of `truth_model`, in its convention."""
    truth_model = (truth_model or model).in_convention(backend.convention or "paper")
    parameters = model.initialize(rng)
    probes = make_probes(truth_model, [parameters], [batch_for(truth_model, rows, rng, indices) for _ in range(batches)], rng)
    truth = NumpyTwin(truth_model, parameters, SGD(), "float128")
    twins = {backend.name: {dtype: backend.mirror(model, parameters, SGD(), dtype) for dtype in DTYPES}}
    found, _ = compare_gradients(truth_model, probes, truth, twins)
    return found


@st.composite
def random_networks(draw, mixed=False, gaps=()):
    """A network of up to three dense layers with any activations and loss, how many rows to give it, and a seed.

    A mixed one may begin with an embedding, and has another layer that keeps the width behind each dense one. `gaps` are a backend's.
    """
    widths = draw(st.lists(st.integers(1, 6), min_size=2, max_size=4))
    safe = [entry.name for entry in ACTIVATIONS.values() if not entry.overflows and f"activation/{entry.name}" not in gaps]
    activations = st.sampled_from(sorted(safe))
    layers = []
    for fan_in, fan_out in itertools.pairwise(widths):
        activation = ACTIVATIONS[draw(activations)]
        width = activation.inputs(fan_out)
        layers.append(Dense(fan_in, width, he_normal(), normal(0.3), bias=draw(st.booleans())))
        if mixed:
            layers.append(draw(st.sampled_from(keeping_width(width))))
        layers.append(activation)
    loss, indices = draw(st.sampled_from([case for case in LOSS_CASES if f"loss/{case[0].name}" not in gaps]))
    inputs = widths[0]
    if mixed and inputs % 2 == 0 and draw(st.booleans()):
        layers.insert(0, Embedding(5, 2))
        inputs //= 2
    model = Model(inputs, tuple(layers), loss)
    return model, indices, draw(st.integers(model.fewest_rows, 9)), draw(st.integers(0, 2**32 - 1))


def keeping_width(width):
    """A layer of each kind that takes any numbers and gives as many; a group of one unit is what PyTorch refuses for one row."""
    layers = [make(width) for name, make in LAYERS.items() if width > 1 or name != "group_normalization"]
    return [layer for layer in layers if layer.units(width) == width and not isinstance(layer, Dense | Embedding)]


@dataclass(frozen=True)
class MistakenDense(Dense):
    """A dense layer whose backward pass has the planted mistake named."""

    mistake: str = ""

    def backward(self, parameters, x, y, dy, gradients, dx, work):
        super().backward(parameters, x, y, dy, gradients, dx, work)
        kernel, bias = gradients["kernel"], gradients["bias"]
        if self.mistake == "sign":
            np.negative(kernel, out=kernel)
        elif self.mistake == "transposed":
            kernel[...] = kernel.T.copy()
        elif self.mistake == "bias not summed":
            bias[...] = dy[-1]
        elif self.mistake == "bias averaged":
            np.divide(bias, len(dy), out=bias)
        elif self.mistake == "tiny":
            np.multiply(kernel, 1 + 1e-10, out=kernel)
        elif self.mistake == "kernel forgotten" and dx is not None:
            np.copyto(dx, dy)


def _mistaken_loss(change):
    def plant(loss):
        def rule(z, y, dz, work, **settings):
            terms = loss.rule(z, y, dz, work, **settings)
            change(dz, z)
            return terms

        return replace(loss, rule=rule)

    return plant


def with_dense_mistake(model, mistake):
    layers = list(model.layers)
    index = max(i for i, layer in enumerate(layers) if isinstance(layer, Dense) and layer.inputs == layer.outputs)
    dense = layers[index]
    layers[index] = MistakenDense(
        dense.inputs, dense.outputs, dense.kernel_initializer, dense.bias_initializer, mistake=mistake
    )
    return replace(model, layers=tuple(layers))


def with_activation_mistake(model, name, derivative_rule):
    layers = [replace(layer, derivative_rule=derivative_rule) if layer.name == name else layer for layer in model.layers]
    return replace(model, layers=tuple(layers))


def _no_mask(z, a, da, dz, work):
    np.copyto(dz, da)


def _softmax_times_3(z, a, da, dz, work):
    ACTIVATIONS["softmax"].derivative_rule(z, a, da, dz, work)
    np.multiply(dz, 3, out=dz)


def _softmax_diagonal_only(z, a, da, dz, work):
    np.subtract(1, a, out=dz)
    np.multiply(dz, a, out=dz)
    np.multiply(dz, da, out=dz)


def _sigmoid_of_input(z, a, da, dz, work):
    np.subtract(1, z, out=dz)
    np.multiply(dz, z, out=dz)
    np.multiply(dz, da, out=dz)


GRADIENT_MISTAKES = {
    "sign": lambda model: with_dense_mistake(model, "sign"),
    "missing 1/N": lambda model: replace(model, loss=_mistaken_loss(lambda dz, z: np.multiply(dz, len(z), out=dz))(model.loss)),
    "transposed kernel gradient": lambda model: with_dense_mistake(model, "transposed"),
    "bias not summed": lambda model: with_dense_mistake(model, "bias not summed"),
    "bias averaged": lambda model: with_dense_mistake(model, "bias averaged"),
    "kernel forgotten in dx": lambda model: with_dense_mistake(model, "kernel forgotten"),
    "wrong by 1e-10": lambda model: with_dense_mistake(model, "tiny"),
    "ReLU mask missing": lambda model: with_activation_mistake(model, "relu", _no_mask),
    "softmax backward times 3": lambda model: with_activation_mistake(model, "softmax", _softmax_times_3),
    "softmax as if elementwise": lambda model: with_activation_mistake(model, "softmax", _softmax_diagonal_only),
    "sigmoid derivative of the input": lambda model: with_activation_mistake(model, "sigmoid", _sigmoid_of_input),
}
"""Planted mistakes: functions from a right model to a wrong one."""


@dataclass(frozen=True)
class LateAdam(Adam):
    """Adam whose t runs one ahead."""

    def bias_corrections(self, t, dtype):
        return super().bias_corrections(t + 1, dtype)


@dataclass(frozen=True)
class ForgetfulAdam(Adam):
    """Adam whose moments and t are reset at every batch."""

    def update(self, state):
        state.load({name: np.zeros_like(slot) for name, slot in state.slots.items()}, 0)
        super().update(state)


@dataclass(frozen=True)
class SquaredOnce(Adam):
    """Adam that takes the square root of v twice."""

    def update(self, state):
        super().update(state)
        np.sqrt(state.slots["v"], out=state.slots["v"])


@dataclass(frozen=True)
class UncorrectedAdam(Adam):
    """Adam without bias correction."""

    def bias_corrections(self, t, dtype):
        return dtype.type(1) if dtype.itemsize > 8 else 1.0, dtype.type(1) if dtype.itemsize > 8 else 1.0


@dataclass(frozen=True)
class ReversedSGD(SGD):
    """Gradient ascent."""

    def update(self, state):
        np.negative(state.gradients, out=state.gradients)
        super().update(state)


OPTIMIZER_MISTAKES = {
    "t off by one": (LateAdam(), Adam()),
    "moments reset every batch": (ForgetfulAdam(), Adam()),
    "epsilon in the wrong place": (Adam(convention="keras"), Adam()),
    "no bias correction": (UncorrectedAdam(), Adam()),
    "square root of v twice": (SquaredOnce(), Adam()),
    "sign": (ReversedSGD(), SGD()),
    "Nesterov forgotten": (SGD(momentum=0.9), SGD(momentum=0.9, nesterov=True)),
}
"""Planted mistakes: the wrong optimizer and the right one."""
