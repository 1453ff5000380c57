"""float128 arrays: IEEE 754 binary128 from numpy-quaddtype, as an ndarray subclass that routes around its faults.

numpy-quaddtype 1.0.0 computes elementwise functions, axis sums and C-contiguous `matmul` to 2e-34. These it does not:
`matmul` with a transposed or strided operand returns wrong numbers, `mean` over all elements loses half the digits,
`dot`, `clip` and `linalg.norm` raise. The subclass mends them; tests/test_float128.py shows each fault and its mending.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy_quaddtype import QuadPrecDType

from scratch.arrays import Array

DTYPE: np.dtype[Any] = QuadPrecDType()
UNIT_ROUNDOFF = 2.0**-113


class Float128Array(np.ndarray[Any, Any]):
    """An array of float128. Everything derived from one is one, so plain NumPy code stays in 34 digits."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        operands = [_plain(operand) for operand in inputs]
        if ufunc is np.matmul and method == "__call__":
            operands = [np.ascontiguousarray(operand) for operand in operands]
            if out := kwargs.pop("out", None):
                np.copyto(_plain(out[0]), np.matmul(*operands, **kwargs))
                return out[0]
        if out := kwargs.get("out"):
            kwargs["out"] = tuple(_plain(target) for target in out)
        result = getattr(ufunc, method)(*operands, **kwargs)
        return out[0] if out else _wrap(result)

    def __array_function__(self, func: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        replacement = _REPLACEMENTS.get(func)
        if replacement is not None:
            return replacement(*args, **kwargs)
        return _wrap(super().__array_function__(func, types, args, kwargs))

    # The signatures of ndarray's own methods have more overloads than a replacement can repeat.
    def mean(self, axis: Any = None, *, keepdims: Any = False) -> Any:  # type: ignore[override]
        """The sum divided by the count."""
        total = np.add.reduce(self, axis=axis, keepdims=keepdims)
        return total / (self.size // max(np.size(total), 1))

    def dot(self, other: Any, out: Any = None) -> Any:
        """The matrix product."""
        return _dot(self, other, out)

    def clip(self, min: Any = None, max: Any = None, out: Any = None) -> Any:  # type: ignore[override]
        """Limited to [min, max]."""
        return _clip(self, min, max, out)


def array(values: Any) -> Float128Array:
    """A float128 copy of anything that NumPy can make an array of; float32 and float64 numbers arrive exactly."""
    return np.array(values).astype(DTYPE).view(Float128Array)


def _plain(operand: Any) -> Any:
    return operand.view(np.ndarray) if isinstance(operand, Float128Array) else operand


def _wrap(result: Any) -> Any:
    if isinstance(result, np.ndarray) and result.dtype == DTYPE:
        # A 0-d array assigned to an element of a float128 array does not arrive; a scalar does.
        return result.view(Float128Array) if result.ndim else _plain(result)[()]
    return result


def _dot(a: Any, b: Any, out: Array | None = None) -> Any:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(a, b, out=out)
    return np.matmul(a, b, out=out)


def _clip(a: Any, a_min: Any = None, a_max: Any = None, out: Array | None = None) -> Any:
    lower = a if a_min is None else np.maximum(a, a_min)
    return np.minimum(lower, np.inf if a_max is None else a_max, out=out)


def _mean(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    return a.mean(axis, keepdims=keepdims)


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Any:
    if ord not in (None, 2) or (ord == 2 and axis is None and x.ndim > 1):
        raise NotImplementedError(f"norm of order {ord} in float128. Use the Euclidean norm (ord=None).")
    return np.sqrt(np.add.reduce(np.square(x), axis=axis, keepdims=keepdims))


_REPLACEMENTS: dict[Callable[..., Any], Callable[..., Any]] = {
    np.dot: _dot,
    np.clip: _clip,
    np.mean: _mean,
    np.linalg.norm: _norm,
}
