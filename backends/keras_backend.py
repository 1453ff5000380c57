"""Keras 3 on TensorFlow as a backend: a `keras.Sequential`, Keras losses on logits, Keras optimizers, a traced step."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from backends.interface import BackendUnavailable, Pullback
from backends.silence import silenced_stderr
from scratch.activations import Activation
from scratch.arrays import Array, Scalar
from scratch.layers import Dense
from scratch.losses import Loss
from scratch.model import Model
from scratch.optimizers import SGD, Adam, Optimizer


@contextlib.contextmanager
def _home_left_alone() -> Iterator[None]:
    """Importing Keras writes a file into ~/.keras, and matplotlib, which it loads, its caches. Let new ones go elsewhere."""
    homes = {"KERAS_HOME": Path.home() / ".keras", "MPLCONFIGDIR": Path.home() / ".config" / "matplotlib"}
    missing = [variable for variable, home in homes.items() if variable not in os.environ and not home.exists()]
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(dict.fromkeys(missing, folder))
        try:
            yield
        finally:
            for variable in missing:
                del os.environ[variable]


os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
try:
    with silenced_stderr(), _home_left_alone():
        import keras
        import tensorflow as tf

        tf.zeros(1)  # starts the devices, which print as well
    tf.get_logger().setLevel("ERROR")  # advice on retracing, which a partial last batch provokes
except ImportError as error:
    raise BackendUnavailable(f"Keras on TensorFlow cannot be imported ({error}). Install it: pip install tensorflow") from error
if keras.backend.backend() != "tensorflow":
    raise BackendUnavailable(
        f"Keras runs on {keras.backend.backend()} here, this adapter needs TensorFlow. Set KERAS_BACKEND=tensorflow."
    )

ACTIVATIONS = {name: name for name in ("linear", "relu", "sigmoid", "tanh", "softmax")}
"""Keras's names of scratch's activations."""

REDUCTIONS = {"mean": "sum_over_batch_size", "sum": "sum"}

LOSSES: dict[str, Callable[..., Any]] = {
    "mean_squared_error": keras.losses.MeanSquaredError,
    "softmax_cross_entropy": lambda **kwargs: keras.losses.CategoricalCrossentropy(from_logits=True, **kwargs),
    "binary_cross_entropy": lambda **kwargs: keras.losses.BinaryCrossentropy(from_logits=True, **kwargs),
}


def _loss(loss: Loss, dtype: str) -> Callable[[Any, Any], Any]:
    """The loss as a function of targets and outputs.

    Keras averages over the last axis before it reduces over the batch, so its "sum" is a sum of row means.
    """
    reduction = REDUCTIONS.get(loss.reduction, "sum")
    rows = LOSSES[loss.name](reduction=reduction, dtype=dtype)
    indices = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=reduction, dtype=dtype)

    def value(y: Any, z: Any) -> Any:
        # The output of a softmax or sigmoid carries its logits with it in secret, and a loss on logits then takes those
        # instead of the output that it is given. A copy does not carry them.
        z = tf.identity(z)
        if y.dtype.is_integer:
            return indices(y, z)
        result = rows(y, z)
        if loss.per_row or loss.reduction == "mean":
            return result
        batch, units = z.shape
        return result * units / loss.divisor(batch, units)

    return value


def _optimizer(optimizer: Optimizer) -> Any:
    if isinstance(optimizer, SGD):
        return keras.optimizers.SGD(
            learning_rate=optimizer.learning_rate, momentum=optimizer.momentum, nesterov=optimizer.nesterov
        )
    if isinstance(optimizer, Adam):
        return keras.optimizers.Adam(
            learning_rate=optimizer.learning_rate,
            beta_1=optimizer.beta_1,
            beta_2=optimizer.beta_2,
            epsilon=optimizer.epsilon,
        )
    raise NotImplementedError(f"keras: no row for the optimizer {optimizer.name}")


@contextlib.contextmanager
def _floatx(dtype: str) -> Iterator[None]:
    """Keras's global default precision: an optimizer keeps its learning rate in it, whatever the weights are."""
    before = keras.config.floatx()
    keras.config.set_floatx(dtype)
    try:
        yield
    finally:
        keras.config.set_floatx(before)


class KerasTwin:
    """A `keras.Sequential` with scratch's parameters and a training step traced by `tf.function`, without XLA."""

    def __init__(self, model: Model, parameters: Array, optimizer: Optimizer, dtype: str) -> None:
        self.model = model
        self.dtype = dtype
        with _floatx(dtype):
            self.keras_model = keras.Sequential([keras.Input((model.inputs,), dtype=dtype)])
            for layer in model.layers:
                if isinstance(layer, Dense):
                    self.keras_model.add(keras.layers.Dense(layer.outputs, use_bias=layer.bias, dtype=dtype))
                elif isinstance(layer, Activation):
                    self.keras_model.add(keras.layers.Activation(ACTIVATIONS[layer.name], dtype=dtype))
                else:
                    raise NotImplementedError(f"keras: no row for the layer {layer.name}")
            if not model.layers:  # a Sequential is only built when it has a layer
                self.keras_model.add(keras.layers.Identity(dtype=dtype))
            self._variables = self.keras_model.trainable_variables
            self.optimizer = _optimizer(optimizer)
            self.optimizer.build(self._variables)
            self._loss = _loss(model.loss, dtype)
        self._traced_step = tf.function(self._step)
        self._traced_apply = tf.function(self.optimizer.apply)
        self.set_parameters(parameters)

    def parameters(self) -> Array:
        return self._flat([variable.value for variable in self._variables])

    def set_parameters(self, vector: Array) -> None:
        for variable, values in zip(self._variables, self._split(vector), strict=True):
            variable.assign(values)

    def predict(self, x: Array) -> Array:
        return np.array(self.keras_model(self._tensor(x), training=False))

    def vjp(self, x: Array, cotangent: Array) -> Pullback:
        inputs = self._tensor(x)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            output = self.keras_model(inputs, training=True)
        return self._pull_back(tape, output, output, inputs, self._tensor(cotangent))

    def loss_and_gradients(self, x: Array, y: Array) -> tuple[Scalar, Pullback]:
        inputs = self._tensor(x)
        with _floatx(self.dtype), tf.GradientTape() as tape:
            tape.watch(inputs)
            output = self.keras_model(inputs, training=True)
            loss = self._loss(self._tensor(y), output)
        return loss.numpy(), self._pull_back(tape, loss, output, inputs, None)

    def train_step(self, x: Array, y: Array) -> float:
        with _floatx(self.dtype):
            return float(self._traced_step(self._tensor(x), self._tensor(y)))

    def apply_gradients(self, gradients: Array) -> None:
        with _floatx(self.dtype):
            self._traced_apply([self._tensor(view) for view in self._split(gradients)])

    def optimizer_state(self) -> tuple[dict[str, Array], int]:
        slots = {name: self._flat([v.value for v in variables]) for name, variables in self._slots().items()}
        return slots, int(self.optimizer.iterations)

    def set_optimizer_state(self, slots: dict[str, Array], step: int) -> None:
        for name, variables in self._slots().items():
            for variable, values in zip(variables, self._split(slots[name]), strict=True):
                variable.assign(values)
        self.optimizer.iterations.assign(step)

    def _slots(self) -> dict[str, list[Any]]:
        """Keras's slot variables by scratch's names, in the "keras" convention."""
        if isinstance(self.optimizer, keras.optimizers.Adam):
            return {"m": self.optimizer._momentums, "v": self.optimizer._velocities}
        return {"velocity": self.optimizer.momentums} if self.optimizer.momentum else {}

    def _step(self, x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = self._loss(y, self.keras_model(x, training=True))
        self.optimizer.apply(tape.gradient(loss, self._variables))
        return loss

    def _pull_back(self, tape: Any, target: Any, output: Any, inputs: Any, cotangent: Any) -> Pullback:
        dx, *gradients = tape.gradient(
            target, [inputs, *(variable.value for variable in self._variables)], output_gradients=cotangent
        )
        return Pullback(np.array(output), np.array(dx), self._flat(gradients))

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

    def versions(self) -> dict[str, str]:
        return {"keras": keras.__version__, "tensorflow": tf.__version__}

    def mirror(self, model: Model, parameters: Array, optimizer: Optimizer, dtype: Any) -> KerasTwin:
        return KerasTwin(model, parameters, optimizer, dtype)
