"""PyTorch as a backend: plain `torch.nn` modules, `torch.nn.functional` losses and `torch.optim` optimizers."""

from collections.abc import Callable
from typing import Any

import numpy as np

from backends.interface import BackendUnavailable, Pullback
from scratch.activations import Activation
from scratch.arrays import Array, Scalar
from scratch.layers import Dense
from scratch.losses import Loss
from scratch.model import Model
from scratch.optimizers import SGD, Adam, Optimizer

try:
    import torch
    from torch.nn import functional
except ImportError as error:
    raise BackendUnavailable(f"PyTorch cannot be imported ({error}). Install it: pip install torch") from error

ACTIVATIONS: dict[str, Callable[[], torch.nn.Module]] = {
    "linear": torch.nn.Identity,
    "relu": torch.nn.ReLU,
    "sigmoid": torch.nn.Sigmoid,
    "tanh": torch.nn.Tanh,
    "softmax": lambda: torch.nn.Softmax(dim=1),
}

LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor, str], torch.Tensor]] = {
    "mean_squared_error": lambda z, y, reduction: functional.mse_loss(z, y, reduction=reduction),
    "softmax_cross_entropy": lambda z, y, reduction: functional.cross_entropy(z, y, reduction=reduction),
    "binary_cross_entropy": lambda z, y, reduction: functional.binary_cross_entropy_with_logits(z, y, reduction=reduction),
}


def _loss(loss: Loss, z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    if loss.reduction in ("mean", "sum"):
        return LOSSES[loss.name](z, y, loss.reduction)
    return LOSSES[loss.name](z, y, "sum") / loss.divisor(*z.shape)


def _optimizer(optimizer: Optimizer, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    # torch.optim refuses an empty list; an activation alone has no parameters.
    group = parameters or [torch.nn.Parameter(torch.zeros(0))]
    if isinstance(optimizer, SGD):
        return torch.optim.SGD(group, lr=optimizer.learning_rate, momentum=optimizer.momentum, nesterov=optimizer.nesterov)
    if isinstance(optimizer, Adam):
        betas = (optimizer.beta_1, optimizer.beta_2)
        return torch.optim.Adam(group, lr=optimizer.learning_rate, betas=betas, eps=optimizer.epsilon)
    raise NotImplementedError(f"torch: no row for the optimizer {optimizer.name}")


SLOTS = {"velocity": "momentum_buffer", "m": "exp_avg", "v": "exp_avg_sq"}
"""Scratch's slots by PyTorch's names, in the "torch" convention."""


class TorchTwin:
    """A `torch.nn.Sequential` with scratch's parameters; `torch.nn.Linear` keeps its kernel as (outputs, inputs)."""

    def __init__(self, model: Model, parameters: Array, optimizer: Optimizer, dtype: str) -> None:
        self.model = model
        self.dtype = dtype
        self._torch_dtype = getattr(torch, dtype)
        modules: list[torch.nn.Module] = []
        for layer in model.layers:
            if isinstance(layer, Dense):
                modules.append(torch.nn.Linear(layer.inputs, layer.outputs, bias=layer.bias, dtype=self._torch_dtype))
            elif isinstance(layer, Activation):
                modules.append(ACTIVATIONS[layer.name]())
            else:
                raise NotImplementedError(f"torch: no row for the layer {layer.name}")
        self.module = torch.nn.Sequential(*modules)
        self.module.train()
        self._parameters = list(self.module.parameters())
        self.optimizer = _optimizer(optimizer, self._parameters)
        self._steps = 0
        self.set_parameters(parameters)

    def parameters(self) -> Array:
        return self._flat([parameter.detach() for parameter in self._parameters])

    def set_parameters(self, vector: Array) -> None:
        with torch.no_grad():
            for parameter, values in zip(self._parameters, self._split(vector), strict=True):
                parameter.copy_(values)

    def predict(self, x: Array) -> Array:
        self.module.eval()
        with torch.no_grad():
            output = self.module(self._tensor(x)).numpy()
        self.module.train()
        return np.array(output)

    def vjp(self, x: Array, cotangent: Array) -> Pullback:
        inputs = self._tensor(x).requires_grad_()
        output = self.module(inputs)
        return self._pull_back(output, output, inputs, self._tensor(cotangent))

    def loss_and_gradients(self, x: Array, y: Array) -> tuple[Scalar, Pullback]:
        inputs = self._tensor(x).requires_grad_()
        output = self.module(inputs)
        loss = _loss(self.model.loss, output, self._tensor(y))
        return loss.detach().numpy()[()], self._pull_back(loss, output, inputs, None)

    def train_step(self, x: Array, y: Array) -> float:
        self.optimizer.zero_grad()
        loss = _loss(self.model.loss, self.module(self._tensor(x)), self._tensor(y))
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self._steps += 1
        return loss.item()

    def apply_gradients(self, gradients: Array) -> None:
        for parameter, values in zip(self._parameters, self._split(gradients), strict=True):
            parameter.grad = values.clone(memory_format=torch.contiguous_format)
        self.optimizer.step()
        self._steps += 1

    def optimizer_state(self) -> tuple[dict[str, Array], int]:
        names = {slot for state in self.optimizer.state.values() for slot in state}
        slots = {
            ours: self._flat([self.optimizer.state[parameter][theirs] for parameter in self._parameters])
            for ours, theirs in SLOTS.items()
            if theirs in names
        }
        return slots, self._steps

    def set_optimizer_state(self, slots: dict[str, Array], step: int) -> None:
        split = {SLOTS[name]: self._split(vector) for name, vector in slots.items()}
        for index, parameter in enumerate(self._parameters):
            state: dict[str, Any] = {
                name: values[index].clone(memory_format=torch.contiguous_format) for name, values in split.items()
            }
            if isinstance(self.optimizer, torch.optim.Adam):
                state["step"] = torch.tensor(float(step))
            self.optimizer.state[parameter] = state
        self._steps = step

    def _pull_back(
        self, target: torch.Tensor, output: torch.Tensor, inputs: torch.Tensor, cotangent: torch.Tensor | None
    ) -> Pullback:
        dx, *gradients = torch.autograd.grad(target, [inputs, *self._parameters], cotangent)
        return Pullback(np.array(output.detach().numpy()), np.array(dx.numpy()), self._flat(gradients))

    def _tensor(self, values: Array) -> torch.Tensor:
        # A copy: PyTorch must not write into, nor watch, an array of ours.
        tensor = torch.tensor(np.ascontiguousarray(values))
        return tensor if tensor.dtype == torch.int64 else tensor.to(self._torch_dtype)

    def _flat(self, tensors: list[torch.Tensor]) -> Array:
        if not tensors:
            return np.zeros(0, self.dtype)
        return np.concatenate([tensor.numpy().T.ravel() for tensor in tensors])

    def _split(self, vector: Array) -> list[torch.Tensor]:
        views = self.model.views(np.asarray(vector, dtype=self.dtype))
        return [torch.tensor(np.ascontiguousarray(view.T)) for view in views.values()]


class TorchBackend:
    """PyTorch on the CPU."""

    name = "torch"
    title = "PyTorch"
    convention = "torch"

    def versions(self) -> dict[str, str]:
        return {"torch": torch.__version__}

    def mirror(self, model: Model, parameters: Array, optimizer: Optimizer, dtype: Any) -> TorchTwin:
        return TorchTwin(model, parameters, optimizer, dtype)
