"""Activations that multiply by a gate: SiLU, Mish, the two GELUs and the gated linear unit."""

from dataclasses import replace

import numpy as np

from scratch.activations.entry import Activation, DerivativeRule, Rule, rounded, spare
from scratch.activations.error_function import PI, erfc, exactly
from scratch.activations.smooth import sigmoid_into, sigmoid_slope_into
from scratch.arrays import Array, Scalar, Work


def _silu(z: Array, a: Array, work: Work) -> None:
    sigmoid_into(z, a, work)
    np.multiply(a, z, out=a)


def _silu_derivative(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
    slope = spare(work, "slope")
    sigmoid_slope_into(z, slope, work)
    np.multiply(slope, z, out=slope)
    sigmoid_into(z, dz, work)
    np.add(dz, slope, out=dz)
    np.multiply(dz, da, out=dz)


def _mish_parts(z: Array, work: Work) -> tuple[Array, Array, Array]:
    """The gate tanh(log(1 + exp(z))) is n / (n + 2 v^2): u = exp(min(z, 0)), v = exp(-max(z, 0)) and n = u (u + 2 v)."""
    u, v, n = (spare(work, name) for name in "uvn")
    np.minimum(z, work.zeros, out=u)
    np.exp(u, out=u)
    np.maximum(z, work.zeros, out=v)
    np.negative(v, out=v)
    np.exp(v, out=v)
    np.multiply(v, 2, out=n)
    np.add(n, u, out=n)
    np.multiply(n, u, out=n)
    return u, v, n


def _mish(z: Array, a: Array, work: Work) -> None:
    _, v, n = _mish_parts(z, work)
    np.square(v, out=work.like)
    np.multiply(work.like, 2, out=work.like)
    np.add(work.like, n, out=work.like)
    np.divide(n, work.like, out=a)
    np.multiply(a, z, out=a)


def _mish_derivative(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
    # gate' = (1 - gate^2) sigmoid(z) = 4 v^2 (n + v^2) / (n + 2 v^2)^2 u / (u + v)
    u, v, n = _mish_parts(z, work)
    np.add(u, v, out=work.like)
    np.divide(u, work.like, out=u)
    np.square(v, out=v)
    np.add(n, v, out=dz)
    np.add(dz, v, out=work.like)
    np.divide(n, work.like, out=n)
    np.divide(dz, work.like, out=dz)
    np.divide(v, work.like, out=v)
    np.multiply(dz, v, out=dz)
    np.multiply(dz, u, out=dz)
    np.multiply(dz, 4, out=dz)
    np.multiply(dz, z, out=dz)
    np.add(dz, n, out=dz)
    np.multiply(dz, da, out=dz)


def _gelu(root_half: Scalar = None) -> tuple[Rule, DerivativeRule]:
    """A = z erfc(-z root_half) / 2; root_half is the root of 1/2 where it is not given."""

    def scaled(z: Array, work: Work) -> Array:
        x = spare(work, "scaled")
        np.multiply(z, exactly("0.5", z.dtype) ** 0.5 if root_half is None else root_half, out=x)
        return x

    def rule(z: Array, a: Array, work: Work) -> None:
        x = scaled(z, work)
        np.negative(x, out=x)
        erfc(x, a)
        np.multiply(a, z, out=a)
        np.divide(a, 2, out=a)

    def derivative_rule(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
        x = scaled(z, work)
        np.negative(x, out=work.like)
        erfc(work.like, dz)
        np.divide(dz, 2, out=dz)
        # x exp(-x^2) / sqrt(pi); beyond 128 it vanishes at every precision.
        np.maximum(x, -128, out=x)
        np.minimum(x, 128, out=x)
        np.square(x, out=work.like)
        np.negative(work.like, out=work.like)
        np.exp(work.like, out=work.like)
        np.multiply(work.like, x, out=work.like)
        np.divide(work.like, exactly(PI, z.dtype) ** 0.5, out=work.like)
        np.add(dz, work.like, out=dz)
        np.multiply(dz, da, out=dz)

    return rule, derivative_rule


def _gelu_tanh(coefficient: float) -> tuple[Rule, DerivativeRule]:
    """With v = sqrt(2 / pi) (z + coefficient z^3): a = z (1 + tanh(v)) / 2 = z sigmoid(2 v), which does not cancel."""

    def gate_input(z: Array, out: Array, work: Work) -> None:
        # Beyond 64 the gate is 0 or 1 at every precision, and z^3 could overflow.
        clipped = spare(work, "clipped")
        np.maximum(z, -64, out=clipped)
        np.minimum(clipped, 64, out=clipped)
        np.square(clipped, out=out)
        np.multiply(out, coefficient, out=out)
        np.add(out, 1, out=out)
        np.multiply(out, clipped, out=out)
        np.multiply(out, (8 / exactly(PI, z.dtype)) ** 0.5, out=out)

    def rule(z: Array, a: Array, work: Work) -> None:
        v = spare(work, "v")
        gate_input(z, v, work)
        sigmoid_into(v, a, work)
        np.multiply(a, z, out=a)

    def derivative_rule(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
        # sigmoid(2 v) + sigmoid'(2 v) z (2 v)', (2 v)' = sqrt(8 / pi) (1 + 3 coefficient z^2)
        v, slope, clipped = spare(work, "v"), spare(work, "slope"), spare(work, "clipped")
        gate_input(z, v, work)
        sigmoid_slope_into(v, slope, work)
        sigmoid_into(v, dz, work)
        np.multiply(slope, clipped, out=slope)
        np.square(clipped, out=v)
        np.multiply(v, 3 * exactly(coefficient, z.dtype), out=v)
        np.add(v, 1, out=v)
        np.multiply(v, (8 / exactly(PI, z.dtype)) ** 0.5, out=v)
        np.multiply(slope, v, out=slope)
        np.add(dz, slope, out=dz)
        np.multiply(dz, da, out=dz)

    return rule, derivative_rule


def _glu(z: Array, a: Array, work: Work) -> None:
    units = a.shape[1]
    sigmoid_into(z[:, units:], a, work)
    np.multiply(a, z[:, :units], out=a)


def _glu_derivative(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
    units = a.shape[1]
    values, gates, dvalues, dgates = z[:, :units], z[:, units:], dz[:, :units], dz[:, units:]
    sigmoid_into(gates, dvalues, work)
    np.multiply(dvalues, da, out=dvalues)
    sigmoid_slope_into(gates, dgates, work)
    np.multiply(dgates, values, out=dgates)
    np.multiply(dgates, da, out=dgates)


_HENDRYCKS = "D. Hendrycks, K. Gimpel, Gaussian error linear units (2016), section 2"


def silu() -> Activation:
    """The input times its sigmoid, also called swish."""
    return Activation(
        name="silu",
        formula="a = z sigmoid(z)",
        derivative="dz = da sigmoid(z) (1 + z sigmoid(-z))",
        source="S. Elfwing, E. Uchibe, K. Doya, Sigmoid-weighted linear units (2018)",
        rule=_silu,
        derivative_rule=_silu_derivative,
    )


def mish() -> Activation:
    """The input times the hyperbolic tangent of its softplus."""
    return Activation(
        name="mish",
        formula="a = z tanh(log(1 + exp(z)))",
        derivative="dz = da (t + z (1 - t^2) sigmoid(z)), t = tanh(log(1 + exp(z)))",
        source="D. Misra, Mish: A Self Regularized Non-Monotonic Activation Function (2019)",
        rule=_mish,
        derivative_rule=_mish_derivative,
    )


def gelu() -> Activation:
    """The input times the normal distribution function."""
    rule, derivative_rule = _gelu()
    entry = Activation(
        name="gelu",
        formula="a = z Phi(z) = z erfc(-z / sqrt(2)) / 2",
        derivative="dz = da (Phi(z) + z exp(-z^2 / 2) / sqrt(2 pi))",
        source=_HENDRYCKS,
        rule=rule,
        derivative_rule=derivative_rule,
    )
    rule, derivative_rule = _gelu(rounded(0.5**0.5))
    keras = replace(entry, formula="the same with 1 / sqrt(2) rounded to float32", rule=rule, derivative_rule=derivative_rule)
    return replace(entry, variants={"keras": keras})


def gelu_tanh() -> Activation:
    """GELU in its approximation by tanh."""
    rule, derivative_rule = _gelu_tanh(0.044715)
    entry = Activation(
        name="gelu_tanh",
        formula="a = z (1 + tanh(v)) / 2, v = sqrt(2 / pi) (z + 0.044715 z^3)",
        derivative="dz = da (1 + tanh(v) + z (1 - tanh(v)^2) sqrt(2 / pi) (1 + 3 0.044715 z^2)) / 2",
        source=_HENDRYCKS,
        rule=rule,
        derivative_rule=derivative_rule,
    )
    rule, derivative_rule = _gelu_tanh(rounded(0.044715))
    keras = replace(entry, formula="the same with 0.044715 rounded to float32", rule=rule, derivative_rule=derivative_rule)
    return replace(entry, variants={"keras": keras})


def glu() -> Activation:
    """Gated linear unit: the first half of the inputs times the sigmoid of the second."""
    return Activation(
        name="glu",
        formula="a = z_1 sigmoid(z_2), z = (z_1, z_2)",
        derivative="dz_1 = da sigmoid(z_2), dz_2 = da z_1 sigmoid(z_2) sigmoid(-z_2)",
        source="Y. Dauphin et al., Language Modeling with Gated Convolutional Networks (2017)",
        rule=_glu,
        derivative_rule=_glu_derivative,
        halves=True,
    )


ENTRIES = (silu(), mish(), gelu(), gelu_tanh(), glu())
