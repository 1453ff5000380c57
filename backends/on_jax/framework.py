"""JAX and Optax themselves, or one sentence on why they are not there."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from backends.interface import BackendUnavailable
from backends.silence import silenced_stderr

try:
    with silenced_stderr():
        import jax
        import jax.numpy as jnp
        import optax
        import optax.contrib

        CPU = jax.devices("cpu")[0]  # starts the devices, which may print as well
except ImportError as error:
    raise BackendUnavailable(f"JAX with Optax cannot be imported ({error}). Install both: pip install jax optax") from error

enable_x64: Callable[[bool], AbstractContextManager[Any]] = jax.enable_x64
"""JAX turns float64 into float32 outside of this context."""

__all__ = ["CPU", "enable_x64", "jax", "jnp", "optax"]
