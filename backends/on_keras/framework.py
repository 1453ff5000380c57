"""Keras on TensorFlow itself, or one sentence on why it is not there."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from backends.interface import BackendUnavailable
from backends.silence import silenced_stderr


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


@contextlib.contextmanager
def floatx(dtype: str) -> Iterator[None]:
    """Keras's global default precision: an optimizer keeps its learning rate in it, whatever the weights are."""
    before = keras.config.floatx()
    keras.config.set_floatx(dtype)
    try:
        yield
    finally:
        keras.config.set_floatx(before)


__all__ = ["floatx", "keras", "tf"]
