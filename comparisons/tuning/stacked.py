"""Several networks of one shape that see the same batches, trained as one: side by side in one matrix, one product for all.

A step of a small network spends most of its time around its products: calls, copies, the loss of a few rows. Side by side K
networks share them. The first layer, where nearly all parameters are, needs no more than the batch once:

    Z = W X^T    W: (K rows, columns), X: (batch, columns), Z: (K rows, batch)

A network has `rows` rows of W: first its units of the first layer, whose columns are the pixels and, where there is a bias, a one
that the batch holds for it; then rows that hold the parameters of its later layers, one after the other. So everything of a
network lies side by side, and the optimizer's rule works on it as on any vector. Arrays are (units, batch): a bias is a column
more of the kernel and a row of ones more of the activation, and comes without an operation of its own.

Two things make it exact and yet smaller: a pixel that no training image lights has a gradient of exactly zero, so its weights
keep their first values under every optimizer in BY_ELEMENT and are left out of W; and rows are filled up with zeros
to whole cache lines.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, TypeGuard

import numpy as np

from scratch.activations import ACTIVATIONS, Activation, rows
from scratch.arrays import Array, Work
from scratch.layers import Dense
from scratch.model import Model
from scratch.optimizers import Adam, Optimizer, OptimizerState

BY_ELEMENT = ("sgd", "momentum", "nesterov", "adam", "nadam", "radam", "amsgrad", "rmsprop", "adagrad", "adadelta")
"""Optimizers that treat every parameter by itself and leave one alone whose gradient was always zero."""

CACHE_LINE = 64
"""Bytes. Arrays start at a multiple of it, and so does every network in them."""

SMALL_PRODUCT = 1_000_000
"""Multiplications up to which OpenBLAS has a faster way for one product: below, a product per network beats one for all."""

ELEMENTS_PER_PASS = 60_000
"""Of the parameters through which an optimizer's rule goes at a time, so that its four to six vectors stay in the cache."""

_OF_WHOLE_ROWS = {entry.name for entry in rows.ENTRIES}


def why_not_stacked(model: Model, optimizer: Optimizer) -> str:
    """Why such a network must be trained by itself, in words; empty where it need not."""
    for index, layer in enumerate(model.layers):
        if index % 2 == 0 and not (isinstance(layer, Dense) and layer.kernel_regularizer is None):
            return f"{layer.name} stands where a plain dense layer would have to"
        if index % 2 and layer.name not in ACTIVATIONS:
            return f"{layer.name} stands where an activation would have to"
        last = index == len(model.layers) - 1
        if isinstance(layer, Activation) and (layer.halves or (layer.name in _OF_WHOLE_ROWS and not last)):
            return f"{layer.name} is not a function of single units"
    if optimizer.name not in BY_ELEMENT:
        return f"{optimizer.name} does more than treat every parameter by itself"
    if optimizer.weight_decay or optimizer.clip_norm or optimizer.clip_global_norm:
        return "weight decay and clipped norms do"
    if getattr(optimizer, "epsilon", None) == 0:
        return "without an epsilon a weight that has no gradient becomes 0 / 0"
    return ""


def aligned_zeros(*shape: int, dtype: Any) -> Array:
    """An array of zeros that starts on a cache line."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.zeros(size + CACHE_LINE, dtype=np.uint8)
    start = -memory.ctypes.data % CACHE_LINE
    found: Array = memory[start : start + size].view(dtype).reshape(shape)
    return found


def _is_papers_adam(optimizer: Optimizer) -> TypeGuard[Adam]:
    """Whether `_scaled_adam` does what it would."""
    plain = optimizer.clip_value is None and optimizer.average_decay is None
    return type(optimizer) is Adam and optimizer.convention == "paper" and not optimizer.effective_choices and plain


def _scaled_adam(optimizer: Adam, state: OptimizerState) -> None:
    """The step of `Adam.advance` in ten passes and without temporaries, since nobody else reads these moments.

    With M = m / (1 - beta_1) and V = v / (1 - beta_2), and s = sqrt(1 - beta_2):
    M = beta_1 M + g;  V = beta_2 V + g^2;  p -= alpha_t (1 - beta_1) / s M / (sqrt(V) + epsilon sqrt(1 - beta_2^t) / s)
    """
    state.step += 1
    first, root = optimizer.bias_corrections(state.step, state.parameters.dtype)
    scale = (1 - optimizer.beta_2) ** 0.5
    alpha = optimizer.learning_rate * root / first * (1 - optimizer.beta_1) / scale
    epsilon = optimizer.epsilon * root / scale
    for p, g, m, v, *_ in state.chunks:
        np.multiply(m, optimizer.beta_1, out=m)
        np.add(m, g, out=m)
        np.multiply(g, g, out=g)
        np.multiply(v, optimizer.beta_2, out=v)
        np.add(v, g, out=v)
        np.sqrt(v, out=g)
        np.add(g, epsilon, out=g)
        np.divide(m, g, out=g)
        np.multiply(g, alpha, out=g)
        np.subtract(p, g, out=p)


@dataclass(frozen=True)
class _Hidden:
    """A hidden layer for one batch size; all arrays are (networks, units, batch)."""

    activation: Activation
    z: Array
    a: Array
    a_and_one: Array
    """(networks, units + 1, batch) where the next layer has a bias."""
    da: Array
    dz: Array
    work: Work


@dataclass(frozen=True)
class _Output:
    """The last layer for one batch size. Rows are those of all networks, (networks batch, units), units outermost in memory."""

    z: Array
    a: Array
    da: Array
    dz: Array
    by_network: Array
    """z, seen as (networks, units, batch)"""
    gradient: Array
    """dz, seen in the same way"""
    targets: Array
    work: Work
    loss_work: Work


class StackedNetworks:
    """K networks of one model with a row of parameters and an optimizer each, and the images that all of them are trained on."""

    def __init__(
        self, model: Model, parameters: Array, optimizers: Sequence[Optimizer], images: Array, targets: Array, dtype: str
    ) -> None:
        """`parameters` is (networks, model.size), `images` (rows, pixels), `targets` (rows,) indices or (rows, units)."""
        if reasons := [reason for optimizer in optimizers if (reason := why_not_stacked(model, optimizer))]:
            raise ValueError(f"these networks cannot be stacked: {reasons[0]}. Train them one by one.")
        self.model = model
        self.dtype = dtype
        self.networks = len(parameters)
        self._dense = [layer for layer in model.layers if isinstance(layer, Dense)]
        self._activations: list[Any] = list(model.layers[1::2])
        self._first_parameters = parameters
        self._targets = targets if targets.ndim == 1 else np.ascontiguousarray(targets.T, dtype=dtype)

        first = self._dense[0]
        self._lit = np.flatnonzero(images.any(axis=0))
        line = CACHE_LINE // np.dtype(dtype).itemsize
        self._columns = -(-(len(self._lit) + first.bias) // line) * line
        self._images = aligned_zeros(len(images), self._columns, dtype=dtype)
        self._images[:, : len(self._lit)] = images[:, self._lit]
        if first.bias:
            self._images[:, len(self._lit)] = 1

        later = sum((layer.inputs + layer.bias) * layer.outputs for layer in self._dense[1:])
        self._rows = first.outputs - (-later // self._columns)
        self._weights = aligned_zeros(self.networks, self._rows, self._columns, dtype=dtype)
        self._gradients = aligned_zeros(self.networks, self._rows, self._columns, dtype=dtype)
        self._kernels = self._cut(self._weights)
        self._kernel_gradients = self._cut(self._gradients)
        for network, vector in enumerate(parameters):
            self._write(network, vector)
        self._updates = self._bind(optimizers)
        self._passes: dict[int, tuple[Array, Array, Array, list[_Hidden], _Output]] = {}

    def step(self, rows: Array) -> None:
        """One step of every optimizer on the images of these rows."""
        x, z, dz, hidden, output = self._arrays(len(rows))
        self._images.take(rows, 0, x, "clip")
        self._forward(x, z, hidden, output)
        self._output_gradient(rows, output)
        self._backward(x, dz, hidden, output)
        for update, state in self._updates:
            update(state)

    def parameters(self, network: int) -> Array:
        """A copy of a network's parameters, flat, as the model has them."""
        vector: Array = self._first_parameters[network].astype(self.dtype)
        views = list(self.model.views_by_layer(vector))[::2]
        for layer, (layer_views, kernels) in enumerate(zip(views, self._kernels, strict=True)):
            dense, kernel = self._dense[layer], kernels[network]
            inputs = self._lit if layer == 0 else np.arange(dense.inputs)
            layer_views["kernel"][inputs] = kernel[:, : len(inputs)].T
            if dense.bias:
                layer_views["bias"][...] = kernel[:, len(inputs)]
        return vector

    def _write(self, network: int, vector: Array) -> None:
        views = list(self.model.views_by_layer(vector))[::2]
        for layer, (layer_views, kernels) in enumerate(zip(views, self._kernels, strict=True)):
            dense, kernel = self._dense[layer], kernels[network]
            inputs = self._lit if layer == 0 else np.arange(dense.inputs)
            kernel[:, : len(inputs)] = layer_views["kernel"][inputs].T
            if dense.bias:
                kernel[:, len(inputs)] = layer_views["bias"]

    def _cut(self, weights: Array) -> list[Array]:
        """Views of the layers' kernels, bias included: (networks, outputs, inputs + 1)."""
        first, *later = self._dense
        kernels = [weights[:, : first.outputs]]
        flat, start = weights.reshape(self.networks, -1), first.outputs * self._columns
        for layer in later:
            shape = (layer.outputs, layer.inputs + layer.bias)
            stop = start + shape[0] * shape[1]
            kernels.append(flat[:, start:stop].reshape(self.networks, *shape))
            start = stop
        return kernels

    def _bind(self, optimizers: Sequence[Optimizer]) -> list[tuple[Callable[[OptimizerState], None], OptimizerState]]:
        """The rule and the state of every optimizer; neighbours that are equal share one."""
        bound: list[tuple[Callable[[OptimizerState], None], OptimizerState]] = []
        start = 0
        for optimizer, group in groupby(optimizers):
            stop = start + len(list(group))
            vectors = [array[start:stop].reshape(-1) for array in (self._weights, self._gradients)]
            state = optimizer.init(vectors[0], vectors[1])
            for name, slot in state.slots.items():
                state.slots[name] = aligned_zeros(slot.size, dtype=self.dtype)
                np.copyto(state.slots[name], slot)
            per_network = self._rows * self._columns
            size = max(1, ELEMENTS_PER_PASS // per_network) * per_network
            vectors += state.slots.values()
            buffers = [aligned_zeros(size, dtype=self.dtype) for _ in range(optimizer.temporaries)]
            state.chunks = [
                (*(part := [vector[at : at + size] for vector in vectors]), *(buffer[: part[0].size] for buffer in buffers))
                for at in range(0, vectors[0].size, size)
            ]
            update = partial(_scaled_adam, optimizer) if _is_papers_adam(optimizer) else optimizer.update
            bound.append((update, state))
            start = stop
        return bound

    def _forward(self, x: Array, z: Array, hidden: list[_Hidden], output: _Output) -> None:
        """Z_1 = W_1 X^T; A_l = f(Z_l); Z_(l+1) = W_(l+1) A_l."""
        if self._product_for_all(len(x)):
            np.dot(self._weights.reshape(-1, self._columns), x.T, out=z.reshape(-1, len(x)))
        else:
            np.matmul(self._kernels[0], x.T, out=z[:, : self._dense[0].outputs])
        for index, layer in enumerate(hidden):
            layer.activation.forward({}, layer.z, layer.a, layer.work)
            out = hidden[index + 1].z if index + 1 < len(hidden) else output.by_network
            np.matmul(self._kernels[index + 1], layer.a_and_one, out=out)
        if not hidden:
            np.copyto(output.by_network, z[:, : self._dense[0].outputs])

    def _output_gradient(self, rows: Array, output: _Output) -> None:
        """dL/dZ of the last layer, where L is the loss of every network on its own rows."""
        if self._targets.ndim == 1:
            output.targets.reshape(self.networks, -1)[...] = self._targets[rows]
        else:
            units = len(self._targets)
            output.targets.T.reshape(units, self.networks, -1)[...] = self._targets.take(rows, 1)[:, None]
        final = self._output_activation
        if final is not None:
            final.forward({}, output.z, output.a, output.work)
        loss = self.model.loss
        loss.terms(output.a, output.targets, output.da, output.loss_work)
        np.divide(output.da, loss.divisor(len(rows), output.a.shape[1]), out=output.da)
        if final is not None:
            final.backward({}, output.z, output.a, output.da, {}, output.dz, output.work)

    def _backward(self, x: Array, dz: Array, hidden: list[_Hidden], output: _Output) -> None:
        """dA_l = W_(l+1)^T dZ_(l+1); dZ_l = f'(Z_l) dA_l; dW_l = dZ_l A_(l-1)^T, for the first layer with X."""
        above = output.gradient
        for layer, kernel in zip(reversed(hidden), reversed(self._kernels), strict=False):
            np.matmul(kernel[:, :, : layer.a.shape[1]].transpose(0, 2, 1), above, out=layer.da)
            layer.activation.backward({}, layer.z, layer.a, layer.da, {}, layer.dz, layer.work)
            above = layer.dz
        if not hidden:
            np.copyto(dz[:, : self._dense[0].outputs], above)
        if self._product_for_all(len(x)):
            # Rows of later parameters have no dZ here; their gradients are written next.
            np.dot(dz.reshape(-1, len(x)), x, out=self._gradients.reshape(-1, self._columns))
        else:
            np.matmul(dz[:, : self._dense[0].outputs], x, out=self._kernel_gradients[0])
        deltas = [layer.dz for layer in hidden[1:]] + [output.gradient]
        for layer, delta, gradient in zip(hidden, deltas, self._kernel_gradients[1:], strict=False):
            np.matmul(delta, layer.a_and_one.transpose(0, 2, 1), out=gradient)

    def _product_for_all(self, batch: int) -> bool:
        return self._dense[0].outputs * self._columns * batch > SMALL_PRODUCT

    @property
    def _output_activation(self) -> Any:
        return self._activations[-1] if len(self._activations) == len(self._dense) else None

    def _arrays(self, batch: int) -> tuple[Array, Array, Array, list[_Hidden], _Output]:
        """The input, Z and dZ of the first layer with the rows of later parameters, and all further arrays, made once."""
        if batch not in self._passes:
            shape = (self.networks, self._rows, batch)
            x = aligned_zeros(batch, self._columns, dtype=self.dtype)
            z, dz = aligned_zeros(*shape, dtype=self.dtype), aligned_zeros(*shape, dtype=self.dtype)
            hidden = [self._hidden(layer, batch, z, dz) for layer in range(len(self._dense) - 1)]
            self._passes[batch] = x, z, dz, hidden, self._output(batch)
        return self._passes[batch]

    def _hidden(self, layer: int, batch: int, first_z: Array, first_dz: Array) -> _Hidden:
        dense, following = self._dense[layer], self._dense[layer + 1]
        shape = (self.networks, dense.outputs, batch)
        a_and_one = np.ones((self.networks, dense.outputs + following.bias, batch), dtype=self.dtype)
        z, dz, da, like, zeros = (aligned_zeros(*shape, dtype=self.dtype) for _ in range(5))
        if layer == 0:
            z, dz = first_z[:, : dense.outputs], first_dz[:, : dense.outputs]
        work = Work(like, like[:, :1].copy(), np.ones(batch, self.dtype), np.ones(dense.outputs, self.dtype), zeros)
        return _Hidden(self._activations[layer], z, a_and_one[:, : dense.outputs], a_and_one, da, dz, work)

    def _output(self, batch: int) -> _Output:
        units, rows = self._dense[-1].outputs, self.networks * batch

        def columns() -> Array:
            return aligned_zeros(units, rows, dtype=self.dtype).T

        def work() -> Work:
            row = np.zeros((rows, 1), self.dtype)
            return Work(columns(), row, np.ones(rows, self.dtype), np.ones(units, self.dtype), columns())

        z, dz = columns(), columns()
        a, da = (z, dz) if self._output_activation is None else (columns(), columns())
        by_network, gradient = (v.T.reshape(units, self.networks, batch).transpose(1, 0, 2) for v in (z, dz))
        targets = np.zeros(rows, self._targets.dtype) if self._targets.ndim == 1 else columns()
        return _Output(z, a, da, dz, by_network, gradient, targets, work(), work())
