"""The rectifiers: ReLU with other slopes and other thresholds. Masks 1[...] are arrays of 0 and 1 in the precision of the rest.

Of two slopes at a kink the source's is taken. Factors 0 * infinity are avoided by clipping before masking.
"""

from dataclasses import replace

import numpy as np

from scratch.activations.entry import BISHOP, NONZERO, SAMPLES, Activation, DerivativeRule, Rule, rounded
from scratch.arrays import Array, Work


def _linear(z: Array, a: Array, work: Work) -> None:
    np.copyto(a, z)


def _linear_derivative(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
    np.copyto(dz, da)


def _relu(z: Array, a: Array, work: Work) -> None:
    np.maximum(z, work.zeros, out=a)


def _relu_derivative(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
    # a is never negative, so its sign is the mask 1[z > 0], already in the right precision.
    np.sign(a, out=work.like)
    np.multiply(da, work.like, out=dz)


def _two_slopes(slope: float) -> tuple[Rule, DerivativeRule]:
    """A = max(z, 0) + slope min(z, 0)."""

    def rule(z: Array, a: Array, work: Work) -> None:
        np.minimum(z, work.zeros, out=work.like)
        np.multiply(work.like, slope, out=work.like)
        np.maximum(z, work.zeros, out=a)
        np.add(a, work.like, out=a)

    def derivative_rule(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
        np.greater(z, work.zeros, out=dz)
        np.less_equal(z, work.zeros, out=work.like)
        np.multiply(work.like, slope, out=work.like)
        np.add(dz, work.like, out=dz)
        np.multiply(dz, da, out=dz)

    return rule, derivative_rule


def _threshold(threshold: float, value: float) -> tuple[Rule, DerivativeRule]:
    def rule(z: Array, a: Array, work: Work) -> None:
        np.greater(z, threshold, out=work.like)
        np.maximum(z, threshold, out=a)
        np.multiply(a, work.like, out=a)
        if value:
            np.less_equal(z, threshold, out=work.like)
            np.multiply(work.like, value, out=work.like)
            np.add(a, work.like, out=a)

    def derivative_rule(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
        np.greater(z, threshold, out=dz)
        np.multiply(dz, da, out=dz)

    return rule, derivative_rule


def linear() -> Activation:
    """The identity."""
    return Activation(
        name="linear",
        formula="a = z",
        derivative="dz = da",
        source=f"{BISHOP}, section 5.1",
        rule=_linear,
        derivative_rule=_linear_derivative,
    )


def relu() -> Activation:
    """Rectified linear unit."""
    return Activation(
        name="relu",
        formula="a = max(z, 0)",
        derivative="dz = da 1[z > 0]",
        source="V. Nair, G. Hinton, Rectified Linear Units Improve Restricted Boltzmann Machines (2010), section 2",
        rule=_relu,
        derivative_rule=_relu_derivative,
        kinks=(0.0,),
    )


def leaky_relu(negative_slope: float = 0.01) -> Activation:
    """ReLU with a slope below 0."""
    rule, derivative_rule = _two_slopes(negative_slope)
    entry = Activation(
        name="leaky_relu",
        formula="a = max(z, 0) + negative_slope min(z, 0)",
        derivative="dz = da (1[z > 0] + negative_slope 1[z <= 0])",
        source="A. Maas, A. Hannun, A. Ng, Rectifier nonlinearities improve neural network acoustic models (2013)",
        rule=rule,
        derivative_rule=derivative_rule,
        kinks=(0.0,),
        disputed=(0.0,),
        samples=NONZERO,
        settings={"negative_slope": negative_slope},
    )
    rule, derivative_rule = _two_slopes(rounded(negative_slope))
    formula = "the same with negative_slope rounded to float32"
    return replace(entry, variants={"keras": replace(entry, formula=formula, rule=rule, derivative_rule=derivative_rule)})


def rrelu(lower: float = 0.125, upper: float = 0.375) -> Activation:
    """Leaky ReLU whose slope is drawn between two bounds in training; this is inference, which has their mean."""
    rule, derivative_rule = _two_slopes((lower + upper) / 2)
    return Activation(
        name="rrelu",
        formula="a = max(z, 0) + (lower + upper) / 2 min(z, 0)",
        derivative="dz = da (1[z > 0] + (lower + upper) / 2 1[z <= 0])",
        source="B. Xu et al., Empirical Evaluation of Rectified Activations in Convolutional Network (2015)",
        rule=rule,
        derivative_rule=derivative_rule,
        kinks=(0.0,),
        settings={"lower": lower, "upper": upper},
    )


def thresholded_relu(threshold: float = 1.0) -> Activation:
    """ReLU that opens at `threshold`, with a jump."""
    rule, derivative_rule = _threshold(threshold, 0.0)
    return Activation(
        name="thresholded_relu",
        formula="a = z 1[z > threshold]",
        derivative="dz = da 1[z > threshold]",
        source="K. Konda, R. Memisevic, D. Krueger, Zero-bias autoencoders and the benefits of co-adapting features (2015)",
        rule=rule,
        derivative_rule=derivative_rule,
        kinks=(threshold,),
        samples=(*SAMPLES, threshold),
        settings={"threshold": threshold},
    )


def threshold(threshold: float = 0.5, value: float = 0.25) -> Activation:
    """The identity above `threshold`, a constant `value` elsewhere."""
    rule, derivative_rule = _threshold(threshold, value)
    return Activation(
        name="threshold",
        formula="a = z where z > threshold, value elsewhere",
        derivative="dz = da 1[z > threshold]",
        source="definition",
        rule=rule,
        derivative_rule=derivative_rule,
        kinks=(threshold,),
        settings={"threshold": threshold, "value": value},
    )


ENTRIES = (linear(), relu(), thresholded_relu(), threshold(), leaky_relu(), rrelu())
