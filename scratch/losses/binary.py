"""Losses of one decision per element. Symbols: p = sigmoid(z) the probability of a 1, softplus(z) = log(1 + exp(z))."""

from typing import Any

import numpy as np

from scratch.arrays import Array, Work
from scratch.losses.base import Loss, Terms
from scratch.losses.functions import class_row, clipped, sigmoid, smoothed, softplus

_BISHOP = "C. M. Bishop, Pattern Recognition and Machine Learning (2006)"
_FOCAL = "T.-Y. Lin et al., Focal Loss for Dense Object Detection (2017)"
_CLIP = 1e-7
_EPSILON = 9.999999960041972e-13
"""PyTorch's 1e-12: a float32 constant, at every precision."""


def _binary_cross_entropy(
    z: Array, y: Array, dz: Array, work: Work, label_smoothing: float = 0.0, positive_weight: float = 1.0
) -> Terms:
    if label_smoothing:
        y = smoothed(y, label_smoothing, 2, z)
    if positive_weight != 1:
        # softplus(z) = z + softplus(-z) would cancel for large z of either sign.
        dz[...] = (1 - y) * sigmoid(z) - positive_weight * y * sigmoid(-z)
        return (1 - y) * softplus(z) + positive_weight * y * softplus(-z)
    decay, terms = work.like, work.buffer("terms", *z.shape)
    np.absolute(z, out=decay)
    np.negative(decay, out=decay)
    np.exp(decay, out=decay)
    # sigmoid(z) = exp(min(z, 0)) / (1 + exp(-|z|))
    np.minimum(z, work.zeros, out=dz)
    np.exp(dz, out=dz)
    np.add(decay, 1, out=terms)
    np.divide(dz, terms, out=dz)
    np.subtract(dz, y, out=dz)
    # max(z, 0) - z y + log(1 + exp(-|z|))
    np.log1p(decay, out=decay)
    np.multiply(z, y, out=terms)
    np.subtract(decay, terms, out=decay)
    np.maximum(z, work.zeros, out=terms)
    np.add(decay, terms, out=terms)
    return terms


def _on_probabilities(z: Array, y: Array, dz: Array, work: Work) -> Terms:
    dz[...] = (z - y) / (z * (1 - z))
    return -(y * np.log(z) + (1 - y) * np.log1p(-z))


def _on_probabilities_log_bounded(z: Array, y: Array, dz: Array, work: Work) -> Terms:
    """Logarithms not below -100, and in the derivative a denominator not below 1e-12, which is not the value's derivative."""
    dz[...] = (z - y) / np.maximum(z * (1 - z), _EPSILON)
    with np.errstate(divide="ignore"):
        return -(y * np.maximum(np.log(z), -100) + (1 - y) * np.maximum(np.log1p(-z), -100))


def _on_clipped_probabilities(z: Array, y: Array, dz: Array, work: Work) -> Terms:
    p, inside = clipped(z, _CLIP, 1 - _CLIP)
    terms = _on_probabilities(p, y, dz, work)
    np.multiply(dz, inside, out=dz)
    return terms


def _balance(y: Array, alpha: float | None) -> Any:
    return 1 if alpha is None else alpha * y + (1 - alpha) * (1 - y)


def _focal(z: Array, y: Array, dz: Array, work: Work, gamma: float, alpha: float | None) -> Terms:
    # s is the logit of the right answer; 1 - p_t = sigmoid(-s) and -log p_t = softplus(-s).
    s, balance = (2 * y - 1) * z, _balance(y, alpha)
    wrong, surprise = sigmoid(-s), softplus(-s)
    factor = wrong**gamma
    dz[...] = (1 - 2 * y) * balance * factor * (gamma * sigmoid(s) * surprise + wrong)
    return balance * factor * surprise


def _hinge(z: Array, y: Array, dz: Array, work: Work) -> Terms:
    margin = np.maximum(1 - y * z, 0)
    dz[...] = -y * (margin > 0)
    return margin


def _squared_hinge(z: Array, y: Array, dz: Array, work: Work) -> Terms:
    margin = np.maximum(1 - y * z, 0)
    dz[...] = -2 * y * margin
    return np.square(margin)


def _soft_margin(z: Array, y: Array, dz: Array, work: Work) -> Terms:
    dz[...] = -y * sigmoid(-y * z)
    return softplus(-y * z)


def _multi_label(z: Array, y: Array, dz: Array, work: Work, class_weights: tuple[float, ...] | None) -> Terms:
    terms = _binary_cross_entropy(z, y, dz, work)
    if class_weights is not None:
        weights = class_row(class_weights, z, "multi_label_soft_margin")
        terms = terms * weights
        np.multiply(dz, weights, out=dz)
    np.divide(dz, z.shape[1], out=dz)
    return np.sum(terms, axis=1, keepdims=True) / z.shape[1]


BINARY = (
    Loss(
        name="binary_cross_entropy",
        formula="y w softplus(-z) + (1 - y) softplus(z), with y = (1 - s) y + s / 2",
        derivative="(1 - y) p - w y (1 - p)",
        source=f"{_BISHOP}, equations 4.90 and 4.91 (w = 1, s = 0)",
        rule=_binary_cross_entropy,
        targets="binary",
        settings={"label_smoothing": 0.0, "positive_weight": 1.0},
    ),
    Loss(
        name="binary_cross_entropy_on_probabilities",
        formula="-y log z - (1 - y) log(1 - z)",
        derivative="(z - y) / (z (1 - z))",
        source=f"{_BISHOP}, equation 4.90",
        rule=_on_probabilities,
        outputs="probability",
        targets="binary",
        variants={
            "torch": {
                "rule": _on_probabilities_log_bounded,
                "formula": "-y max(log z, -100) - (1 - y) max(log(1 - z), -100)",
                "derivative": "(z - y) / max(z (1 - z), 1e-12)",
                "detached": True,
            },
            "keras": {
                "rule": _on_clipped_probabilities,
                "formula": "the same of z between 1e-7 and 1 - 1e-7",
                "derivative": "the same there, 0 elsewhere",
            },
        },
    ),
    Loss(
        name="binary_focal",
        formula="-alpha_t (1 - p_t)^gamma log p_t, with p_t = p and alpha_t = alpha where y = 1, 1 - p and 1 - alpha where y = 0",
        derivative="(1 - 2 y) alpha_t (1 - p_t)^gamma (1 - p_t - gamma p_t log p_t)",
        source=f"{_FOCAL}, equation 5; equation 4 without alpha",
        rule=_focal,
        targets="binary",
        settings={"gamma": 2.0, "alpha": None},
    ),
    Loss(
        name="hinge",
        formula="max(1 - y z, 0)",
        derivative="-y 1[y z < 1]",
        source=f"{_BISHOP}, equation 7.45",
        rule=_hinge,
        targets="sign",
        kinks="y z = 1",
    ),
    Loss(
        name="squared_hinge",
        formula="max(1 - y z, 0)^2",
        derivative="-2 y max(1 - y z, 0)",
        source="C. Cortes, V. Vapnik, Support-Vector Networks (1995), the soft margin with squared errors",
        rule=_squared_hinge,
        targets="sign",
    ),
    Loss(
        name="soft_margin",
        formula="log(1 + exp(-y z))",
        derivative="-y sigmoid(-y z)",
        source=f"{_BISHOP}, equation 7.48",
        rule=_soft_margin,
        targets="sign",
    ),
    Loss(
        name="multi_label_soft_margin",
        formula="sum_k w_k (y_nk softplus(-z_nk) + (1 - y_nk) softplus(z_nk)) / units, per row",
        derivative="w_k (sigmoid(z_nk) - y_nk) / units",
        source=f"{_BISHOP}, equations 4.90 and 4.91, with a weight per class",
        rule=_multi_label,
        targets="binary",
        reductions=("mean", "sum"),
        settings={"class_weights": None},
        per_row=True,
    ),
)
