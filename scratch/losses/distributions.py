"""Losses that compare distributions or sets: divergences, likelihoods of counts and of normal variables, overlaps."""

import numpy as np

from scratch.arrays import Array, Work
from scratch.losses.base import Loss, Terms
from scratch.losses.functions import clipped

_BISHOP = "C. M. Bishop, Pattern Recognition and Machine Learning (2006)"
_PER_ROW = ("mean", "sum")
_KERAS, _TORCH = 1e-7, 1e-8


def _log_or_zero(y: Array) -> Array:
    """The logarithm of y, and 0 where y is 0: y log y is 0 there."""
    found: Array = np.log(np.where(y > 0, y, 1))
    return found


def _kl_divergence(z: Array, y: Array, dz: Array, work: Work) -> Terms:
    np.negative(y, out=dz)
    return y * (_log_or_zero(y) - z)


def _kl_on_probabilities(z: Array, y: Array, dz: Array, work: Work) -> Terms:
    dz[...] = -y / z
    return y * (_log_or_zero(y) - np.log(z))


def _kl_on_clipped_probabilities(z: Array, y: Array, dz: Array, work: Work) -> Terms:
    p, inside = clipped(z, _KERAS, 1)
    terms = _kl_on_probabilities(p, np.minimum(np.maximum(y, _KERAS), 1), dz, work)
    np.multiply(dz, inside, out=dz)
    return terms


def _poisson(z: Array, y: Array, dz: Array, work: Work) -> Terms:
    rate = np.exp(z)
    np.subtract(rate, y, out=dz)
    return rate - y * z


def _poisson_on_rates(z: Array, y: Array, dz: Array, work: Work, epsilon: float = 0.0) -> Terms:
    dz[...] = 1 - y / (z + epsilon)
    return z - y * np.log(z + epsilon)


def _poisson_on_rates_torch(z: Array, y: Array, dz: Array, work: Work) -> Terms:
    return _poisson_on_rates(z, y, dz, work, _TORCH)


def _poisson_on_rates_keras(z: Array, y: Array, dz: Array, work: Work) -> Terms:
    return _poisson_on_rates(z, y, dz, work, _KERAS)


def _gaussian(z: Array, y: Array, dz: Array, work: Work, floor: float = 0.0) -> Terms:
    half = z.shape[1] // 2
    e, variance = z[:, :half] - y, np.maximum(z[:, half:], floor)
    dz[:, :half] = e / variance
    dz[:, half:] = (1 - np.square(e) / variance) / (2 * variance)
    return (np.log(variance) + np.square(e) / variance) / 2


def _gaussian_floor_in_value(z: Array, y: Array, dz: Array, work: Work) -> Terms:
    """The derivative passes the bound as if it were not there."""
    return _gaussian(z, y, dz, work, floor=1e-6)


def _overlap(z: Array, y: Array, dz: Array, false_positives: float, false_negatives: float, epsilon: float = 0.0) -> Terms:
    """1 - T / D with T = sum y z and D = T + a sum z (1 - y) + b sum y (1 - z) + epsilon."""
    a, b = false_positives, false_negatives
    hits = np.sum(y * z, axis=1, keepdims=True)
    false_alarms, misses = (np.sum(x, axis=1, keepdims=True) for x in (z * (1 - y), y * (1 - z)))
    whole = hits + a * false_alarms + b * misses + epsilon
    dz[...] = (hits * (y + a * (1 - y) - b * y) / whole - y) / whole
    return (a * false_alarms + b * misses + epsilon) / whole


def _dice(z: Array, y: Array, dz: Array, work: Work) -> Terms:
    return _overlap(z, y, dz, 0.5, 0.5)


def _dice_keras(z: Array, y: Array, dz: Array, work: Work) -> Terms:
    return _overlap(z, y, dz, 0.5, 0.5, _KERAS / 2)


def _tversky(z: Array, y: Array, dz: Array, work: Work, alpha: float, beta: float) -> Terms:
    return _overlap(z, y, dz, alpha, beta)


def _tversky_keras(z: Array, y: Array, dz: Array, work: Work, alpha: float, beta: float) -> Terms:
    return _overlap(z, y, dz, beta, alpha, _KERAS)


DISTRIBUTIONS = (
    Loss(
        name="kl_divergence",
        formula="sum_k y_nk (log y_nk - z_nk), per row",
        derivative="-y",
        source=f"{_BISHOP}, equation 1.113, z the logarithms",
        rule=_kl_divergence,
        outputs="log_distribution",
        targets="distribution",
        reductions=_PER_ROW,
        per_row=True,
        variants={
            "torch": {"per_row": False, "formula": "y_nk (log y_nk - z_nk), per element: its mean divides by the units as well"}
        },
    ),
    Loss(
        name="kl_divergence_on_probabilities",
        formula="sum_k y_nk log(y_nk / z_nk), per row",
        derivative="-y / z",
        source=f"{_BISHOP}, equation 1.113",
        rule=_kl_on_probabilities,
        outputs="distribution",
        targets="distribution",
        reductions=_PER_ROW,
        per_row=True,
        variants={
            "keras": {
                "rule": _kl_on_clipped_probabilities,
                "formula": "the same of y and z between 1e-7 and 1",
                "derivative": "the same there, 0 where z is clipped",
            }
        },
    ),
    Loss(
        name="poisson",
        formula="exp(z) - y z",
        derivative="exp(z) - y",
        source="P. McCullagh, J. A. Nelder, Generalized Linear Models (1989), without log y!, z the log rate",
        rule=_poisson,
        targets="count",
    ),
    Loss(
        name="poisson_on_rates",
        formula="z - y log z",
        derivative="1 - y / z",
        source="P. McCullagh, J. A. Nelder, Generalized Linear Models (1989), without log y!, z the rate",
        rule=_poisson_on_rates,
        outputs="positive",
        targets="count",
        variants={
            "torch": {
                "rule": _poisson_on_rates_torch,
                "formula": "z - y log(z + 1e-8)",
                "derivative": "1 - y / (z + 1e-8)",
            },
            "keras": {
                "rule": _poisson_on_rates_keras,
                "formula": "z - y log(z + 1e-7)",
                "derivative": "1 - y / (z + 1e-7)",
            },
        },
    ),
    Loss(
        name="gaussian_negative_log_likelihood",
        formula="(log v + (m - y)^2 / v) / 2, with m the first half of the units of z and v the second",
        derivative="(m - y) / v by m, (1 - (m - y)^2 / v) / (2 v) by v",
        source="D. A. Nix, A. S. Weigend, Estimating the Mean and Variance of the Target Probability Distribution (1994)",
        rule=_gaussian,
        outputs="mean_and_variance",
        halves=True,
        variants={
            "torch": {
                "rule": _gaussian_floor_in_value,
                "formula": "the same of max(v, 1e-6)",
                "derivative": "the same of max(v, 1e-6), as if d max(v, 1e-6) were dv",
                "detached": True,
            }
        },
    ),
    Loss(
        name="dice",
        formula="1 - 2 sum_k y_nk z_nk / sum_k (y_nk + z_nk), per row",
        derivative="tversky's with alpha = beta = 1/2",
        source="L. R. Dice, Measures of the Amount of Ecologic Association Between Species (1945), of numbers between 0 and 1",
        rule=_dice,
        outputs="probability",
        targets="one_hot",
        reductions=_PER_ROW,
        per_row=True,
        variants={
            "keras": {"rule": _dice_keras, "formula": "1 - 2 sum_k y_nk z_nk / (sum_k (y_nk + z_nk) + 1e-7), per row"},
        },
    ),
    Loss(
        name="tversky",
        formula="1 - T / D per row, with T = sum_k y_nk z_nk, D = T + alpha sum_k z_nk (1 - y_nk) + beta sum_k y_nk (1 - z_nk)",
        derivative="(T (y + alpha (1 - y) - beta y) / D - y) / D",
        source="S. S. M. Salehi et al., Tversky Loss Function for Image Segmentation (2017)",
        rule=_tversky,
        outputs="probability",
        targets="one_hot",
        reductions=_PER_ROW,
        settings={"alpha": 0.5, "beta": 0.5},
        per_row=True,
        variants={
            "keras": {
                "rule": _tversky_keras,
                "formula": "the same with alpha and beta in each other's place, and D + 1e-7",
            }
        },
    ),
)
