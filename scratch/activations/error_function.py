"""The complementary error function in every precision, with NumPy and the standard library only.

erfc(x) = 2 / sqrt(pi) times the integral of exp(-t^2) from x to infinity. float32 and float64 have the standard library's, good to its
last bits. Wider and complex numbers get a series near 0 and a continued fraction elsewhere, which are nothing but arithmetic:
what is perturbed by an imaginary step stays analytic. Here, and here only, an activation allocates.
"""

import math
from typing import Any

import numpy as np

from scratch.arrays import Array, Scalar, scalar_type

PI = "3.14159265358979323846264338327950288"

_NATIVE = np.frompyfunc(math.erfc, 1, 1)


def exactly(digits: str | float, dtype: np.dtype[Any]) -> Scalar:
    """The number with these digits, or this number, in the precision of coefficients for arrays of `dtype`."""
    number: Any = scalar_type(dtype)
    return number(digits)


def erfc(x: Array, out: Array) -> None:
    """Write the function's value. Its relative error stays near (1 + 2 x^2) u also where the value is tiny; 2 x^2 is its condition.

    Where the standard library does not reach, 1 - erf(x) costs up to two digits just below x = 2.
    """
    if x.dtype.char in "fd":
        np.copyto(out, _NATIVE(x), casting="unsafe")
        return
    size = np.maximum(x, -x)
    near = np.less(size, 2)
    tail = _fraction(np.where(near, 2, size))
    np.copyto(out, np.where(near, 1 - _series(np.where(near, x, 0)), np.where(np.greater(x, 0), tail, 2 - tail)))


def _series(x: Array) -> Array:
    """erf(x) = 2 x / sqrt(pi) exp(-x^2) (1 + 2 x^2 / 3 (1 + 2 x^2 / 5 (1 + ...))), no term negative (Abramowitz, Stegun 7.1.6)."""
    square = 2 * x * x
    total = np.ones_like(square)
    for n in range(74, 0, -1):  # at |x| = 2, the 74th term is 1e-41 of the sum
        total = 1 + total * square / (2 * n + 1)
    result: Array = total * x * np.exp(-x * x) * (2 / exactly(PI, x.dtype) ** 0.5)
    return result


def _fraction(x: Array) -> Array:
    """erfc(x) = exp(-x^2) / sqrt(pi) / (x + (1/2)/(x + (2/2)/(x + (3/2)/(x + ...)))) for x >= 2 (Abramowitz, Stegun 7.1.14)."""
    total = x
    for n in range(60 if x.dtype.kind == "c" else 220, 0, -1):  # at x = 2, these many steps are exact to 2e-17 and 1e-34
        total = x + (n / 2) / total
    result: Array = np.exp(-x * x) / total / exactly(PI, x.dtype) ** 0.5
    return result
