"""Smooth versions of ReLU: softplus, its mirror image the log-sigmoid, and squareplus."""

from dataclasses import replace

import numpy as np

from scratch.activations.entry import BISHOP, SAMPLES, Activation, DerivativeRule, Rule, spare
from scratch.activations.smooth import sigmoid_into
from scratch.arrays import Array, Work


def _log_one_plus_exp(z: Array, a: Array, work: Work) -> None:
    """Write log(1 + exp(z)) = max(z, 0) + log1p(exp(-|z|))."""
    np.absolute(z, out=work.like)
    np.negative(work.like, out=work.like)
    np.exp(work.like, out=work.like)
    np.log1p(work.like, out=work.like)
    np.maximum(z, work.zeros, out=a)
    np.add(a, work.like, out=a)


def _softplus(beta: float) -> tuple[Rule, DerivativeRule]:
    def rule(z: Array, a: Array, work: Work) -> None:
        scaled = spare(work, "scaled")
        np.multiply(z, beta, out=scaled)
        _log_one_plus_exp(scaled, a, work)
        np.divide(a, beta, out=a)

    def derivative_rule(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
        scaled = spare(work, "scaled")
        np.multiply(z, beta, out=scaled)
        sigmoid_into(scaled, dz, work)
        np.multiply(dz, da, out=dz)

    return rule, derivative_rule


def _softplus_up_to(threshold: float, beta: float) -> tuple[Rule, DerivativeRule]:
    """Softplus where beta z <= threshold, the identity above."""
    smooth, smooth_derivative = _softplus(beta)

    def rule(z: Array, a: Array, work: Work) -> None:
        smooth(z, a, work)
        np.greater(z, threshold / beta, out=work.like)
        above = spare(work, "scaled")
        np.subtract(z, a, out=above)
        np.multiply(above, work.like, out=above)
        np.add(a, above, out=a)

    def derivative_rule(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
        smooth_derivative(z, a, da, dz, work)
        np.less_equal(z, threshold / beta, out=work.like)
        np.multiply(dz, work.like, out=dz)
        np.greater(z, threshold / beta, out=work.like)
        np.multiply(work.like, da, out=work.like)
        np.add(dz, work.like, out=dz)

    return rule, derivative_rule


def _log_sigmoid(z: Array, a: Array, work: Work) -> None:
    negative = spare(work, "scaled")
    np.negative(z, out=negative)
    _log_one_plus_exp(negative, a, work)
    np.negative(a, out=a)


def _log_sigmoid_derivative(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
    negative = spare(work, "scaled")
    np.negative(z, out=negative)
    sigmoid_into(negative, dz, work)
    np.multiply(dz, da, out=dz)


def _squareplus(b: float) -> tuple[Rule, DerivativeRule]:
    """With r = sqrt(z^2 + b): a = (z + r) / 2 for z > 0, and b / (r - z) / 2 elsewhere, where z + r would cancel."""

    def root(z: Array, out: Array, work: Work) -> None:
        # Of numbers below one, so that no square overflows: r = m sqrt((z / m)^2 + b / m / m) with m = max(|z|, sqrt(b)).
        largest = spare(work, "largest")
        np.absolute(z, out=largest)
        np.maximum(largest, b**0.5, out=largest)
        np.divide(z, largest, out=out)
        np.square(out, out=out)
        np.divide(b, largest, out=work.like)
        np.divide(work.like, largest, out=work.like)
        np.add(out, work.like, out=out)
        np.sqrt(out, out=out)
        np.multiply(out, largest, out=out)

    def rule(z: Array, a: Array, work: Work) -> None:
        r = spare(work, "root")
        root(z, r, work)
        np.absolute(z, out=work.like)
        np.add(work.like, r, out=work.like)
        np.divide(b, work.like, out=work.like)
        np.divide(work.like, 2, out=work.like)  # the value at -|z|, and at |z| it is |z| more
        np.maximum(z, work.zeros, out=a)
        np.add(a, work.like, out=a)

    def derivative_rule(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
        r = spare(work, "root")
        root(z, r, work)
        np.divide(a, r, out=dz)
        np.multiply(dz, da, out=dz)

    return rule, derivative_rule


def softplus(beta: float = 1.0) -> Activation:
    """A smooth ReLU, the integral of the sigmoid; PyTorch leaves it for the identity at beta z = 20."""
    rule, derivative_rule = _softplus(beta)
    entry = Activation(
        name="softplus",
        formula="a = log(1 + exp(beta z)) / beta",
        derivative="dz = da / (1 + exp(-beta z))",
        source="C. Dugas et al., Incorporating second-order functional knowledge for better option pricing (2000)",
        rule=rule,
        derivative_rule=derivative_rule,
        settings={"beta": beta},
    )
    rule, derivative_rule = _softplus_up_to(20.0, beta)
    torch = replace(
        entry,
        formula="a = log(1 + exp(beta z)) / beta where beta z <= 20, z above",
        derivative="dz = da / (1 + exp(-beta z)) where beta z <= 20, da above",
        rule=rule,
        derivative_rule=derivative_rule,
        kinks=(20.0 / beta,),
        samples=(*SAMPLES, 20.0 / beta, 21.0 / beta),
    )
    return replace(entry, variants={"torch": torch})


def log_sigmoid() -> Activation:
    """The sigmoid's logarithm."""
    return Activation(
        name="log_sigmoid",
        formula="a = -log(1 + exp(-z))",
        derivative="dz = da / (1 + exp(z))",
        source=f"{BISHOP}, the logarithm of equation 4.59",
        rule=_log_sigmoid,
        derivative_rule=_log_sigmoid_derivative,
    )


def squareplus(b: float = 4.0) -> Activation:
    """A smooth ReLU without exponentials."""
    rule, derivative_rule = _squareplus(b)
    return Activation(
        name="squareplus",
        formula="a = (z + sqrt(z^2 + b)) / 2",
        derivative="dz = da a / sqrt(z^2 + b)",
        source="J. Barron, Squareplus: A Softplus-Like Algebraic Rectifier (2021)",
        rule=rule,
        derivative_rule=derivative_rule,
        settings={"b": b},
    )


ENTRIES = (softplus(), squareplus(), log_sigmoid())
