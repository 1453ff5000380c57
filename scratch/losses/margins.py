"""Losses of one class out of several by margins: the right class should score higher than the others by some distance.

Symbols: t the right class; w_k the weight of class k.
"""

import numpy as np

from scratch.arrays import Array, Work
from scratch.losses.base import Loss, Terms
from scratch.losses.functions import class_row, dense_targets

_PER_ROW = ("mean", "sum")


def _categorical_hinge(z: Array, y: Array, dz: Array, work: Work, floor: float = -np.inf) -> Terms:
    q, rows = dense_targets(y, z), np.arange(len(z))
    # The largest of the others; what stands in for the right class is below all of them.
    others = np.where(q > 0, np.minimum.reduce(z, axis=1, keepdims=True) - 1, z)
    rival = np.argmax(others, axis=1)
    highest = others[rows, rival][:, None]
    taken = highest > floor
    margin = 1 + np.where(taken, highest, floor if floor > -np.inf else 0) - np.sum(q * z, axis=1, keepdims=True)
    active = margin > 0
    dz[...] = -q * active
    dz[rows, rival] += (active & taken)[:, 0]
    return np.where(active, margin, 0)


def _categorical_hinge_floor(z: Array, y: Array, dz: Array, work: Work) -> Terms:
    return _categorical_hinge(z, y, dz, work, floor=0.0)


def _multi_margin(
    z: Array, y: Array, dz: Array, work: Work, margin: float, power: int, class_weights: tuple[float, ...] | None
) -> Terms:
    q = dense_targets(y, z)
    violation = np.maximum(margin - np.sum(q * z, axis=1, keepdims=True) + z, 0) * (1 - q)
    weight = 1 if class_weights is None else np.sum(q * class_row(class_weights, z, "multi_margin"), axis=1, keepdims=True)
    slope = weight * (violation > 0 if power == 1 else 2 * violation)
    dz[...] = slope - q * np.sum(slope * np.ones_like(z), axis=1, keepdims=True)
    terms = violation if power == 1 else np.square(violation)
    return weight * np.sum(terms, axis=1, keepdims=True)


def _multi_margin_mean(
    z: Array, y: Array, dz: Array, work: Work, margin: float, power: int, class_weights: tuple[float, ...] | None
) -> Terms:
    terms = _multi_margin(z, y, dz, work, margin, power, class_weights)
    np.divide(dz, z.shape[1], out=dz)
    return terms / z.shape[1]


MARGINS = (
    Loss(
        name="categorical_hinge",
        formula="max(1 + max_(k != t) z_nk - z_nt, 0), per row",
        derivative="1[k is the largest other] - 1[k = t] where that is positive",
        source="K. Crammer, Y. Singer, On the Algorithmic Implementation of Multiclass Kernel-based Vector Machines (2001)",
        rule=_categorical_hinge,
        targets="one_hot",
        reductions=_PER_ROW,
        per_row=True,
        class_indices=True,
        kinks="two largest others, or a margin of 0",
        variants={
            "keras": {
                "rule": _categorical_hinge_floor,
                "formula": "max(1 + max(max_(k != t) z_nk, 0) - z_nt, 0), per row",
                "derivative": "of that formula",
            }
        },
    ),
    Loss(
        name="multi_margin",
        formula="w_t sum_(k != t) max(margin - z_nt + z_nk, 0)^power, per row",
        derivative="w_t power max(...)^(power - 1) for k != t, minus their sum for k = t",
        source="J. Weston, C. Watkins, Support Vector Machines for Multi-Class Pattern Recognition (1999)",
        rule=_multi_margin,
        targets="index",
        reductions=_PER_ROW,
        settings={"margin": 1.0, "power": 1, "class_weights": None},
        per_row=True,
        class_indices=True,
        kinks="margin - z_nt + z_nk = 0 with power 1",
        variants={
            "torch": {
                "rule": _multi_margin_mean,
                "formula": "w_t sum_(k != t) max(margin - z_nt + z_nk, 0)^power / units, per row",
                "derivative": "the same, divided by the number of units",
            }
        },
    ),
)
