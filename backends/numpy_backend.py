"""The scratch network as a backend: the only one that also runs in float128."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from backends import float128
from backends.interface import Pullback, at_rate, check_rate, existing_output
from scratch.arrays import Array, Convention, Scalar
from scratch.initializers import Initializer
from scratch.model import Model, Workspace
from scratch.optimizers import Optimizer
from scratch.schedules import Schedule


def as_dtype(values: Array, dtype: str) -> Array:
    """A copy of the values in float32, float64 or float128."""
    return float128.array(values) if dtype == "float128" else np.array(values, dtype=dtype)


class NumpyTwin:
    """A scratch model with its parameters, workspaces, layer state and optimizer state."""

    def __init__(self, model: Model, parameters: Array, optimizer: Optimizer, dtype: str) -> None:
        self.model = model
        self.dtype = dtype
        self._parameters = as_dtype(parameters, dtype)
        self._gradients = np.zeros_like(self._parameters)
        self._layer_state = as_dtype(model.initial_state(), dtype)
        self._optimizer = optimizer
        self._optimizer_state = optimizer.init(self._parameters, self._gradients, list(model.shapes.values()))
        self._workspaces: dict[int, Workspace] = {}
        self._masks: Mapping[str, Array] = {}
        self._last_output: Array | None = None

    def workspace(self, batch: int) -> Workspace:
        """The arrays for that batch size, made once."""
        if batch not in self._workspaces:
            workspace = Workspace(self.model, self._parameters, self._gradients, batch, self._layer_state)
            self._workspaces[batch] = workspace
        return self._workspaces[batch]

    def parameters(self) -> Array:
        return self._parameters.copy()

    def set_parameters(self, vector: Array) -> None:
        np.copyto(self._parameters, vector)

    def state(self) -> Array:
        return self._layer_state.copy()

    def set_state(self, vector: Array) -> None:
        np.copyto(self._layer_state, vector)

    def set_masks(self, masks: Mapping[str, Array]) -> None:
        self._masks = masks

    def predict(self, x: Array) -> Array:
        return self.forward(x, training=False).output.copy()

    def vjp(self, x: Array, cotangent: Array, *, training: bool = True) -> Pullback:
        workspace = self.forward(x, training=training)
        np.copyto(workspace.output_gradient, cotangent)
        return self._pull_back(workspace)

    def loss_and_gradients(self, x: Array, y: Array, weights: Array | None = None) -> tuple[Scalar, Pullback]:
        workspace = self.forward(x)
        loss = workspace.loss(y, weights)
        return loss, self._pull_back(workspace, penalty=True)

    def train_step(self, x: Array, y: Array) -> float:
        self._last_output = None
        workspace = self.forward(x)
        loss = workspace.loss(y)
        workspace.backward(penalty=True)
        self._optimizer.update(self._optimizer_state)
        self._last_output = workspace.output
        return float(loss)

    def last_output(self) -> Array:
        return existing_output(self._last_output).copy()

    def set_learning_rate(self, rate: float) -> None:
        check_rate(self._optimizer, rate)
        self._optimizer = at_rate(self._optimizer, rate)

    def repeat_backward(self, x: Array, y: Array, updates: int) -> tuple[float, Array]:
        """Many steps from one forward pass, whose activations and output cotangent grow stale; its loss and output."""
        workspace = self.forward(x)
        loss, output = workspace.loss(y), workspace.output.copy()
        for _ in range(updates):
            workspace.backward(penalty=True)
            self._optimizer.update(self._optimizer_state)
        return float(loss), output

    def apply_gradients(self, gradients: Array) -> None:
        np.copyto(self._gradients, gradients)
        self._optimizer.update(self._optimizer_state)

    def optimizer_state(self) -> tuple[dict[str, Array], int]:
        return self._optimizer_state.saved(), self._optimizer_state.step

    def set_optimizer_state(self, saved: dict[str, Array], step: int) -> None:
        self._optimizer_state.load(saved, step)

    def forward(self, x: Array, *, training: bool = True) -> Workspace:
        """The arrays of a forward pass: its output is in them, and what its backward pass needs."""
        workspace = self.workspace(len(x))
        if workspace.output is self._last_output:  # which this pass overwrites
            self._last_output = workspace.output.copy()
        if training and self._masks:
            workspace.set_masks(self._masks)
        np.copyto(workspace.input, x)
        workspace.forward(training=training)
        return workspace

    def _pull_back(self, workspace: Workspace, *, penalty: bool = False) -> Pullback:
        output = workspace.output.copy()
        workspace.backward(input_gradient=True, penalty=penalty)
        return Pullback(output, workspace.input_gradient.copy(), self._gradients.copy())


class NumpyBackend:
    """NumPy, following whichever convention the optimizer names."""

    name = "numpy"
    title = "NumPy"
    convention: Convention | None = None
    gaps: Mapping[str, str] = {}

    def versions(self) -> dict[str, str]:
        return {"numpy": np.__version__}

    def mirror(self, model: Model, parameters: Array, optimizer: Optimizer, dtype: Any) -> NumpyTwin:
        return NumpyTwin(model, parameters, optimizer, dtype)

    def rates(self, schedule: Schedule, steps: int, dtype: Any) -> Array:
        return schedule.rates(steps).astype(dtype)

    def draw(self, initializer: Initializer, shape: tuple[int, int], seed: int) -> Array:
        return initializer.draw(np.random.default_rng(seed), *shape, shape)
