"""The twin of a network in Keras, and the backend."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from backends.interface import Pullback, all_gaps, check_rate, existing_output
from backends.on_keras import activations, initializers, layers, losses, optimizers, schedules
from backends.on_keras.framework import floatx, keras, tf
from scratch.arrays import Array, Scalar
from scratch.initializers import Initializer
from scratch.model import Model
from scratch.optimizers import Optimizer
from scratch.schedules import Schedule


class KerasTwin:
    """A `keras.Sequential` with scratch's parameters and a training step traced by `tf.function`, without XLA."""

    def __init__(self, model: Model, parameters: Array, optimizer: Optimizer, dtype: str) -> None:
        self.model = model
        self.dtype = dtype
        rows = [layers.layer_row(layer) for layer in model.layers]
        with floatx(dtype):
            made = [row.layer(layer, dtype) for row, layer in zip(rows, model.layers, strict=True)]
            # A Sequential is only built when it has a layer.
            self.keras_model = keras.Sequential(
                [keras.Input((model.inputs,), dtype=dtype), *(made or [keras.layers.Identity(dtype=dtype)])]
            )
            self._layers = dict(zip(model.layer_names, made, strict=True))
            pairs = list(zip(model.layers, rows, made, strict=True))
            self._variables = [
                getattr(keras_layer, row.parameters[name]) for layer, row, keras_layer in pairs for name in layer.parameters
            ]
            self._buffers = [getattr(keras_layer, row.state[name]) for layer, row, keras_layer in pairs for name in layer.state]
            self.optimizer = optimizers.build(optimizer, self._variables)
            self._slots = optimizers.slots(optimizer)
            self._loss = losses.loss_function(model.loss, dtype)
        self._description = optimizer
        self._last_output: Any = None
        self._traced_step = tf.function(self._step)
        self._traced_apply = tf.function(self.optimizer.apply)
        self.set_parameters(parameters)

    def parameters(self) -> Array:
        return self._flat([variable.value for variable in self._variables])

    def set_parameters(self, vector: Array) -> None:
        for variable, values in zip(self._variables, self._split(vector), strict=True):
            variable.assign(values)

    def state(self) -> Array:
        return self._flat([variable.value for variable in self._buffers])

    def set_state(self, vector: Array) -> None:
        views = [view for arrays in self.model.state_by_layer(np.array(vector, self.dtype)) for view in arrays.values()]
        for variable, values in zip(self._buffers, views, strict=True):
            variable.assign(values)

    def set_masks(self, masks: Mapping[str, Array]) -> None:
        for name, mask in masks.items():
            self._layers[name].mask.assign(mask.astype(self.dtype))

    def predict(self, x: Array) -> Array:
        return np.array(self.keras_model(self._tensor(x), training=False))

    def vjp(self, x: Array, cotangent: Array, *, training: bool = True) -> Pullback:
        inputs = self._tensor(x)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            output = self.keras_model(inputs, training=training)
        return self._pull_back(tape, output, output, inputs, self._tensor(cotangent))

    def loss_and_gradients(self, x: Array, y: Array, weights: Array | None = None) -> tuple[Scalar, Pullback]:
        inputs = self._tensor(x)
        with floatx(self.dtype), tf.GradientTape() as tape:
            tape.watch(inputs)
            output = self.keras_model(inputs, training=True)
            loss = self._penalised(self._loss(self._tensor(y), output, None if weights is None else self._tensor(weights)))
        return loss.numpy(), self._pull_back(tape, loss, output, inputs, None)

    def train_step(self, x: Array, y: Array) -> float:
        with floatx(self.dtype):
            loss, self._last_output = self._traced_step(self._tensor(x), self._tensor(y))
            return float(loss)

    def last_output(self) -> Array:
        return np.array(existing_output(self._last_output))

    def set_learning_rate(self, rate: float) -> None:
        check_rate(self._description, rate)
        # A variable, which the traced step reads. A Python number would be rounded to float32 on its way there.
        self.optimizer.learning_rate.assign(tf.constant(rate, self.dtype))

    def apply_gradients(self, gradients: Array) -> None:
        with floatx(self.dtype):
            self._traced_apply([self._tensor(view) for view in self._split(gradients)])

    def optimizer_state(self) -> tuple[dict[str, Array], int]:
        saved = {}
        for ours, theirs in self._slots.items():
            value = getattr(self.optimizer, theirs)
            if not isinstance(value, list):
                saved[ours] = self._flat([value.value])
            elif value:  # an empty list is that of a slot that the settings do not need
                pairs = zip(value, self._variables, strict=True)
                saved[ours] = self._flat([tf.zeros(v.shape, self.dtype) if slot is None else slot.value for slot, v in pairs])
        return saved, int(self.optimizer.iterations)

    def set_optimizer_state(self, saved: dict[str, Array], step: int) -> None:
        for name, vector in saved.items():
            if name not in self._slots:
                continue
            value = getattr(self.optimizer, self._slots[name])
            if isinstance(value, list):
                for variable, values in zip(value, self._split(vector), strict=True):
                    if variable is not None:
                        variable.assign(values)
            else:
                value.assign(vector[0])
        self.optimizer.iterations.assign(step)

    def _penalised(self, loss: Any) -> Any:
        return tf.add_n([loss, *self.keras_model.losses])

    def _step(self, x: Any, y: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            output = self.keras_model(x, training=True)
            loss = self._penalised(self._loss(y, output, None))
        self.optimizer.apply(tape.gradient(loss, self._variables))
        return loss, output

    def _pull_back(self, tape: Any, target: Any, output: Any, inputs: Any, cotangent: Any) -> Pullback:
        dx, *gradients = tape.gradient(
            target,
            [inputs, *(variable.value for variable in self._variables)],
            output_gradients=cotangent,
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        return Pullback(np.array(output), np.array(dx), self._flat([tf.convert_to_tensor(g) for g in gradients]))

    def _tensor(self, values: Array) -> Any:
        return tf.constant(values, dtype=tf.int64 if values.dtype.kind in "iu" else self.dtype)

    def _flat(self, tensors: list[Any]) -> Array:
        if not tensors:
            return np.zeros(0, self.dtype)
        return np.concatenate([np.asarray(tensor).ravel() for tensor in tensors])

    def _split(self, vector: Array) -> list[Array]:
        return list(self.model.views(np.asarray(vector, dtype=self.dtype)).values())


class KerasBackend:
    """Keras 3 on TensorFlow, on the CPU."""

    name = "keras"
    title = "Keras"
    convention = "keras"
    gaps: Mapping[str, str] = all_gaps(
        activation=activations.GAPS,
        layer=layers.GAPS,
        loss=losses.GAPS,
        optimizer=optimizers.GAPS,
        schedule=schedules.GAPS,
        initializer=initializers.GAPS,
    )

    def versions(self) -> dict[str, str]:
        return {"keras": keras.__version__, "tensorflow": tf.__version__}

    def mirror(self, model: Model, parameters: Array, optimizer: Optimizer, dtype: Any) -> KerasTwin:
        return KerasTwin(model, parameters, optimizer, dtype)

    def rates(self, schedule: Schedule, steps: int, dtype: Any) -> Array:
        return schedules.rates(schedule, steps, dtype)

    def draw(self, initializer: Initializer, shape: tuple[int, int], seed: int) -> Array:
        return initializers.draw(initializer, shape, seed)
