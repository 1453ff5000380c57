"""Smooth elementwise activations: sigmoid, tanh, exponential and what is made of them.

Exponentials on the way to a finite result have arguments that are not positive, so nothing overflows.
"""

import numpy as np

from scratch.activations.entry import BISHOP, NONZERO, SAMPLES, Activation
from scratch.arrays import Array, Work


def sigmoid_into(z: Array, a: Array, work: Work) -> None:
    """Write exp(min(z, 0)) / (1 + exp(-|z|)): the sigmoid without overflow and without cancellation on either side."""
    np.absolute(z, out=work.like)
    np.negative(work.like, out=work.like)
    np.exp(work.like, out=work.like)
    np.add(work.like, 1, out=work.like)
    np.minimum(z, work.zeros, out=a)
    np.exp(a, out=a)
    np.divide(a, work.like, out=a)


def sigmoid_slope_into(z: Array, out: Array, work: Work) -> None:
    """Write the sigmoid's derivative as e / (1 + e)^2 with e = exp(-|z|); a (1 - a) would cancel for large z."""
    np.absolute(z, out=out)
    np.negative(out, out=out)
    np.exp(out, out=out)
    np.add(out, 1, out=work.like)
    np.divide(out, work.like, out=out)
    np.divide(out, work.like, out=out)


def _sigmoid_derivative(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
    np.subtract(1, a, out=work.like)
    np.multiply(work.like, a, out=work.like)
    np.multiply(da, work.like, out=dz)


def _tanh(z: Array, a: Array, work: Work) -> None:
    np.tanh(z, out=a)


def _tanh_derivative(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
    np.square(a, out=work.like)
    np.subtract(1, work.like, out=work.like)
    np.multiply(da, work.like, out=dz)


def _tanh_shrink(z: Array, a: Array, work: Work) -> None:
    # Near 0 the difference keeps few digits of its own, z^3 / 3; its error is u |z|, as in every framework.
    np.tanh(z, out=a)
    np.subtract(z, a, out=a)


def _tanh_shrink_derivative(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
    np.tanh(z, out=dz)
    np.square(dz, out=dz)
    np.multiply(dz, da, out=dz)


def _exponential(z: Array, a: Array, work: Work) -> None:
    np.exp(z, out=a)


def _exponential_derivative(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
    np.multiply(da, a, out=dz)


def _softsign(z: Array, a: Array, work: Work) -> None:
    np.absolute(z, out=work.like)
    np.add(work.like, 1, out=work.like)
    np.divide(z, work.like, out=a)


def _softsign_derivative(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
    np.absolute(z, out=work.like)
    np.add(work.like, 1, out=work.like)
    np.divide(da, work.like, out=dz)
    np.divide(dz, work.like, out=dz)


def sigmoid() -> Activation:
    """Logistic function."""
    return Activation(
        name="sigmoid",
        formula="a = 1 / (1 + exp(-z))",
        derivative="dz = da a (1 - a)",
        source=f"{BISHOP}, equations 4.59 and 4.88",
        rule=sigmoid_into,
        derivative_rule=_sigmoid_derivative,
    )


def tanh() -> Activation:
    """Hyperbolic tangent."""
    return Activation(
        name="tanh",
        formula="a = (exp(z) - exp(-z)) / (exp(z) + exp(-z))",
        derivative="dz = da (1 - a^2)",
        source=f"{BISHOP}, equations 5.59 and 5.60",
        rule=_tanh,
        derivative_rule=_tanh_derivative,
    )


def tanh_shrink() -> Activation:
    """What tanh leaves."""
    return Activation(
        name="tanh_shrink",
        formula="a = z - tanh(z)",
        derivative="dz = da tanh(z)^2",
        source="definition",
        rule=_tanh_shrink,
        derivative_rule=_tanh_shrink_derivative,
    )


def exponential() -> Activation:
    """The exponential function."""
    return Activation(
        name="exponential",
        formula="a = exp(z)",
        derivative="dz = da a",
        source="definition",
        rule=_exponential,
        derivative_rule=_exponential_derivative,
        samples=tuple(z for z in SAMPLES if z <= 3),
        overflows=True,
    )


def softsign() -> Activation:
    """A sigmoid with slow tails."""
    return Activation(
        name="softsign",
        formula="a = z / (1 + |z|)",
        derivative="dz = da / (1 + |z|)^2",
        source="X. Glorot, Y. Bengio, Understanding the difficulty of training deep feedforward neural networks (2010)",
        rule=_softsign,
        derivative_rule=_softsign_derivative,
        joints=(0.0,),
        samples=NONZERO,
    )


ENTRIES = (exponential(), sigmoid(), tanh(), tanh_shrink(), softsign())
