"""The network: a sequence of layers and a loss over one flat parameter vector, and the arrays that running it needs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from scratch.activations import Activation
from scratch.arrays import Array, Convention, Scalar, Work
from scratch.layers import BatchNormalization, Dense, Dropout, Layer, PReLU, Stateful, Trainable
from scratch.losses import Loss


@dataclass(frozen=True)
class Model:
    """The single description of a network, from which every framework's twin is made.

    `inputs` is the number of columns of a batch; the layers follow one another; the loss takes the last one's output.
    """

    inputs: int
    layers: tuple[Layer, ...]
    loss: Loss

    def __post_init__(self) -> None:
        _ = self.widths  # raises ValueError where two layers do not fit together

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Number of columns before the first layer and after each."""
        widths = [self.inputs]
        for layer in self.layers:
            widths.append(layer.units(widths[-1]))
        return tuple(widths)

    @cached_property
    def layer_names(self) -> tuple[str, ...]:
        """One name per layer, numbered per kind: dense_1, relu_1, dense_2, ..."""
        counts: dict[str, int] = {}
        names = []
        for layer in self.layers:
            counts[layer.name] = counts.get(layer.name, 0) + 1
            names.append(f"{layer.name}_{counts[layer.name]}")
        return tuple(names)

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every parameter by its path, such as dense_1.kernel, in the order of the flat vector."""
        return {
            f"{name}.{parameter}": shape
            for name, layer in zip(self.layer_names, self.layers, strict=True)
            for parameter, shape in layer.parameters.items()
        }

    @cached_property
    def size(self) -> int:
        """Number of parameters."""
        return sum(int(np.prod(shape)) for shape in self.shapes.values())

    def views(self, vector: Array) -> dict[str, Array]:
        """The flat vector cut into its named arrays, without copying."""
        if vector.shape != (self.size,):
            raise ValueError(f"a vector of shape {vector.shape} does not hold the model's {self.size} parameters.")
        views, start = {}, 0
        for path, shape in self.shapes.items():
            stop = start + int(np.prod(shape))
            views[path] = vector[start:stop].reshape(shape)
            start = stop
        return views

    def views_by_layer(self, vector: Array) -> Iterator[dict[str, Array]]:
        """The same views, one dictionary by parameter name for each layer."""
        views = iter(self.views(vector).values())
        for layer in self.layers:
            yield {name: next(views) for name in layer.parameters}

    @cached_property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every state array by its path, such as batch_normalization_1.mean, in the order of the flat vector."""
        return {
            f"{name}.{array}": shape
            for name, layer in zip(self.layer_names, self.layers, strict=True)
            for array, shape in layer.state.items()
        }

    @cached_property
    def state_size(self) -> int:
        """Number of entries of the state."""
        return sum(int(np.prod(shape)) for shape in self.state_shapes.values())

    def state_by_layer(self, vector: Array) -> Iterator[dict[str, Array]]:
        """The flat state cut into its arrays, without copying, one dictionary by name for each layer."""
        start = 0
        for layer in self.layers:
            views = {}
            for name, shape in layer.state.items():
                stop = start + int(np.prod(shape))
                views[name] = vector[start:stop].reshape(shape)
                start = stop
            yield views

    def initialize(self, rng: np.random.Generator, exact_in: str = "float32") -> Array:
        """Initial parameters, a float64 vector whose numbers are all exact in float32, or in the precision that is named.

        Exact in float32, the same bits start every rung of the ladder and every framework.
        """
        vector = np.zeros(self.size)
        for layer, parameters in zip(self.layers, self.views_by_layer(vector), strict=True):
            if isinstance(layer, Trainable):
                layer.initialize(parameters, rng)
        return vector.astype(exact_in).astype(np.float64)

    def initial_state(self) -> Array:
        """The state before training, a float64 vector: zero where a layer does not say otherwise."""
        vector = np.zeros(self.state_size)
        for layer, arrays in zip(self.layers, self.state_by_layer(vector), strict=True):
            if isinstance(layer, Stateful):
                layer.initialize_state(arrays)
        return vector

    def in_convention(self, convention: Convention) -> "Model":
        """The same network with every layer and the loss as that convention has them."""
        layers = tuple(layer.in_convention(convention) for layer in self.layers)
        return replace(self, layers=layers, loss=self.loss.in_convention(convention))

    @cached_property
    def fewest_rows(self) -> int:
        """How many rows a batch in training needs: 2 where batch normalization estimates an unbiased variance."""
        return max((layer.fewest_rows for layer in self.layers if isinstance(layer, BatchNormalization)), default=1)

    def draw_masks(self, rng: np.random.Generator, batch: int) -> dict[str, Array]:
        """Which units each dropout layer keeps for a batch, (batch, units) of 0 and 1 by the layer's name."""
        return {
            name: (rng.random((batch, units)) >= layer.rate).astype(np.float32)
            for name, layer, units in zip(self.layer_names, self.layers, self.widths[1:], strict=True)
            if isinstance(layer, Dropout)
        }

    def penalty(self, parameters: Array) -> Scalar:
        """Sum of all regularizers; 0 where there is none."""
        return sum(
            layer.kernel_regularizer.value(views["kernel"])
            for layer, views in zip(self.layers, self.views_by_layer(parameters), strict=True)
            if isinstance(layer, Dense) and layer.kernel_regularizer
        )

    @cached_property
    def multiply_adds(self) -> int:
        """Multiplications of one forward pass for one row, the measure of its cost."""
        return sum(layer.inputs * layer.outputs for layer in self.layers if isinstance(layer, Dense))


class Workspace:
    """All arrays of one network at one batch size; `forward` and `backward` allocate none.

    Fill `input` (batch, inputs), call `forward`, read `output`; then fill `output_gradient` (or let `loss` do so), call
    `backward`, and find the gradients in the vector given at the start. The type and precision are those of `parameters`.
    `state` is the layers' state, flat, which a forward pass in training updates; `masks` are those of `Model.draw_masks`.
    """

    def __init__(self, model: Model, parameters: Array, gradients: Array, batch: int, state: Array | None = None) -> None:
        self.model = model
        self.batch = batch
        self.parameters = parameters
        activations = [np.empty_like(parameters, shape=(batch, width)) for width in model.widths]
        cotangents = [np.empty_like(parameters, shape=(batch, width)) for width in model.widths]
        self.works = {
            name: Work.empty(parameters, batch, width) for name, width in zip(model.layer_names, model.widths[1:], strict=True)
        }
        if state is None:
            state = np.empty_like(parameters, shape=(model.state_size,))
            state[...] = model.initial_state()
        for layer, work, arrays in zip(model.layers, self.works.values(), model.state_by_layer(state), strict=True):
            work.state = arrays
            if isinstance(layer, Dropout):
                work.mask = np.ones_like(work.like)
        self.input, self.output = activations[0], activations[-1]
        self.input_gradient, self.output_gradient = cotangents[0], cotangents[-1]
        self._loss_work = Work.empty(parameters, batch, model.widths[-1])
        self._regularized = any(isinstance(layer, Dense) and layer.kernel_regularizer for layer in model.layers)
        self._steps = list(
            zip(
                model.layers,
                model.views_by_layer(parameters),
                model.views_by_layer(gradients),
                activations[:-1],
                activations[1:],
                cotangents[:-1],
                cotangents[1:],
                self.works.values(),
                strict=True,
            )
        )

    def forward(self, *, training: bool = True) -> Array:
        """The output (batch, units) for what is in `input`."""
        for layer, parameters, _, x, y, _, _, work in self._steps:
            work.training = training
            layer.forward(parameters, x, y, work)
        return self.output

    def set_masks(self, masks: Mapping[str, Array]) -> None:
        """Which units the dropout layers keep from now on, (batch, units) of 0 and 1 by layer name."""
        for name, kept in masks.items():
            if (mask := self.works[name].mask) is not None:
                np.copyto(mask, kept)

    def loss(self, targets: Array, weights: Array | None = None) -> Scalar:
        """The loss of `output` against targets, and its gradient in `output_gradient`; with the regularizers' penalty.

        `weights` are one number per row of the batch, (batch,).
        """
        value = self.model.loss.value_and_gradient(self.output, targets, self.output_gradient, self._loss_work, weights)
        return value + self.model.penalty(self.parameters) if self._regularized else value

    def backward(self, *, input_gradient: bool = False, penalty: bool = False) -> None:
        """Gradients of all parameters from `output_gradient`; that of the input, and that of the penalty, where asked for."""
        first = self._steps[0] if self._steps else None
        for step in reversed(self._steps):
            layer, parameters, gradients, x, y, dx, dy, work = step
            layer.backward(parameters, x, y, dy, gradients, None if step is first and not input_gradient else dx, work)
            if penalty and self._regularized and isinstance(layer, Dense) and layer.kernel_regularizer:
                layer.kernel_regularizer.add_gradient(parameters["kernel"], gradients["kernel"])

    def kink_distances(self) -> Array:
        """How near each row of the last forward pass came to a kink, (batch,): the smallest |z - kink| / max |z|.

        Infinite for a network without kinks.
        """
        nearest = np.full(self.batch, np.inf)
        for layer, _, _, x, *_ in self._steps:
            if isinstance(layer, Activation | PReLU) and layer.kinks and x.size:
                scale = float(np.abs(x).max()) or 1.0
                for kink in layer.kinks:
                    nearest = np.minimum(nearest, np.abs(x - kink).min(axis=1).astype(np.float64) / scale)
        return nearest
