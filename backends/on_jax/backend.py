"""The twin of a network in JAX, and the backend."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from backends.interface import Pullback, all_gaps, at_rate, check_rate, existing_output
from backends.on_jax import activations, initializers, layers, losses, optimizers, schedules
from backends.on_jax.framework import CPU, enable_x64, jax, jnp, optax
from scratch.arrays import Array, Scalar
from scratch.initializers import Initializer
from scratch.model import Model
from scratch.optimizers import Optimizer
from scratch.schedules import Schedule

Tree = dict[str, Any]


class JaxTwin:
    """A network as a function of a tree of parameters by their paths in scratch; only the training step is jitted."""

    def __init__(self, model: Model, parameters: Array, optimizer: Optimizer, dtype: str) -> None:
        self.model = model
        self.dtype = dtype
        self._rows = [layers.layer_row(layer) for layer in model.layers]
        self._masks: Tree = {}
        self._steps = 0
        self._average_decay = optimizer.average_decay
        self._description = optimizer
        self._rate: float | None = None
        self._last_output: Any = None
        with self._precision():
            transformation, self._row = optimizers.build(optimizer)
            self._parameters = self._tree(parameters)
            self._state = self._state_tree(model.initial_state())
            self._average = self._parameters
            self._optimizer_state = transformation.init(self._parameters)
            self._jitted_step = jax.jit(self._step)
            self._jitted_apply = jax.jit(self._apply)

    def parameters(self) -> Array:
        return self._flat(self._parameters)

    def set_parameters(self, vector: Array) -> None:
        with self._precision():
            self._parameters = self._tree(vector)

    def state(self) -> Array:
        return self._flat(self._state)

    def set_state(self, vector: Array) -> None:
        with self._precision():
            self._state = self._state_tree(vector)

    def set_masks(self, masks: Mapping[str, Array]) -> None:
        with self._precision():
            self._masks = {name: self._array(mask) for name, mask in masks.items()}

    def predict(self, x: Array) -> Array:
        with self._precision():
            return np.array(self._forward(self._parameters, self._state, self._array(x), {}, False)[0])

    def vjp(self, x: Array, cotangent: Array, *, training: bool = True) -> Pullback:
        with self._precision():

            def output(parameters: Tree, inputs: Any) -> tuple[Any, Tree]:
                return self._forward(parameters, self._state, inputs, self._masks, training)

            value, pull_back, self._state = jax.vjp(output, self._parameters, self._array(x), has_aux=True)
            gradients, dx = pull_back(self._array(cotangent))
            return Pullback(np.array(value), np.array(dx), self._flat(gradients))

    def loss_and_gradients(self, x: Array, y: Array, weights: Array | None = None) -> tuple[Scalar, Pullback]:
        with self._precision():
            targets = self._array(y)
            per_row = None if weights is None else self._array(weights)

            def value(parameters: Tree, inputs: Any) -> tuple[Any, tuple[Any, Tree]]:
                return self._loss(parameters, self._state, inputs, targets, self._masks, per_row)

            both = jax.value_and_grad(value, argnums=(0, 1), has_aux=True)(self._parameters, self._array(x))
            (loss, (output, self._state)), (gradients, dx) = both
            return np.asarray(loss)[()], Pullback(np.array(output), np.array(dx), self._flat(gradients))

    def train_step(self, x: Array, y: Array) -> float:
        with self._precision():
            loss, self._last_output, self._parameters, self._state, self._optimizer_state = self._jitted_step(
                self._parameters, self._state, self._optimizer_state, self._array(x), self._array(y), self._masks, self._rate
            )
            self._count_step()
            return float(loss)

    def last_output(self) -> Array:
        return np.array(existing_output(self._last_output))

    def set_learning_rate(self, rate: float) -> None:
        check_rate(self._description, rate)
        self._rate = None if rate == self._description.learning_rate else float(rate)

    def apply_gradients(self, gradients: Array) -> None:
        with self._precision():
            self._parameters, self._optimizer_state = self._jitted_apply(
                self._parameters, self._optimizer_state, self._tree(gradients), self._rate
            )
            self._count_step()

    def optimizer_state(self) -> tuple[dict[str, Array], int]:
        saved = {}
        for ours, theirs in self._row.slots.items():
            found = [value for _, value in optax.tree.get_all_with_path(self._optimizer_state, theirs)]
            if found and isinstance(found[0], dict):
                saved[ours] = self._flat(self._spread(found))
            elif found:
                saved[ours] = np.asarray(found[0], self.dtype).reshape(1)
        if self._average_decay is not None:
            saved["average"] = self._flat(self._average)
        return saved, self._steps

    def set_optimizer_state(self, saved: dict[str, Array], step: int) -> None:
        with self._precision():
            for name, vector in saved.items():
                if name not in self._row.slots:
                    continue
                theirs = self._row.slots[name]
                for path, before in optax.tree.get_all_with_path(self._optimizer_state, theirs):
                    value = self._gathered(vector, before) if isinstance(before, dict) else jnp.asarray(vector[0], before.dtype)
                    self._optimizer_state = optax.tree.set(
                        self._optimizer_state, lambda each, _, path=path: each == path, **{theirs: value}
                    )
            if self._average_decay is not None:
                self._average = self._tree(saved["average"])
            if optax.tree.get_all_with_path(self._optimizer_state, "count"):
                self._optimizer_state = optax.tree.set(self._optimizer_state, count=jnp.asarray(step, jnp.int32))
        self._steps = step

    def _forward(self, parameters: Tree, state: Tree, x: Any, masks: Tree, training: bool) -> tuple[Any, Tree]:
        new: Tree = {}
        for name, layer, row in zip(self.model.layer_names, self.model.layers, self._rows, strict=True):
            p = {parameter: parameters[f"{name}.{parameter}"] for parameter in layer.parameters}
            s = {array: state[f"{name}.{array}"] for array in layer.state}
            x, s = row(layer, p, s, x, masks.get(name), training)
            new |= {f"{name}.{array}": value for array, value in s.items()}
        return x, new

    def _loss(self, parameters: Tree, state: Tree, x: Any, y: Any, masks: Tree, weights: Any) -> tuple[Any, tuple[Any, Tree]]:
        output, new = self._forward(parameters, state, x, masks, True)
        loss = losses.loss_value(self.model.loss, output, y, weights)
        for name, layer in zip(self.model.layer_names, self.model.layers, strict=True):
            loss += layers.penalty(layer, {key: parameters[f"{name}.{key}"] for key in layer.parameters})
        return loss, (output, new)

    def _step(self, parameters: Tree, state: Tree, optimizer_state: Any, x: Any, y: Any, masks: Tree, rate: Any) -> Any:
        found, gradients = jax.value_and_grad(self._loss, has_aux=True)(parameters, state, x, y, masks, None)
        loss, (output, new) = found
        parameters, optimizer_state = self._apply(parameters, optimizer_state, gradients, rate)
        return loss, output, parameters, new, optimizer_state

    def _apply(self, parameters: Tree, optimizer_state: Any, gradients: Tree, rate: Any) -> tuple[Tree, Any]:
        # Another rate is an argument of the compiled step, so that the next one does not compile it anew. The optimizer's own is
        # a constant, which XLA may merge with others, as it does in adagrad: the bits depend on the rate, not on who set it.
        transformation, _ = optimizers.build(self._description if rate is None else at_rate(self._description, rate))
        updates, new = transformation.update(gradients, optimizer_state, parameters)
        return optax.apply_updates(parameters, updates), new

    @contextmanager
    def _precision(self) -> Iterator[None]:
        with enable_x64(self.dtype == "float64"), jax.default_device(CPU):
            yield

    def _array(self, values: Array) -> Any:
        return jnp.asarray(values) if values.dtype.kind in "iu" else jnp.asarray(np.array(values, self.dtype))

    def _tree(self, vector: Array) -> Tree:
        return {path: self._array(view) for path, view in self.model.views(np.asarray(vector, self.dtype)).items()}

    def _state_tree(self, vector: Array) -> Tree:
        views = [view for arrays in self.model.state_by_layer(np.array(vector, self.dtype)) for view in arrays.values()]
        return dict(zip(self.model.state_shapes, map(self._array, views), strict=True))

    def _count_step(self) -> None:
        self._steps += 1
        if self._average_decay is not None:
            self._average = optax.incremental_update(self._parameters, self._average, 1 - self._average_decay)

    def _spread(self, trees: list[Tree]) -> Tree:
        """A slot in the shapes of the parameters: some rules keep one number for all elements of an array.

        Where parameters are trained by several rules, each has a tree in which those of the others are masked. Masked in all
        are those whose rule has no such slot.
        """
        values = dict.fromkeys(self.model.shapes, np.zeros((), self.dtype)) | {
            path: value for tree in trees for path, value in tree.items() if not isinstance(value, optax.MaskedNode)
        }
        return {path: np.broadcast_to(np.asarray(value), self.model.shapes[path]) for path, value in values.items()}

    def _gathered(self, vector: Array, before: Tree) -> Tree:
        """A flat slot in the shapes that it had before: the way back from `_spread`."""
        masked = {path for path, value in before.items() if isinstance(value, optax.MaskedNode)}
        return {
            path: before[path] if path in masked else x if before[path].ndim else x.ravel()[0]
            for path, x in self._tree(vector).items()
        }

    def _flat(self, tree: Tree) -> Array:
        paths = [path for path in (*self.model.shapes, *self.model.state_shapes) if path in tree]
        return np.concatenate([np.asarray(tree[path], self.dtype).ravel() for path in paths] or [np.zeros(0, self.dtype)])


class JaxBackend:
    """JAX with Optax, on the CPU."""

    name = "jax"
    title = "JAX"
    convention = "optax"
    gaps: Mapping[str, str] = all_gaps(
        activation=activations.GAPS,
        layer=layers.GAPS,
        loss=losses.GAPS,
        optimizer=optimizers.GAPS,
        schedule=schedules.GAPS,
        initializer=initializers.GAPS,
    )

    def versions(self) -> dict[str, str]:
        return {"jax": jax.__version__, "optax": optax.__version__}

    def mirror(self, model: Model, parameters: Array, optimizer: Optimizer, dtype: Any) -> JaxTwin:
        return JaxTwin(model, parameters, optimizer, dtype)

    def rates(self, schedule: Schedule, steps: int, dtype: Any) -> Array:
        return schedules.rates(schedule, steps, dtype)

    def draw(self, initializer: Initializer, shape: tuple[int, int], seed: int) -> Array:
        return initializers.draw(initializer, shape, seed)
