"""Random numbers and arrays of float32, the values at which implementations go wrong among them."""

import math

import numpy as np
from hypothesis import strategies as st

from scratch.arrays import Array

ROWS, WIDTH = 2, 4
"""One shape for all, since frameworks compile anew for every other one."""

SMALLEST, NORMAL, HUGE = 2.0**-149, 2.0**-126, float(np.finfo(np.float32).max)
_SIZES = (SMALLEST, NORMAL, 1e-20, 2.0**-24, 2.0**-12, 0.5, 1.0, 2.0, 3.0, 6.0, 20.0, 88.0, 104.0, 1e4, 1e10, 1e20, HUGE)
EDGES = (0.0, -0.0, *(sign * float(np.float32(size)) for size in _SIZES for sign in (1, -1)))
"""Signed zeros, the smallest subnormal and normal numbers, u, the usual kinks, where exp over- and underflows, the largest."""
USUAL = 8.0
NOT_FINITE = (math.inf, -math.inf, math.nan)


def edge_values(low: float = -HUGE, high: float = HUGE) -> st.SearchStrategy[float]:
    """Those of `EDGES` between two bounds.

    Example:
        @given(edge_values(low=0))
        def test_my_root(x):
            assert math.isclose(my_root(x) ** 2, x, rel_tol=1e-6, abs_tol=1e-37)
    """
    return st.sampled_from([edge for edge in EDGES if low <= edge <= high])


def numbers(low: float = -HUGE, high: float = HUGE) -> st.SearchStrategy[float]:
    """Numbers that float32 has: of usual size, of any size with every exponent equally likely, and edge values.

    The bounds must be numbers of float32, the lower one below the upper one.

    Example:
        @given(numbers())
        def test_my_sigmoid_is_between_0_and_1(z):
            assert 0 <= my_sigmoid(z) <= 1
    """
    signs = st.sampled_from([sign for sign, there in ((1.0, high > 0), (-1.0, low < 0)) if there])
    top = max(-149, math.frexp(max(abs(low), abs(high)))[1] - 1)
    any_size = st.builds(_of_size, signs, st.integers(2**7, 2**8 - 1), st.integers(-149, top))
    drawn = [any_size.filter(lambda x: low <= x <= high)]
    if max(low, -USUAL) < min(high, USUAL):
        drawn.insert(0, st.floats(max(low, -USUAL), min(high, USUAL), width=32, allow_subnormal=False))
    if any(low <= edge <= high for edge in EDGES):
        drawn.append(edge_values(low, high))
    return st.one_of(drawn)


def _of_size(sign: float, mantissa: int, exponent: int) -> float:
    """A number of eight bits, fewer where it is subnormal."""
    return sign * float(np.float32(math.ldexp(mantissa / 2**7, exponent)))


def arrays(
    rows: int = ROWS, columns: int = WIDTH, elements: st.SearchStrategy[float] | None = None
) -> st.SearchStrategy[Array]:
    """Arrays (rows, columns) of float32.

    Example:
        @given(arrays(3, 2))
        def test_my_softmax_sums_to_one(z):
            assert np.allclose(my_softmax(z).sum(axis=1), 1, atol=1e-6)
    """
    values = st.lists(numbers() if elements is None else elements, min_size=rows * columns, max_size=rows * columns)
    return values.map(lambda drawn: np.array(drawn, np.float32).reshape(rows, columns))


@st.composite
def with_non_finite(draw: st.DrawFn, array: st.SearchStrategy[Array]) -> Array:
    """One array in six with an infinity or NaN in one place."""
    values = draw(array)
    if values.size and draw(st.integers(0, 5)) == 5:
        values.ravel()[draw(st.integers(0, values.size - 1))] = draw(st.sampled_from(NOT_FINITE))
    return values
