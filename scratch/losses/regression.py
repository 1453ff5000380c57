"""Losses of a number against a number. Symbols: e = z - y, the error."""

import numpy as np

from scratch.arrays import Array, Work
from scratch.losses.base import Loss, Terms
from scratch.losses.functions import sign

_BISHOP = "C. M. Bishop, Pattern Recognition and Machine Learning (2006)"


def _squared_error(z: Array, y: Array, dz: Array, work: Work) -> Terms:
    np.subtract(z, y, out=dz)
    np.square(dz, out=work.like)
    np.add(dz, dz, out=dz)
    return work.like


def _absolute_error(z: Array, y: Array, dz: Array, work: Work) -> Terms:
    e = z - y
    dz[...] = sign(e)
    return np.abs(e)


def _huber(z: Array, y: Array, dz: Array, work: Work, delta: float) -> Terms:
    # With c = min(max(e, -delta), delta), both branches are c (e - c / 2).
    e = z - y
    dz[...] = np.minimum(np.maximum(e, -delta), delta)
    return dz * (e - dz / 2)


def _smooth_l1(z: Array, y: Array, dz: Array, work: Work, beta: float) -> Terms:
    e = z - y
    c = np.minimum(np.maximum(e, -beta), beta)
    dz[...] = c / beta
    return dz * (e - c / 2)


def _log_cosh(z: Array, y: Array, dz: Array, work: Work) -> Terms:
    e = z - y
    np.tanh(e, out=dz)
    a = np.abs(e)
    # Near zero log cosh e is e^2 / 2, which log(exp(e) + exp(-e)) - log 2 would lose: cosh e - 1 = (exp(e) - 1)^2 exp(-e) / 2.
    near = np.minimum(a, 1)
    small = np.log1p(np.square(np.expm1(near)) * np.exp(-near) / 2)
    large = a + np.log1p(np.expm1(-2 * a) / 2)
    return np.where(a < 1, small, large)


def _log_cosh_keras(z: Array, y: Array, dz: Array, work: Work) -> Terms:
    """With a log 2 that was rounded to float32, whatever the precision."""
    log_2 = np.log(1 + np.ones_like(z))
    return _log_cosh(z, y, dz, work) - (0.693147182464599609375 - log_2)


def _percentage_error(z: Array, y: Array, dz: Array, work: Work, floor: float = 0.0) -> Terms:
    e, scale = z - y, np.maximum(np.abs(y), floor)
    dz[...] = 100 * sign(e) / scale
    return 100 * np.abs(e) / scale


def _percentage_error_floor(z: Array, y: Array, dz: Array, work: Work) -> Terms:
    return _percentage_error(z, y, dz, work, floor=1e-7)


def _squared_logarithmic_error(z: Array, y: Array, dz: Array, work: Work) -> Terms:
    e = np.log1p(z) - np.log1p(y)
    dz[...] = 2 * e / (1 + z)
    return np.square(e)


def _squared_logarithmic_error_floor(z: Array, y: Array, dz: Array, work: Work) -> Terms:
    terms = _squared_logarithmic_error(np.maximum(z, 1e-7), np.maximum(y, 1e-7), dz, work)
    np.multiply(dz, z >= 1e-7, out=dz)
    return terms


def _lengths(x: Array) -> Array:
    """The length of each row, (batch, 1). Scaled first: squares of small numbers would underflow."""
    largest = np.maximum.reduce(np.abs(x), axis=1, keepdims=True)
    scale = np.where(largest > 0, largest, 1)
    found: Array = scale * np.sqrt(np.sum(np.square(x / scale), axis=1, keepdims=True))
    return found


def _cosine_similarity(z: Array, y: Array, dz: Array, work: Work) -> Terms:
    length = _lengths(z)
    unit_z, unit_y = z / length, y / _lengths(y)
    cosine = np.sum(unit_z * unit_y, axis=1, keepdims=True)
    dz[...] = (cosine * unit_z - unit_y) / length
    return -cosine


def _cosine_floor(z: Array, y: Array, dz: Array, work: Work) -> Terms:
    """A length below 1e-7 counts as 1e-7, a constant."""
    floor = 1e-7
    length = _lengths(z)
    unit_z, unit_y = z / np.maximum(length, floor), y / np.maximum(_lengths(y), floor)
    cosine = np.sum(unit_z * unit_y, axis=1, keepdims=True)
    dz[...] = np.where(length >= floor, cosine * unit_z, 0) - unit_y
    np.divide(dz, np.maximum(length, floor), out=dz)
    return -cosine


def _cosine_floor_in_value(z: Array, y: Array, dz: Array, work: Work) -> Terms:
    """A length below 1e-8 counts as 1e-8 in the value, while its derivative is taken as if it were not bounded."""
    floor = 1e-8
    length = _lengths(z)
    bounded = np.maximum(length, floor)
    unit_y = y / np.maximum(_lengths(y), floor)
    cosine = np.sum(z / bounded * unit_y, axis=1, keepdims=True)
    dz[...] = (cosine * (z / length) - unit_y) / bounded
    return -cosine


REGRESSION = (
    Loss(
        name="mean_squared_error",
        formula="(z - y)^2",
        derivative="2 (z - y)",
        source=f"{_BISHOP}, equation 5.11 (half_batchmean, times the batch size)",
        rule=_squared_error,
        reductions=("mean", "batchmean", "half_batchmean", "sum"),
    ),
    Loss(
        name="mean_absolute_error",
        formula="|z - y|",
        derivative="sign(z - y)",
        source=f"{_BISHOP}, equation 1.91 with q = 1",
        rule=_absolute_error,
        kinks="z = y",
    ),
    Loss(
        name="huber",
        formula="e^2 / 2 where |e| <= delta, else delta (|e| - delta / 2)",
        derivative="min(max(e, -delta), delta)",
        source="P. J. Huber, Robust Estimation of a Location Parameter (1964)",
        rule=_huber,
        settings={"delta": 1.0},
    ),
    Loss(
        name="smooth_l1",
        formula="e^2 / (2 beta) where |e| < beta, else |e| - beta / 2",
        derivative="min(max(e / beta, -1), 1)",
        source="R. Girshick, Fast R-CNN (2015), equation 3 (beta = 1)",
        rule=_smooth_l1,
        settings={"beta": 1.0},
    ),
    Loss(
        name="log_cosh",
        formula="log cosh(z - y)",
        derivative="tanh(z - y)",
        source="R. A. Saleh, A. K. Md. E. Saleh, Statistical Properties of the log-cosh Loss Function Used in Machine Learning (2022)",
        rule=_log_cosh,
        variants={
            "keras": {
                "rule": _log_cosh_keras,
                "formula": "log(exp(z - y) + exp(y - z)) - log 2, with log 2 rounded to float32 at every precision",
            }
        },
    ),
    Loss(
        name="mean_absolute_percentage_error",
        formula="100 |z - y| / |y|",
        derivative="100 sign(z - y) / |y|",
        source="A. de Myttenaere et al., Mean Absolute Percentage Error for Regression Models (2016), times 100",
        rule=_percentage_error,
        targets="nonzero",
        kinks="z = y",
        variants={
            "keras": {
                "rule": _percentage_error_floor,
                "formula": "100 |z - y| / max(|y|, 1e-7)",
                "derivative": "100 sign(z - y) / max(|y|, 1e-7)",
            }
        },
    ),
    Loss(
        name="mean_squared_logarithmic_error",
        formula="(log(1 + z) - log(1 + y))^2",
        derivative="2 (log(1 + z) - log(1 + y)) / (1 + z)",
        source="definition: the squared error of log(1 + z)",
        rule=_squared_logarithmic_error,
        outputs="nonnegative",
        targets="nonnegative",
        variants={
            "keras": {
                "rule": _squared_logarithmic_error_floor,
                "formula": "(log(1 + max(z, 1e-7)) - log(1 + max(y, 1e-7)))^2",
                "derivative": "the same of max(z, 1e-7), and 0 where z < 1e-7",
            }
        },
    ),
    Loss(
        name="cosine_similarity",
        formula="-sum_k z_nk y_nk / (|z_n| |y_n|), per row",
        derivative="(cos u - v) / |z_n| with u = z_n / |z_n|, v = y_n / |y_n|, cos = u v",
        source="definition: minus the cosine of the angle between z_n and y_n",
        rule=_cosine_similarity,
        outputs="vector",
        targets="vector",
        reductions=("mean", "sum"),
        per_row=True,
        kinks="z_n = 0",
        variants={
            "torch": {
                "rule": _cosine_floor_in_value,
                "formula": "-sum_k z_nk y_nk / (max(|z_n|, 1e-8) max(|y_n|, 1e-8))",
                "derivative": "as if d max(|z_n|, 1e-8) were d |z_n|",
                "detached": True,
            },
            "keras": {
                "rule": _cosine_floor,
                "formula": "-sum_k z_nk y_nk / (max(|z_n|, 1e-7) max(|y_n|, 1e-7))",
                "derivative": "of that formula",
            },
        },
    ),
)
