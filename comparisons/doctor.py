"""`backproof doctor`: what is installed, and whether it computes what it should."""

import decimal
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from backends import BackendUnavailable, backend_names, float128, load_backend
from backends.numpy_backend import NumpyTwin, as_dtype
from comparisons.gradients import compare_gradients, make_probes
from comparisons.ladder import worst
from scratch.activations import ACTIVATIONS
from scratch.layers import Dense
from scratch.losses import softmax_cross_entropy
from scratch.model import Model
from scratch.optimizers import SGD

PACKAGES = ("backproof", "numpy", "numpy-quaddtype", "pandas", "torch", "tensorflow", "keras", "jax", "optax")
VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BACKPROOF_MNIST")


def examine() -> dict[str, Any]:
    """Versions, BLAS, the environment that matters, every backend on a small network, and the float128 self-test."""
    from threadpoolctl import threadpool_info

    backends = {name: _examine_backend(name) for name in backend_names()}
    truth = examine_float128()
    frameworks = [finding["works"] for name, finding in backends.items() if name != "numpy"]
    return {
        "healthy": truth["works"] and backends.get("numpy", {}).get("works", False) and any(frameworks),
        "versions": {"python": platform.python_version(), "platform": platform.platform(), **_versions()},
        "blas": [
            {
                "name": library["internal_api"],
                "version": str(library.get("version")),
                "kernel": str(library.get("architecture", "unknown kernel")),
                "threads": library["num_threads"],
            }
            for library in threadpool_info()
            if library["user_api"] == "blas"
        ],
        "environment": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "backends": backends,
        "float128": truth,
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _examine_backend(name: str) -> dict[str, Any]:
    """The gradients of a small network on the ladder."""
    try:
        backend = load_backend(name)
    except BackendUnavailable as error:
        return {"works": False, "note": str(error)}
    except Exception as error:  # a broken installation fails in any way it likes, and this is where to hear of it
        return {"works": False, "note": f"loading it failed: {type(error).__name__}: {error}"}
    rng = np.random.default_rng(0)
    model = Model(6, (Dense(6, 5), ACTIVATIONS["tanh"], Dense(5, 3)), softmax_cross_entropy())
    parameters = model.initialize(rng)
    batch = rng.standard_normal((8, 6)).astype(np.float32), rng.integers(0, 3, 8)
    probes = make_probes(model, [parameters], [batch], rng)
    truth = NumpyTwin(model, parameters, SGD(), "float128")
    twins = {name: {dtype: backend.mirror(model, parameters, SGD(), dtype) for dtype in ("float32", "float64")}}
    rows, _ = compare_gradients(model, probes, truth, twins)
    verdict = worst([row["verdict"] for row in rows])
    slopes = [row["slope"] for row in rows if row["slope"] is not None]
    return {
        "works": verdict in ("exact", "rounding"),
        "float32": max(row["float32"] for row in rows),
        "float64": max(row["float64"] for row in rows),
        "slope": min(slopes, default=None),
        "note": f"{backend.title}: gradients of a small network are {verdict}",
    }


def examine_float128() -> dict[str, Any]:
    """exp, log and sqrt against Python's decimals to 50 digits; a product with a transposed operand against integers."""
    decimal_context = decimal.Context(prec=50)
    points = [decimal.Decimal(value) for value in ("0.5", "2", "10.25")]
    error = 0.0
    for function, exact in ((np.exp, decimal_context.exp), (np.log, decimal_context.ln), (np.sqrt, decimal_context.sqrt)):
        values = function(float128.array([float(point) for point in points]))
        for value, point in zip(values, points, strict=True):
            quotient = decimal_context.divide(decimal.Decimal(str(value)), exact(point))
            error = max(error, abs(float(decimal_context.subtract(quotient, 1))))
    left, right = np.arange(6).reshape(2, 3) + 2**31, np.arange(8).reshape(4, 2) + 2**30
    product = as_dtype(left, "float128").T @ as_dtype(right, "float128").T
    exact_product = left.astype(object).T @ right.astype(object).T
    faults = []
    if not error < 4 * float128.UNIT_ROUNDOFF:
        faults.append(f"elementwise functions are off by {error:.1e}")
    if [[int(str(x).split(".")[0]) for x in row] for row in product] != exact_product.tolist():
        faults.append("a matrix product with transposed operands is wrong")
    note = f"exp, log and sqrt agree with decimals to {error:.1e}, products of transposed matrices are exact"
    return {"works": not faults, "error": error, "note": "; ".join(faults) or note}
