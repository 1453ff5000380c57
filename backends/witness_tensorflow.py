"""TensorFlow as a witness: `tf.GradientTape` on eager tensors."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from backends.on_keras.framework import tf  # loaded there, in silence
from backends.witness_array import CREATION, follow
from backends.witness_memory import Axis, NotTraceable, Tensor, as_float64
from scratch.arrays import Array

SAME_NAME = """
    add cos cosh divide erf erfc exp expm1 log log1p maximum minimum multiply negative reciprocal sin sinh sqrt square subtract
    tan tanh xlogy
"""
OTHER_NAME = {
    "absolute": "abs",
    "fabs": "abs",
    "power": "pow",
    "float_power": "pow",
    "remainder": "floormod",
    "arccos": "acos",
    "arccosh": "acosh",
    "arcsin": "asin",
    "arcsinh": "asinh",
    "arctan": "atan",
    "arctan2": "atan2",
    "arctanh": "atanh",
    "expit": "sigmoid",
    "log_expit": "log_sigmoid",
    "gammaln": "lgamma",
    "psi": "digamma",
}


def _matmul(a: Tensor, b: Tensor) -> Tensor:
    """TensorFlow's takes matrices only."""
    if a.ndim == 1:
        return tf.squeeze(_matmul(a[None, :], b), -1 if b.ndim == 1 else -2)
    return tf.squeeze(tf.matmul(a, b[:, None]), -1) if b.ndim == 1 else tf.matmul(a, b)


def _clip(x: Tensor, lowest: Tensor | None, highest: Tensor | None) -> Tensor:
    if lowest is not None and highest is not None:
        return tf.clip_by_value(x, lowest, highest)
    if lowest is not None:
        return tf.maximum(x, lowest)
    return x if highest is None else tf.minimum(x, highest)


def _norm(x: Tensor, ord: Any, axis: Axis, keepdims: bool) -> Tensor:
    """TensorFlow's norm is Euclidean over any axes; of other orders only for vectors, while NumPy's then is a matrix's."""
    if ord in (None, "fro") or (ord == 2 and x.ndim == 1):
        return tf.norm(x, axis=axis, keepdims=keepdims)
    if isinstance(axis, int) or (axis is None and x.ndim == 1):
        return tf.norm(x, ord, axis=axis, keepdims=keepdims)
    raise NotTraceable(f"np.linalg.norm of order {ord} of a matrix cannot be followed in TensorFlow. Write it out.")


TABLE: dict[str, Callable[..., Tensor]] = {
    **{name: getattr(tf.math, name) for name in SAME_NAME.split()},
    **{ours: getattr(tf.math, theirs) for ours, theirs in OTHER_NAME.items()},
    "positive": tf.identity,
    "exp2": lambda x: tf.exp(x * np.log(2)),
    "log2": lambda x: tf.math.log(x) / np.log(2),
    "log10": lambda x: tf.math.log(x) / np.log(10),
    "hypot": lambda x, y: tf.sqrt(tf.square(x) + tf.square(y)),
    # Not tf.experimental.numpy's, whose gradient is (1, 0) in place of (1/2, 1/2) where x = y, at which nothing is singular.
    "logaddexp": lambda x, y: y + tf.math.softplus(x - y),
    "matmul": _matmul,
    "clip": _clip,
    "inv": tf.linalg.inv,
    "det": tf.linalg.det,
    "solve": tf.linalg.solve,
    "norm": _norm,
    "einsum": lambda *operands, subscripts: tf.einsum(subscripts, *operands),
}


class TensorFlowTensors:
    """Eager tensors of one precision."""

    title = "TensorFlow"
    table: Mapping[str, Callable[..., Any]] = TABLE
    reductions: Mapping[str, Callable[..., Any]] = {
        "add": tf.reduce_sum,
        "multiply": tf.reduce_prod,
        "maximum": tf.reduce_max,
        "minimum": tf.reduce_min,
    }
    accumulations: Mapping[str, Callable[..., Any]] = {"add": tf.cumsum, "multiply": tf.math.cumprod}

    def __init__(self, dtype: str) -> None:
        self.dtype = np.dtype(dtype)

    def tensor(self, values: Array) -> Tensor:
        return tf.constant(values, dtype=self.dtype)

    def numbers(self, tensor: Tensor) -> Array:
        return np.array(tensor)

    def gather(self, parts: list[Tensor], positions: Array) -> Tensor:
        return tf.gather(tf.concat([tf.reshape(part, [-1]) for part in parts], 0), positions)

    def scatter_add(self, tensor: Tensor, positions: Array, values: Tensor) -> Tensor:
        return tf.reshape(tf.tensor_scatter_nd_add(tf.reshape(tensor, [-1]), positions[:, None], values), tensor.shape)


class TensorFlowWitness:
    """TensorFlow on the CPU."""

    name = "tensorflow"
    title = "TensorFlow"
    creation = CREATION

    def gradients(
        self,
        function: Callable[[dict[str, Any]], Any],
        inputs: Mapping[str, Any],
        wrt: Sequence[str],
        cotangent: Array,
        dtype: str = "float64",
    ) -> dict[str, Array]:
        tensors = TensorFlowTensors(dtype)
        with tf.device("CPU:0"), tf.GradientTape() as tape:
            leaves = {name: tensors.tensor(as_float64(inputs[name])) for name in wrt}
            tape.watch(list(leaves.values()))
            output = follow(function, inputs, leaves, tensors, np.shape(cotangent))
        if output is None:
            return {name: np.zeros(np.shape(inputs[name]), dtype) for name in wrt}
        found = tape.gradient(
            output,
            list(leaves.values()),
            output_gradients=tensors.tensor(as_float64(cotangent)),
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        # The gradient of a gather is sparse.
        return {name: np.array(tf.convert_to_tensor(gradient)) for name, gradient in zip(wrt, found, strict=True)}
