"""Linear above 0 and exponential below: ELU, SELU and CELU."""

from dataclasses import replace

import numpy as np

from scratch.activations.entry import NONZERO, SAMPLES, Activation, DerivativeRule, Rule
from scratch.activations.error_function import exactly
from scratch.arrays import Array, Work

ALPHA = "1.6732632423543772848170429916716520"
"""-sqrt(2 / pi) / (erfc(1 / sqrt(2)) exp(1 / 2) - 1) (Klambauer et al., equation 14)"""
LAMBDA = "1.0507009873554804934193349852946064"
"""By which a normal input keeps its variance (the same equation)."""


def _elu(alpha: float | str, scale: float | str = 1.0) -> tuple[Rule, DerivativeRule]:
    """A = scale (max(z, 0) + alpha (exp(min(z, 0)) - 1)). A string is a number in its digits."""

    def rule(z: Array, a: Array, work: Work) -> None:
        np.minimum(z, work.zeros, out=work.like)
        np.expm1(work.like, out=work.like)
        np.multiply(work.like, exactly(alpha, z.dtype), out=work.like)
        np.maximum(z, work.zeros, out=a)
        np.add(a, work.like, out=a)
        if scale != 1:
            np.multiply(a, exactly(scale, z.dtype), out=a)

    def derivative_rule(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
        np.minimum(z, work.zeros, out=work.like)
        np.exp(work.like, out=work.like)
        np.multiply(work.like, exactly(alpha, z.dtype), out=work.like)
        np.less_equal(z, work.zeros, out=dz)
        np.multiply(work.like, dz, out=work.like)
        np.greater(z, work.zeros, out=dz)
        np.add(dz, work.like, out=dz)
        if scale != 1:
            np.multiply(dz, exactly(scale, z.dtype), out=dz)
        np.multiply(dz, da, out=dz)

    return rule, derivative_rule


def _celu(alpha: float) -> tuple[Rule, DerivativeRule]:
    def rule(z: Array, a: Array, work: Work) -> None:
        np.minimum(z, work.zeros, out=work.like)
        np.divide(work.like, alpha, out=work.like)
        np.expm1(work.like, out=work.like)
        np.multiply(work.like, alpha, out=work.like)
        np.maximum(z, work.zeros, out=a)
        np.add(a, work.like, out=a)

    def derivative_rule(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
        np.minimum(z, work.zeros, out=work.like)
        np.divide(work.like, alpha, out=work.like)
        np.exp(work.like, out=work.like)
        np.multiply(da, work.like, out=dz)

    return rule, derivative_rule


def elu(alpha: float = 1.0) -> Activation:
    """Exponential linear unit; with alpha = 1 its derivative has no jump."""
    rule, derivative_rule = _elu(alpha)
    return Activation(
        name="elu",
        formula="a = max(z, 0) + alpha (exp(min(z, 0)) - 1)",
        derivative="dz = da (1[z > 0] + alpha exp(z) 1[z <= 0])",
        source="D.-A. Clevert, T. Unterthiner, S. Hochreiter, Fast and accurate deep network learning by ELUs (2016)",
        rule=rule,
        derivative_rule=derivative_rule,
        kinks=() if alpha == 1 else (0.0,),
        joints=(0.0,) if alpha == 1 else (),
        samples=NONZERO if alpha == 1 else SAMPLES,
        settings={"alpha": alpha},
    )


def selu() -> Activation:
    """ELU with the two numbers that keep mean 0 and variance 1."""
    rule, derivative_rule = _elu(ALPHA, LAMBDA)
    return Activation(
        name="selu",
        formula=f"a = lambda (max(z, 0) + alpha (exp(min(z, 0)) - 1)), lambda = {LAMBDA[:12]}, alpha = {ALPHA[:12]}",
        derivative="dz = da lambda (1[z > 0] + alpha exp(z) 1[z <= 0])",
        source="G. Klambauer et al., Self-normalizing neural networks (2017), equations 2 and 14",
        rule=rule,
        derivative_rule=derivative_rule,
        kinks=(0.0,),
        disputed=(0.0,),
        samples=NONZERO,
    )


def celu(alpha: float = 1.0) -> Activation:
    """ELU without the jump of its derivative, for every alpha."""
    rule, derivative_rule = _celu(alpha)
    entry = Activation(
        name="celu",
        formula="a = max(z, 0) + alpha (exp(min(z, 0) / alpha) - 1)",
        derivative="dz = da exp(min(z, 0) / alpha)",
        source="J. Barron, Continuously Differentiable Exponential Linear Units (2017)",
        rule=rule,
        derivative_rule=derivative_rule,
        joints=(0.0,),
        samples=NONZERO,
        settings={"alpha": alpha},
    )
    twice = replace(
        entry,
        derivative="dz = da exp(min(z, 0) / alpha), and 2 da at z = 0",
        derivative_rule=_twice_at_zero(derivative_rule),
        kinks=(0.0,),
        joints=(),
        samples=SAMPLES,
    )
    return replace(entry, variants={"keras": twice})


def _twice_at_zero(derivative_rule: DerivativeRule) -> DerivativeRule:
    """The sum of what max(z, 0) and min(z, 0) pass on where each passes all at a tie."""

    def rule(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
        derivative_rule(z, a, da, dz, work)
        np.equal(z, work.zeros, out=work.like)
        np.multiply(work.like, dz, out=work.like)
        np.add(dz, work.like, out=dz)

    return rule


ENTRIES = (elu(), selu(), celu())
