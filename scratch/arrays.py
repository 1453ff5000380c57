"""What the rest of scratch means by an array, and the buffers that its rules may use."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]
"""An array of float32, float64 or float128 (the last one is a user-defined NumPy dtype, hence `Any`)."""

Scalar: TypeAlias = Any
"""A Python float, or the scalar type of a wider dtype."""


Convention: TypeAlias = str
CONVENTIONS: tuple[Convention, ...] = ("paper", "torch", "keras", "optax")
"""Whose formula is meant where implementations differ; "optax" is JAX with Optax."""


def scalar_type(dtype: np.dtype[Any]) -> Callable[[float], Scalar]:
    """The type in which coefficients such as `1 - beta**t` are computed for arrays of `dtype`.

    Python floats serve float32 and float64: in float32 arithmetic a bias correction of Adam would cost half the digits.
    Wider arrays need coefficients of their own precision.
    """
    return float if dtype.itemsize <= 8 else dtype.type


@dataclass
class Work:
    """What a layer needs for one batch size beside its parameters: buffers that it may overwrite, its state, its mode."""

    like: Array
    """(batch, units)"""
    row: Array
    """(batch, 1)"""
    ones: Array
    """(batch,), all one, never overwritten: `ones @ dz` sums over the batch, faster than a reduction"""
    unit_ones: Array
    """(units,), all one, never overwritten: `z @ unit_ones` sums over the units"""
    zeros: Array
    """(batch, units), all zero, never overwritten: comparing with it is faster than with a scalar"""
    state: Mapping[str, Array] = field(default_factory=dict)
    """The layer's arrays that are not trained, such as running statistics, by the names in `Layer.state`."""
    training: bool = True
    """Whether this pass is one of training; a forward pass in training updates the state."""
    mask: Array | None = None
    """(batch, units), zero where a dropout layer drops, one elsewhere; None for other layers."""
    _buffers: dict[str, Array] = field(default_factory=dict)

    @classmethod
    def empty(cls, like: Array, batch: int, units: int) -> "Work":
        """Buffers of the type and precision of `like`."""
        return cls(
            like=np.empty_like(like, shape=(batch, units)),
            row=np.empty_like(like, shape=(batch, 1)),
            ones=np.ones_like(like, shape=(batch,)),
            unit_ones=np.ones_like(like, shape=(units,)),
            zeros=np.zeros_like(like, shape=(batch, units)),
        )

    def buffer(self, name: str, *shape: int) -> Array:
        """A further array, made when it is first asked for and kept: a backward pass finds in it what the forward pass left."""
        if name not in self._buffers:
            self._buffers[name] = np.empty_like(self.like, shape=shape)
        return self._buffers[name]
