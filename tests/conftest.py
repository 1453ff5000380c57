"""Fixtures that many tests share."""

import atexit
import os
import shutil
import tempfile
import warnings

import numpy as np
import pytest

from backends import load_backend
from comparisons.datasets import Dataset, load_dataset

# Tests that import TensorFlow themselves must not leave ~/.keras and matplotlib's caches behind.
HOMES = tempfile.mkdtemp(prefix="backproof-tests-")
atexit.register(shutil.rmtree, HOMES, ignore_errors=True)
for variable in ("KERAS_HOME", "MPLCONFIGDIR"):
    os.environ.setdefault(variable, HOMES)

LOG_LEVEL = os.environ.get("TF_CPP_MIN_LOG_LEVEL")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """Importing JAX sets TensorFlow's log level for every process started afterwards, which then writes to standard error."""
    if LOG_LEVEL is None:
        os.environ.pop("TF_CPP_MIN_LOG_LEVEL", None)


BACKENDS = ("numpy", "torch", "keras", "jax")
DTYPES = ("float32", "float64")


@pytest.fixture(scope="session")
def backends():
    """Every backend of ours, loaded once; the tests need them all."""
    with warnings.catch_warnings():
        # TensorFlow's own imports use NumPy and Python features that are deprecated; that is not ours to mend.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        return {name: load_backend(name) for name in BACKENDS}


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return load_dataset("digits")


@pytest.fixture(scope="session")
def mnist_5k() -> Dataset:
    return load_dataset("mnist-5k")


@pytest.fixture
def rng():
    return np.random.default_rng(0)
