"""Losses of one class out of several. Symbols: t the right class; p = softmax(z), row by row; w_k the weight of class k."""

import numpy as np

from scratch.arrays import Array, Work
from scratch.losses.base import Loss, Terms
from scratch.losses.functions import class_row, clipped, dense_targets, smoothed

_BISHOP = "C. M. Bishop, Pattern Recognition and Machine Learning (2006)"
_CLIP = 1e-7
_PER_ROW = ("mean", "sum")


def _softmax_cross_entropy(
    z: Array,
    y: Array,
    dz: Array,
    work: Work,
    label_smoothing: float = 0.0,
    class_weights: tuple[float, ...] | None = None,
) -> Terms:
    shifted, row, of_target = work.like, work.row, work.buffer("of_target", len(z), 1)
    np.maximum.reduce(z, axis=1, keepdims=True, out=row)
    np.subtract(z, row, out=shifted)
    np.exp(shifted, out=dz)
    np.dot(dz, work.unit_ones, out=row[:, 0])
    np.divide(dz, row, out=dz)
    np.log(row, out=row)
    if label_smoothing or class_weights is not None:
        q = dense_targets(y, z)
        if label_smoothing:
            q = smoothed(q, label_smoothing, z.shape[1], z)
        if class_weights is not None:
            q = q * class_row(class_weights, z, "softmax_cross_entropy")
        np.multiply(dz, np.sum(q, axis=1, keepdims=True), out=dz)
        np.subtract(dz, q, out=dz)
        return np.sum(q * (row - shifted), axis=1, keepdims=True)
    if y.ndim == 1:
        rows = np.arange(len(y))
        of_target[:, 0] = shifted[rows, y]
        dz[rows, y] -= 1
    else:
        np.subtract(dz, y, out=dz)
        np.multiply(shifted, y, out=shifted)
        np.dot(shifted, work.unit_ones, out=of_target[:, 0])
    np.subtract(row, of_target, out=row)
    return row


def _on_probabilities(z: Array, y: Array, dz: Array, work: Work) -> Terms:
    dz[...] = -y / z
    return -np.sum(y * np.log(z), axis=1, keepdims=True)


def _on_normalised_probabilities(z: Array, y: Array, dz: Array, work: Work) -> Terms:
    """Divided by the row's sum first, clipped then; the derivative passes through both."""
    total = np.sum(z, axis=1, keepdims=True)
    p = z / total
    c, inside = clipped(p, _CLIP, 1 - _CLIP)
    slope = -(y / c) * inside
    dz[...] = (slope - np.sum(slope * p, axis=1, keepdims=True)) / total
    return -np.sum(y * np.log(c), axis=1, keepdims=True)


def _sparse_on_probabilities(z: Array, y: Array, dz: Array, work: Work) -> Terms:
    return _on_probabilities(z, dense_targets(y, z), dz, work)


def _sparse_on_probabilities_normalised(z: Array, y: Array, dz: Array, work: Work) -> Terms:
    """Clipped first, then a softmax of the logarithms, which divides by the row's sum."""
    q = dense_targets(y, z)
    c, inside = clipped(z, _CLIP, 1 - _CLIP)
    total = np.sum(c, axis=1, keepdims=True)
    dz[...] = (1 / total - q / c) * inside
    return np.log(total) - np.sum(q * np.log(c), axis=1, keepdims=True)


def _negative_log_likelihood(z: Array, y: Array, dz: Array, work: Work, class_weights: tuple[float, ...] | None) -> Terms:
    q = dense_targets(y, z)
    if class_weights is not None:
        q = q * class_row(class_weights, z, "negative_log_likelihood")
    np.negative(q, out=dz)
    return -np.sum(q * z, axis=1, keepdims=True)


def _focal(z: Array, y: Array, dz: Array, work: Work, gamma: float, alpha: float) -> Terms:
    exps = np.exp(z - np.maximum.reduce(z, axis=1, keepdims=True))
    total = np.sum(exps, axis=1, keepdims=True)
    right = np.sum(y * exps, axis=1, keepdims=True) / total
    # 1 - p_t without cancellation, and log p_t, which is log(1 - (1 - p_t)) where p_t is near 1.
    wrong = np.sum((1 - y) * exps, axis=1, keepdims=True) / total
    of_target = np.sum(y * (z - np.maximum.reduce(z, axis=1, keepdims=True)), axis=1, keepdims=True) - np.log(total)
    log_p = np.where(wrong < 0.5, np.log1p(-np.minimum(wrong, 0.5)), of_target)
    # wrong^(gamma - 1) is infinite for gamma < 1 and wrong = 0, where the whole derivative is 0: it has a factor wrong more.
    positive = np.where(wrong > 0, wrong, 1)
    factor = np.where(wrong > 0, alpha * positive**gamma, 0)
    np.multiply(-factor * (wrong - gamma * right * log_p), y, out=dz)
    others = factor * (1 - gamma * right * log_p / positive)
    dz += others * (1 - y) * exps / total
    return -factor * log_p


def _focal_clipped(z: Array, y: Array, dz: Array, work: Work, gamma: float, alpha: float) -> Terms:
    """Of p_t between 1e-7 and 1 - 1e-7, with no derivative outside."""
    terms = _focal(z, y, dz, work, gamma, alpha)
    exps = np.exp(z - np.maximum.reduce(z, axis=1, keepdims=True))
    right = np.sum(y * exps, axis=1, keepdims=True) / np.sum(exps, axis=1, keepdims=True)
    c, inside = clipped(right, _CLIP, 1 - _CLIP)
    np.multiply(dz, inside, out=dz)
    return np.where(inside, terms, -alpha * (1 - c) ** gamma * np.log(c))


CLASSES = (
    Loss(
        name="softmax_cross_entropy",
        formula="-sum_k w_k y_nk log p_nk with y = (1 - s) y + s / units, per row",
        derivative="p_nj sum_k w_k y_nk - w_j y_nj; p - y without weights",
        source=f"{_BISHOP}, equations 4.108 and 4.109 (w = 1, s = 0)",
        rule=_softmax_cross_entropy,
        targets="distribution",
        reductions=_PER_ROW,
        settings={"label_smoothing": 0.0, "class_weights": None},
        per_row=True,
        class_indices=True,
    ),
    Loss(
        name="cross_entropy_on_probabilities",
        formula="-sum_k y_nk log z_nk, per row",
        derivative="-y / z",
        source=f"{_BISHOP}, equation 4.108",
        rule=_on_probabilities,
        outputs="distribution",
        targets="distribution",
        reductions=_PER_ROW,
        per_row=True,
        variants={
            "keras": {
                "rule": _on_normalised_probabilities,
                "formula": "-sum_k y_nk log c_nk, with c = z / sum_j z_j between 1e-7 and 1 - 1e-7, per row",
                "derivative": "of that formula; for y and z that sum to 1, and no z near 0 or 1, it is 1 - y / z",
            }
        },
    ),
    Loss(
        name="sparse_cross_entropy_on_probabilities",
        formula="-log z_nt, per row",
        derivative="-1[k = t] / z",
        source=f"{_BISHOP}, equation 4.108",
        rule=_sparse_on_probabilities,
        outputs="distribution",
        targets="index",
        reductions=_PER_ROW,
        per_row=True,
        class_indices=True,
        variants={
            "keras": {
                "rule": _sparse_on_probabilities_normalised,
                "formula": "log sum_k c_nk - log c_nt, with c = z between 1e-7 and 1 - 1e-7, per row",
                "derivative": "1 / sum_j c_nj - 1[k = t] / c_nk, 0 where z is clipped",
            }
        },
    ),
    Loss(
        name="negative_log_likelihood",
        formula="-w_t z_nt, per row",
        derivative="-w_t 1[k = t]",
        source=f"{_BISHOP}, equation 4.108, of logarithms",
        rule=_negative_log_likelihood,
        outputs="log_distribution",
        targets="index",
        reductions=_PER_ROW,
        settings={"class_weights": None},
        per_row=True,
        class_indices=True,
    ),
    Loss(
        name="categorical_focal",
        formula="-alpha (1 - p_nt)^gamma log p_nt, per row",
        derivative="-alpha (1 - p_t)^gamma (1 - gamma p_t log p_t / (1 - p_t)) (1[k = t] - p_k)",
        source="T.-Y. Lin et al., Focal Loss for Dense Object Detection (2017), equation 5, of a softmax",
        rule=_focal,
        targets="one_hot",
        reductions=_PER_ROW,
        settings={"gamma": 2.0, "alpha": 0.25},
        per_row=True,
        variants={
            "keras": {
                "rule": _focal_clipped,
                "formula": "the same of p_nt between 1e-7 and 1 - 1e-7",
                "derivative": "the same there, 0 elsewhere",
            }
        },
    ),
)
