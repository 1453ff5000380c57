"""The network: a sequence of layers and a loss over one flat parameter vector, and the arrays that running it needs."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scratch.activations import Activation
from scratch.arrays import Array, Scalar, Work
from scratch.layers import Dense, Layer
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

    def initialize(self, rng: np.random.Generator) -> Array:
        """Initial parameters, a float64 vector whose numbers are all exact in float32.

        So the same bits start every rung of the ladder and every framework.
        """
        vector = np.zeros(self.size)
        for layer, parameters in zip(self.layers, self.views_by_layer(vector), strict=True):
            if isinstance(layer, Dense):
                layer.initialize(parameters, rng)
        return vector.astype(np.float32).astype(np.float64)

    @cached_property
    def multiply_adds(self) -> int:
        """Multiplications of one forward pass for one row, the measure of its cost."""
        return sum(layer.inputs * layer.outputs for layer in self.layers if isinstance(layer, Dense))


class Workspace:
    """All arrays of one network at one batch size; `forward` and `backward` allocate none.

    Fill `input` (batch, inputs), call `forward`, read `output`; then fill `output_gradient` (or let `loss` do so), call
    `backward`, and find the gradients in the vector given at the start. The type and precision are those of `parameters`.
    """

    def __init__(self, model: Model, parameters: Array, gradients: Array, batch: int) -> None:
        self.model = model
        self.batch = batch
        activations = [np.empty_like(parameters, shape=(batch, width)) for width in model.widths]
        cotangents = [np.empty_like(parameters, shape=(batch, width)) for width in model.widths]
        works = [Work.empty(parameters, batch, width) for width in model.widths[1:]]
        self.input, self.output = activations[0], activations[-1]
        self.input_gradient, self.output_gradient = cotangents[0], cotangents[-1]
        self._loss_work = Work.empty(parameters, batch, model.widths[-1])
        self._steps = list(
            zip(
                model.layers,
                model.views_by_layer(parameters),
                model.views_by_layer(gradients),
                activations[:-1],
                activations[1:],
                cotangents[:-1],
                cotangents[1:],
                works,
                strict=True,
            )
        )

    def forward(self) -> Array:
        """The output (batch, units) for what is in `input`."""
        for layer, parameters, _, x, y, _, _, work in self._steps:
            layer.forward(parameters, x, y, work)
        return self.output

    def loss(self, targets: Array) -> Scalar:
        """The loss of `output` against targets, and its gradient in `output_gradient`."""
        return self.model.loss.value_and_gradient(self.output, targets, self.output_gradient, self._loss_work)

    def backward(self, *, input_gradient: bool = False) -> None:
        """Gradients of all parameters from `output_gradient`; that of the input where asked for."""
        first = self._steps[0] if self._steps else None
        for step in reversed(self._steps):
            layer, parameters, gradients, x, y, dx, dy, work = step
            layer.backward(parameters, x, y, dy, gradients, None if step is first and not input_gradient else dx, work)

    def kink_distances(self) -> Array:
        """How near each row of the last forward pass came to a kink, (batch,): the smallest |z - kink| / max |z|.

        Infinite for a network without kinks.
        """
        nearest = np.full(self.batch, np.inf)
        for layer, _, _, x, *_ in self._steps:
            if isinstance(layer, Activation) and layer.kinks and x.size:
                scale = float(np.abs(x).max()) or 1.0
                for kink in layer.kinks:
                    nearest = np.minimum(nearest, np.abs(x - kink).min(axis=1).astype(np.float64) / scale)
        return nearest
