"""What the rest of scratch means by an array, and the buffers that its rules may use."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]
"""An array of float32, float64 or float128 (the last one is a user-defined NumPy dtype, hence `Any`)."""

Scalar: TypeAlias = Any
"""A Python float, or the scalar type of a wider dtype."""


def scalar_type(dtype: np.dtype[Any]) -> Callable[[float], Scalar]:
    """The type in which coefficients such as `1 - beta**t` are computed for arrays of `dtype`.

    Python floats serve float32 and float64: in float32 arithmetic a bias correction of Adam would cost half the digits.
    Wider arrays need coefficients of their own precision.
    """
    return float if dtype.itemsize <= 8 else dtype.type


class Work(NamedTuple):
    """Buffers that a rule may overwrite, made once per layer and batch size."""

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
