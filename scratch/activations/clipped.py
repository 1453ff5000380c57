"""Activations that clip: lines between two bounds, what such a line leaves (the shrinkages), and pieces of parabola.

Masks 1[...] are arrays of 0 and 1 in the precision of the rest. Of two slopes at a kink the source's is taken, otherwise the one that
most frameworks have.
"""

from dataclasses import replace

import numpy as np

from scratch.activations.entry import SAMPLES, Activation, DerivativeRule, Rule, rounded
from scratch.arrays import Array, Work


def _clipped(low: float, high: float, shift: float = 0.0, divisor: float = 1.0) -> Rule:
    """A = (min(max(z, low), high) + shift) / divisor."""

    def rule(z: Array, a: Array, work: Work) -> None:
        np.maximum(z, low, out=a)
        np.minimum(a, high, out=a)
        if shift:
            np.add(a, shift, out=a)
        if divisor != 1:
            np.divide(a, divisor, out=a)

    return rule


def _clipped_derivative(low: float, high: float, divisor: float = 1.0, *, closed: bool = False) -> DerivativeRule:
    """Dz = da 1[low < z < high] / divisor, or with the bounds themselves."""
    above, below = (np.greater_equal, np.less_equal) if closed else (np.greater, np.less)

    def rule(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
        above(z, low, out=work.like)
        below(z, high, out=dz)
        np.multiply(dz, work.like, out=dz)
        np.multiply(dz, da, out=dz)
        if divisor != 1:
            np.divide(dz, divisor, out=dz)

    return rule


def _hard_silu(z: Array, a: Array, work: Work) -> None:
    _GATE(z, a, work)
    np.multiply(a, z, out=a)


def _hard_silu_derivative(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
    # Clipped to [-3, 3], (2 z + 3) / 6 ends on 3/2 where 1 belongs.
    np.maximum(z, -3, out=dz)
    np.minimum(dz, 3, out=dz)
    np.multiply(dz, 2, out=dz)
    np.add(dz, 3, out=dz)
    np.divide(dz, 6, out=dz)
    np.greater(z, -3, out=work.like)
    np.multiply(dz, work.like, out=dz)
    np.greater_equal(z, 3, out=work.like)
    np.divide(work.like, 2, out=work.like)
    np.subtract(dz, work.like, out=dz)
    np.multiply(dz, da, out=dz)


def _outside(threshold: float, dz: Array, z: Array, work: Work) -> None:
    """The mask 1[|z| > threshold]."""
    np.greater(z, threshold, out=dz)
    np.less(z, -threshold, out=work.like)
    np.add(dz, work.like, out=dz)


def _outside_derivative(threshold: float) -> DerivativeRule:
    def rule(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
        _outside(threshold, dz, z, work)
        np.multiply(dz, da, out=dz)

    return rule


def _soft_shrink(threshold: float) -> Rule:
    def rule(z: Array, a: Array, work: Work) -> None:
        np.maximum(z, -threshold, out=a)
        np.minimum(a, threshold, out=a)
        np.subtract(z, a, out=a)

    return rule


def _hard_shrink(threshold: float) -> Rule:
    def rule(z: Array, a: Array, work: Work) -> None:
        _outside(threshold, a, z, work)
        np.multiply(a, z, out=a)

    return rule


def _sparse_plus(z: Array, a: Array, work: Work) -> None:
    np.maximum(z, -1, out=a)
    np.minimum(a, 1, out=a)
    np.add(a, 1, out=a)
    np.square(a, out=a)
    np.divide(a, 4, out=a)
    np.maximum(z, 1, out=work.like)
    np.subtract(work.like, 1, out=work.like)
    np.add(a, work.like, out=a)


def _sparse_plus_derivative(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
    _HALF_LINE(z, dz, work)
    np.multiply(dz, da, out=dz)


_GATE = _clipped(-3, 3, shift=3, divisor=6)
_HALF_LINE = _clipped(-1, 1, shift=1, divisor=2)

_HOWARD = "A. Howard et al., Searching for MobileNetV3 (2019), section 5.2"
_BLONDEL = "M. Blondel, A. Martins, V. Niculae, Learning with Fenchel-Young Losses (2020)"


def relu6() -> Activation:
    """ReLU capped at 6."""
    return Activation(
        name="relu6",
        formula="a = min(max(z, 0), 6)",
        derivative="dz = da 1[0 < z < 6]",
        source="A. Krizhevsky, Convolutional Deep Belief Networks on CIFAR-10 (2010)",
        rule=_clipped(0, 6),
        derivative_rule=_clipped_derivative(0, 6),
        kinks=(0.0, 6.0),
        samples=(*SAMPLES, 6.0),
    )


def capped_relu(max_value: float = 1.0) -> Activation:
    """ReLU capped at `max_value`."""
    return Activation(
        name="capped_relu",
        formula="a = min(max(z, 0), max_value)",
        derivative="dz = da 1[0 < z < max_value]",
        source="A. Krizhevsky, Convolutional Deep Belief Networks on CIFAR-10 (2010), with another cap",
        rule=_clipped(0, max_value),
        derivative_rule=_clipped_derivative(0, max_value),
        kinks=(0.0, max_value),
        disputed=(max_value,),
        settings={"max_value": max_value},
    )


def hard_tanh() -> Activation:
    """The line z between -1 and 1."""
    return Activation(
        name="hard_tanh",
        formula="a = min(max(z, -1), 1)",
        derivative="dz = da 1[-1 <= z <= 1]",
        source="R. Collobert, Large Scale Machine Learning (2004)",
        rule=_clipped(-1, 1),
        derivative_rule=_clipped_derivative(-1, 1, closed=True),
        kinks=(-1.0, 1.0),
        disputed=(-1.0, 1.0),
    )


def hard_sigmoid() -> Activation:
    """A line of slope 1/6 between 0 and 1; PyTorch's derivative has 1/6 rounded to float32."""
    entry = Activation(
        name="hard_sigmoid",
        formula="a = min(max(z + 3, 0), 6) / 6",
        derivative="dz = da / 6 1[-3 < z < 3]",
        source=_HOWARD,
        rule=_GATE,
        derivative_rule=_clipped_derivative(-3, 3, 6),
        kinks=(-3.0, 3.0),
    )
    torch = replace(
        entry,
        derivative="dz = da / 6 1[-3 < z < 3], 1 / 6 rounded to float32",
        derivative_rule=_clipped_derivative(-3, 3, 1 / rounded(1 / 6)),
    )
    return replace(entry, variants={"torch": torch})


def hard_silu() -> Activation:
    """SiLU with the hard sigmoid as its gate, also called hard swish."""
    return Activation(
        name="hard_silu",
        formula="a = z min(max(z + 3, 0), 6) / 6",
        derivative="dz = da (0 where z <= -3, 1 where z >= 3, (2 z + 3) / 6 between)",
        source=_HOWARD,
        rule=_hard_silu,
        derivative_rule=_hard_silu_derivative,
        kinks=(-3.0, 3.0),
    )


def soft_shrink(threshold: float = 0.5) -> Activation:
    """Moves every input towards 0 by `threshold`."""
    return Activation(
        name="soft_shrink",
        formula="a = z - min(max(z, -threshold), threshold)",
        derivative="dz = da 1[|z| > threshold]",
        source="D. Donoho, De-noising by soft-thresholding (1995)",
        rule=_soft_shrink(threshold),
        derivative_rule=_outside_derivative(threshold),
        kinks=(-threshold, threshold),
        settings={"threshold": threshold},
    )


def hard_shrink(threshold: float = 0.5) -> Activation:
    """Sets what is small to 0."""
    return Activation(
        name="hard_shrink",
        formula="a = z 1[|z| > threshold]",
        derivative="dz = da 1[|z| > threshold]",
        source="D. Donoho, I. Johnstone, Ideal spatial adaptation by wavelet shrinkage (1994)",
        rule=_hard_shrink(threshold),
        derivative_rule=_outside_derivative(threshold),
        kinks=(-threshold, threshold),
        settings={"threshold": threshold},
    )


def sparse_sigmoid() -> Activation:
    """Sparsemax of two classes: a line of slope 1/2 between 0 and 1."""
    return Activation(
        name="sparse_sigmoid",
        formula="a = min(max((z + 1) / 2, 0), 1)",
        derivative="dz = da / 2 1[-1 < z < 1]",
        source=_BLONDEL,
        rule=_HALF_LINE,
        derivative_rule=_clipped_derivative(-1, 1, 2),
        kinks=(-1.0, 1.0),
        disputed=(-1.0, 1.0),
    )


def sparse_plus() -> Activation:
    """The integral of the sparse sigmoid; its derivative has no jump."""
    return Activation(
        name="sparse_plus",
        formula="a = 0 where z <= -1, z where z >= 1, (z + 1)^2 / 4 between",
        derivative="dz = da min(max((z + 1) / 2, 0), 1)",
        source=_BLONDEL,
        rule=_sparse_plus,
        derivative_rule=_sparse_plus_derivative,
        joints=(-1.0, 1.0),
    )


ENTRIES = (
    relu6(),
    capped_relu(),
    hard_tanh(),
    hard_sigmoid(),
    hard_silu(),
    soft_shrink(),
    hard_shrink(),
    sparse_sigmoid(),
    sparse_plus(),
)
