"""The scratch network as a backend: the only one that also runs in float128."""

from typing import Any

import numpy as np

from backends import float128
from backends.interface import Pullback
from scratch.arrays import Array, Scalar
from scratch.model import Model, Workspace
from scratch.optimizers import Optimizer


def as_dtype(values: Array, dtype: str) -> Array:
    """A copy of the values in float32, float64 or float128."""
    return float128.array(values) if dtype == "float128" else np.array(values, dtype=dtype)


class NumpyTwin:
    """A scratch model with its parameters, workspaces and optimizer state."""

    def __init__(self, model: Model, parameters: Array, optimizer: Optimizer, dtype: str) -> None:
        self.model = model
        self.dtype = dtype
        self._parameters = as_dtype(parameters, dtype)
        self._gradients = np.zeros_like(self._parameters)
        self._optimizer = optimizer
        self._state = optimizer.init(self._parameters, self._gradients)
        self._workspaces: dict[int, Workspace] = {}

    def workspace(self, batch: int) -> Workspace:
        """The arrays for that batch size, made once."""
        if batch not in self._workspaces:
            self._workspaces[batch] = Workspace(self.model, self._parameters, self._gradients, batch)
        return self._workspaces[batch]

    def parameters(self) -> Array:
        return self._parameters.copy()

    def set_parameters(self, vector: Array) -> None:
        np.copyto(self._parameters, vector)

    def predict(self, x: Array) -> Array:
        return self._forward(x).output.copy()

    def vjp(self, x: Array, cotangent: Array) -> Pullback:
        workspace = self._forward(x)
        np.copyto(workspace.output_gradient, cotangent)
        return self._pull_back(workspace)

    def loss_and_gradients(self, x: Array, y: Array) -> tuple[Scalar, Pullback]:
        workspace = self._forward(x)
        loss = workspace.loss(y)
        return loss, self._pull_back(workspace)

    def train_step(self, x: Array, y: Array) -> float:
        workspace = self._forward(x)
        loss = workspace.loss(y)
        workspace.backward()
        self._optimizer.update(self._state)
        return float(loss)

    def apply_gradients(self, gradients: Array) -> None:
        np.copyto(self._gradients, gradients)
        self._optimizer.update(self._state)

    def optimizer_state(self) -> tuple[dict[str, Array], int]:
        return {name: slot.copy() for name, slot in self._state.slots.items()}, self._state.step

    def set_optimizer_state(self, slots: dict[str, Array], step: int) -> None:
        self._state.load(slots, step)

    def _forward(self, x: Array) -> Workspace:
        workspace = self.workspace(len(x))
        np.copyto(workspace.input, x)
        workspace.forward()
        return workspace

    def _pull_back(self, workspace: Workspace) -> Pullback:
        output = workspace.output.copy()
        workspace.backward(input_gradient=True)
        return Pullback(output, workspace.input_gradient.copy(), self._gradients.copy())


class NumpyBackend:
    """NumPy, following whichever convention the optimizer names."""

    name = "numpy"
    title = "NumPy"
    convention = None

    def versions(self) -> dict[str, str]:
        return {"numpy": np.__version__}

    def mirror(self, model: Model, parameters: Array, optimizer: Optimizer, dtype: Any) -> NumpyTwin:
        return NumpyTwin(model, parameters, optimizer, dtype)
