"""The twin of a network in PyTorch, and the backend."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from backends.interface import Pullback, all_gaps, check_rate, existing_output
from backends.on_torch import activations, initializers, layers, losses, optimizers, schedules
from backends.on_torch.framework import torch
from scratch.arrays import Array, Scalar
from scratch.initializers import Initializer
from scratch.model import Model
from scratch.optimizers import Optimizer
from scratch.schedules import Schedule


class TorchTwin:
    """A `torch.nn.Sequential` with scratch's parameters; `torch.nn.Linear` keeps its kernel as (outputs, inputs)."""

    def __init__(self, model: Model, parameters: Array, optimizer: Optimizer, dtype: str) -> None:
        self.model = model
        self.dtype = dtype
        self._torch_dtype = getattr(torch, dtype)
        rows = [layers.layer_row(layer) for layer in model.layers]
        self.module = torch.nn.Sequential(*(row.module(layer) for row, layer in zip(rows, model.layers, strict=True)))
        self.module.to(self._torch_dtype).train()
        self._parameters: list[torch.nn.Parameter] = []
        self._transposed: list[bool] = []
        self._buffers: list[torch.Tensor] = []
        for layer, row, module in zip(model.layers, rows, self.module, strict=True):
            for name in layer.parameters:
                self._parameters.append(getattr(module, row.parameters[name]))
                self._transposed.append(name in row.transposed)
            self._buffers += [getattr(module, row.state[name]) for name in layer.state]
        # torch.optim refuses an empty list; an activation alone has no parameters.
        group = self._parameters or [torch.nn.Parameter(torch.zeros(0))]
        self._description = optimizer
        self._row = optimizers.optimizer_row(optimizer)
        self.optimizer = self._row.make(optimizer, group)
        self._steps = 0
        self._last_output: torch.Tensor | None = None
        self.set_parameters(parameters)
        self._averaged = optimizers.averaged_model(optimizer, self.module)

    def parameters(self) -> Array:
        return self._flat([parameter.detach() for parameter in self._parameters])

    def set_parameters(self, vector: Array) -> None:
        with torch.no_grad():
            for parameter, values in zip(self._parameters, self._split(vector), strict=True):
                parameter.copy_(values)

    def state(self) -> Array:
        arrays = [buffer.numpy().ravel() for buffer in self._buffers]
        return np.concatenate(arrays).astype(self.dtype) if arrays else np.zeros(0, self.dtype)

    def set_state(self, vector: Array) -> None:
        views = [view for arrays in self.model.state_by_layer(np.array(vector, self.dtype)) for view in arrays.values()]
        for buffer, values in zip(self._buffers, views, strict=True):
            buffer.copy_(torch.tensor(values))

    def set_masks(self, masks: Mapping[str, Array]) -> None:
        for name, module in zip(self.model.layer_names, self.module, strict=True):
            if name in masks:
                module.mask = torch.tensor(masks[name])

    def predict(self, x: Array) -> Array:
        self.module.eval()
        with torch.no_grad():
            output = self.module(self._tensor(x)).numpy()
        self.module.train()
        return np.array(output)

    def vjp(self, x: Array, cotangent: Array, *, training: bool = True) -> Pullback:
        inputs = self._tensor(x).requires_grad_()
        self.module.train(training)
        output = self.module(inputs)
        self.module.train()
        return self._pull_back(output, output, inputs, self._tensor(cotangent))

    def loss_and_gradients(self, x: Array, y: Array, weights: Array | None = None) -> tuple[Scalar, Pullback]:
        inputs = self._tensor(x).requires_grad_()
        output = self.module(inputs)
        loss = self._loss(output, y, weights)
        return loss.detach().numpy()[()], self._pull_back(loss, output, inputs, None)

    def train_step(self, x: Array, y: Array) -> float:
        self.optimizer.zero_grad()
        output = self.module(self._tensor(x))
        loss = self._loss(output, y, None)
        loss.backward()  # type: ignore[no-untyped-call]
        self._step()
        self._last_output = output.detach()
        return loss.item()

    def last_output(self) -> Array:
        return np.array(existing_output(self._last_output).numpy())

    def set_learning_rate(self, rate: float) -> None:
        check_rate(self._description, rate)
        for group in self.optimizer.param_groups:
            group["lr"] = float(rate)

    def apply_gradients(self, gradients: Array) -> None:
        for parameter, values in zip(self._parameters, self._split(gradients), strict=True):
            parameter.grad = values.clone(memory_format=torch.contiguous_format)
        self._step()

    def optimizer_state(self) -> tuple[dict[str, Array], int]:
        states = [self.optimizer.state[parameter] for parameter in self._parameters]
        saved = {}
        for ours, theirs in self._row.slots.items():
            values = [state[theirs] for state in states if theirs in state]
            if len(values) < len(states) or not states:
                continue
            if values[0].ndim == 0 and self._parameters[0].ndim > 0:  # a number: the same for all parameters
                saved[ours] = np.asarray([values[0].item()], self.dtype)
            else:
                saved[ours] = self._flat(values)
        if self._averaged is not None:
            saved["average"] = self._flat([average.detach() for average in self._averages()])
        return saved, self._steps

    def set_optimizer_state(self, saved: dict[str, Array], step: int) -> None:
        for index, parameter in enumerate(self._parameters):
            state: dict[str, Any] = {"step": torch.tensor(float(step))} if self._row.counts else {}
            for name, vector in saved.items():
                if name not in self._row.slots:
                    continue
                if vector.shape == (1,) != (self.model.size,):
                    value = torch.tensor(float(vector[0]))
                else:
                    value = self._split(vector)[index].clone(memory_format=torch.contiguous_format)
                state[self._row.slots[name]] = value
            # PyTorch makes the state in the first step, which may differ from a step with zeros.
            self.optimizer.state[parameter] = state if step else {}
        if self._averaged is not None:
            with torch.no_grad():
                for average, values in zip(self._averages(), self._split(saved["average"]), strict=True):
                    average.copy_(values)
                self._averaged.n_averaged.fill_(step)
        self._steps = step

    def _step(self) -> None:
        optimizers.clip(self._description, self._parameters)
        self.optimizer.step()
        if self._averaged is not None:
            self._averaged.update_parameters(self.module)
        self._steps += 1

    def _averages(self) -> list[torch.nn.Parameter]:
        """The averaged model's parameters, in the order of this one's."""
        assert self._averaged is not None
        pairs = dict(zip(self.module.parameters(), self._averaged.module.parameters(), strict=True))
        return [pairs[parameter] for parameter in self._parameters]

    def _loss(self, output: torch.Tensor, y: Array, weights: Array | None) -> torch.Tensor:
        loss = losses.loss_value(self.model.loss, output, self._tensor(y), None if weights is None else self._tensor(weights))
        for layer, module in zip(self.model.layers, self.module, strict=True):
            if (penalty := layers.penalty(layer, module)) is not None:
                loss = loss + penalty
        return loss

    def _pull_back(
        self, target: torch.Tensor, output: torch.Tensor, inputs: torch.Tensor, cotangent: torch.Tensor | None
    ) -> Pullback:
        found = torch.autograd.grad(target, [inputs, *self._parameters], cotangent, materialize_grads=True)
        return Pullback(np.array(output.detach().numpy()), np.array(found[0].numpy()), self._flat(list(found[1:])))

    def _tensor(self, values: Array) -> torch.Tensor:
        # A copy: PyTorch must not write into, nor watch, an array of ours.
        tensor = torch.tensor(np.ascontiguousarray(values))
        return tensor if tensor.dtype == torch.int64 else tensor.to(self._torch_dtype)

    def _flat(self, tensors: list[torch.Tensor]) -> Array:
        if not tensors:
            return np.zeros(0, self.dtype)
        return np.concatenate([self._turned(tensor.numpy(), index).ravel() for index, tensor in enumerate(tensors)])

    def _split(self, vector: Array) -> list[torch.Tensor]:
        views = self.model.views(np.asarray(vector, dtype=self.dtype)).values()
        return [torch.tensor(np.ascontiguousarray(self._turned(view, index))) for index, view in enumerate(views)]

    def _turned(self, array: Array, index: int) -> Array:
        return array.T if self._transposed[index] else array


class TorchBackend:
    """PyTorch on the CPU."""

    name = "torch"
    title = "PyTorch"
    convention = "torch"
    gaps: Mapping[str, str] = all_gaps(
        activation=activations.GAPS,
        layer=layers.GAPS,
        loss=losses.GAPS,
        optimizer=optimizers.GAPS,
        schedule=schedules.GAPS,
        initializer=initializers.GAPS,
    )

    def versions(self) -> dict[str, str]:
        return {"torch": torch.__version__}

    def mirror(self, model: Model, parameters: Array, optimizer: Optimizer, dtype: Any) -> TorchTwin:
        return TorchTwin(model, parameters, optimizer, dtype)

    def rates(self, schedule: Schedule, steps: int, dtype: Any) -> Array:
        return schedules.rates(schedule, steps, dtype)

    def draw(self, initializer: Initializer, shape: tuple[int, int], seed: int) -> Array:
        return initializers.draw(initializer, shape, seed)
