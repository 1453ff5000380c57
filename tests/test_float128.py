"""float128 against mpmath, and the faults of numpy-quaddtype that the subclass mends."""

import mpmath
import numpy as np
import pytest
from numpy_quaddtype import QuadPrecDType

from backends import float128
from backends.float128 import Float128Array

mpmath.mp.dps = 60
ULP = 2 * float128.UNIT_ROUNDOFF
"""The elementwise functions promise 1 ulp."""

FUNCTIONS = {
    "exp": (np.exp, mpmath.exp),
    "expm1": (np.expm1, mpmath.expm1),
    "log": (np.log, mpmath.log),
    "log1p": (np.log1p, mpmath.log1p),
    "sqrt": (np.sqrt, mpmath.sqrt),
    "tanh": (np.tanh, mpmath.tanh),
    "square": (np.square, lambda x: x * x),
}


def exact(value):
    """An mpmath number with all 113 bits of a float128 scalar, as a sum of doubles."""
    parts = []
    for _ in range(3):
        parts.append(float(value))
        value = value - parts[-1]
    return mpmath.fsum(parts)


def relative(value, true):
    return abs(float((exact(value) - true) / true))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_agree_with_mpmath(name, rng):
    function, true = FUNCTIONS[name]
    points = float128.array(np.abs(rng.standard_normal(200)) * 10.0 ** rng.integers(-6, 2, 200))
    for point, value in zip(points, function(points), strict=True):
        assert relative(value, true(exact(point))) <= ULP


def test_products_with_transposed_and_strided_operands_are_right(rng):
    a, b = (float128.array(rng.standard_normal(shape)) for shape in ((7, 5), (7, 4)))
    true = mpmath.matrix([[exact(x) for x in row] for row in a]).T * mpmath.matrix([[exact(x) for x in row] for row in b])
    out = np.empty_like(a, shape=(5, 4))
    products = [a.T @ b, np.dot(a.T, b), a.T.dot(b), np.dot(a.T, b, out=out), a[::-1].T @ b[::-1]]
    for product in products:
        assert isinstance(product, Float128Array)
        for i in range(5):
            for j in range(4):
                scale = sum(abs(exact(a[k, i]) * exact(b[k, j])) for k in range(7))
                assert abs(exact(product[i, j]) - true[i, j]) <= 8 * float128.UNIT_ROUNDOFF * scale
    assert out is products[3]


def test_vectors_and_scalars_in_products(rng):
    a, v = float128.array(rng.standard_normal((3, 4))), float128.array(rng.standard_normal(4))
    assert np.array_equal(np.dot(a, v), np.add.reduce(a * v, axis=1))
    assert np.dot(v, v) == np.add.reduce(v * v)
    assert np.array_equal(np.dot(v, 2), v + v)


def test_mean_clip_and_norm_keep_their_digits(rng):
    a = float128.array(rng.standard_normal((6, 7)))
    total = mpmath.fsum(exact(x) for x in a.ravel())
    scale = float(mpmath.fsum(abs(exact(x)) for x in a.ravel()))
    for mean in (a.mean(), np.mean(a)):
        assert abs(float(exact(mean) - total / 42)) <= 42 * float128.UNIT_ROUNDOFF * scale / 42
    assert np.array_equal(np.mean(a, axis=0, keepdims=True)[0], a.sum(axis=0) / 6)
    clipped = np.clip(a, -0.5, 0.5)
    assert np.array_equal(clipped, a.clip(-0.5, 0.5))
    assert clipped.max() <= 0.5
    assert clipped.min() >= -0.5
    assert (clipped == a)[np.abs(a) < 0.5].all()
    assert relative(np.linalg.norm(a), mpmath.sqrt(mpmath.fsum(exact(x) ** 2 for x in a.ravel()))) <= 1e-32


def test_everything_derived_stays_float128(rng):
    a = float128.array(rng.standard_normal((3, 4)))
    derived = [a + 1, a.T, a[0], np.zeros_like(a), np.empty_like(a, shape=(2,)), np.where(a > 0, a, 0), a.reshape(-1)]
    derived += [np.maximum.reduce(a, axis=1, keepdims=True), np.concatenate([a, a]), np.exp(a), a.copy()]
    for array in derived:
        assert isinstance(array, Float128Array)
        assert array.dtype == float128.DTYPE
    assert not isinstance(a.sum(), np.ndarray)
    b = np.zeros_like(a)
    b[0, 0] = a.sum()
    assert b[0, 0] == a.sum()


def test_numbers_arrive_exactly():
    assert exact(float128.array([0.1])[0]) == mpmath.mpf(0.1)
    assert exact(float128.array(np.array([0.1], dtype=np.float32))[0]) == mpmath.mpf(float(np.float32(0.1)))
    assert exact(float128.array(0.1)[()]) == mpmath.mpf(0.1)


def test_the_faults_are_still_there(rng):
    """If one of these fails, numpy-quaddtype has mended it: then our way around it can go."""
    a = rng.standard_normal((7, 5)).astype(QuadPrecDType())
    wrong = a.T @ a
    assert not np.array_equal(wrong, np.ascontiguousarray(a.T) @ a)
    with pytest.raises(TypeError):
        np.dot(a, a.T)
    with pytest.raises(TypeError):
        np.clip(a, -1, 1)
    total = a.sum() / 35
    assert abs(float(a.mean() - total)) > 1e-25
