"""A case on a backend at one precision: what comes out, by quantity."""

from functools import lru_cache
from typing import Any

import numpy as np

from backends import Backend
from backends.interface import Twin
from backends.numpy_backend import NumpyBackend, as_dtype
from comparisons.fuzzing.cases import KERNEL, Case, loss_of, network_of, optimizer_of
from scratch.activations import ACTIVATIONS
from scratch.arrays import Array
from scratch.layers import Dense
from scratch.losses import mean_squared_error
from scratch.model import Model
from scratch.optimizers import SGD

SCRATCH = NumpyBackend()
NOTHING = np.zeros(0)
OF_ONE_KERNEL = Model(KERNEL[0], (Dense(*KERNEL, bias=False),), mean_squared_error())
KEPT = 1024
"""So many twins are kept: making one takes longer than asking it."""


def results(case: Case, backend: Any, dtype: str, convention: str) -> dict[str, Array]:
    """What a `Backend` makes of a case, by quantity. Scratch follows the convention, a framework has its own."""
    x = {name: array if array.dtype.kind in "iu" else as_dtype(array, dtype) for name, array in case.arrays.items()}
    if case.kind == "activation":
        pullback = _activation_twin(backend, case.name, dtype, convention).vjp(x["z"], x["cotangent"])
        return {"value": pullback.output, "derivative": pullback.input_gradient}
    if case.kind == "loss":
        twin = _loss_twin(backend, case.name, case.setting, x["z"].shape[1], dtype, convention)
        value, pullback = twin.loss_and_gradients(x["z"], x["y"], x.get("weights"))
        return {"value": as_dtype(value, dtype).reshape(1), "derivative": pullback.input_gradient}
    if case.kind == "network":
        twin = network_twin(backend, case.name, case.widths, dtype, convention)
        twin.set_parameters(x["parameters"])
        return {"gradients": twin.vjp(x["x"], x["cotangent"]).gradients}
    return {"parameters": _stepped(case, backend, dtype, convention, x["parameters"], x["gradients"])}


def _stepped(case: Case, backend: Any, dtype: str, convention: str, parameters: Array, gradients: Array) -> Array:
    """The parameters after every gradient, (steps, inputs, outputs)."""
    twin, state = _optimizer_twin(backend, case.name, case.setting, dtype, convention)
    twin.set_parameters(parameters.ravel())
    if backend is not SCRATCH:
        # The twin is used again and again, and gets its first state back; the running mean starts from the parameters.
        twin.set_optimizer_state(state | {name: parameters.ravel() for name in state if name == "average"}, 0)
    trajectory = []
    for gradient in gradients:
        twin.apply_gradients(gradient.ravel())
        trajectory.append(twin.parameters().reshape(KERNEL))
    return np.stack(trajectory)


@lru_cache(KEPT)
def _activation_twin(backend: Backend, name: str, dtype: str, convention: str) -> Twin:
    entry = ACTIVATIONS[name].in_convention(convention)
    return backend.mirror(Model(4, (entry,), mean_squared_error()), NOTHING, SGD(), dtype)


@lru_cache(KEPT)
def _loss_twin(backend: Backend, name: str, setting: int, units: int, dtype: str, convention: str) -> Twin:
    loss = loss_of(Case("loss", name, setting)).loss.in_convention(convention)
    return backend.mirror(Model(units, (), loss), NOTHING, SGD(), dtype)


@lru_cache(KEPT)
def network_twin(backend: Backend, name: str, widths: tuple[int, ...], dtype: str, convention: str) -> Twin:
    """The network of a case in a framework."""
    model = network_of(name, widths).in_convention(convention)
    return backend.mirror(model, np.zeros(model.size), SGD(), dtype)


def _optimizer_twin(backend: Any, name: str, setting: int, dtype: str, convention: str) -> tuple[Twin, dict[str, Any]]:
    """A twin whose one parameter is a kernel, and its optimizer's first state; scratch's is made anew, which takes no time."""
    if backend is SCRATCH:
        optimizer = optimizer_of(Case("optimizer", name, setting), convention)
        return SCRATCH.mirror(OF_ONE_KERNEL, np.zeros(OF_ONE_KERNEL.size), optimizer, dtype), {}
    return _optimizer_twin_kept(backend, name, setting, dtype, convention)


@lru_cache(KEPT)
def _optimizer_twin_kept(backend: Backend, name: str, setting: int, dtype: str, convention: str) -> tuple[Twin, dict[str, Any]]:
    optimizer = optimizer_of(Case("optimizer", name, setting), convention)
    twin = backend.mirror(OF_ONE_KERNEL, np.zeros(OF_ONE_KERNEL.size), optimizer, dtype)
    return twin, twin.optimizer_state()[0]
