"""Activations of a whole row: softmax and its relatives, sparsemax, standardisation. Sums are over the units of a row."""

from dataclasses import replace

import numpy as np

from scratch.activations.entry import BISHOP, SAMPLES, Activation, DerivativeRule, Rule, spare
from scratch.arrays import Array, Work


def _softmax(z: Array, a: Array, work: Work) -> None:
    np.maximum.reduce(z, axis=1, keepdims=True, out=work.row)
    np.subtract(z, work.row, out=a)
    np.exp(a, out=a)
    np.dot(a, work.unit_ones, out=work.row[:, 0])
    np.divide(a, work.row, out=a)


def _softmax_derivative(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
    np.multiply(da, a, out=work.like)
    np.dot(work.like, work.unit_ones, out=work.row[:, 0])
    np.subtract(da, work.row, out=dz)
    np.multiply(dz, a, out=dz)


def _softmin(z: Array, a: Array, work: Work) -> None:
    np.minimum.reduce(z, axis=1, keepdims=True, out=work.row)
    np.subtract(work.row, z, out=a)
    np.exp(a, out=a)
    np.dot(a, work.unit_ones, out=work.row[:, 0])
    np.divide(a, work.row, out=a)


def _softmin_derivative(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
    _softmax_derivative(z, a, da, dz, work)
    np.negative(dz, out=dz)


def _log_softmax(z: Array, a: Array, work: Work) -> None:
    np.maximum.reduce(z, axis=1, keepdims=True, out=work.row)
    np.subtract(z, work.row, out=a)
    np.exp(a, out=work.like)
    np.dot(work.like, work.unit_ones, out=work.row[:, 0])
    np.log(work.row, out=work.row)
    np.subtract(a, work.row, out=a)


def _log_softmax_derivative(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
    np.exp(a, out=work.like)
    np.dot(da, work.unit_ones, out=work.row[:, 0])
    np.multiply(work.like, work.row, out=work.like)
    np.subtract(da, work.like, out=dz)


def _sparsemax(z: Array, a: Array, work: Work) -> None:
    # tau is the largest of (s_1 + ... + s_k - 1) / k over k, s sorted downwards: this rises while s_(k+1) is above it, then falls.
    # Relative to the largest input, so that the sum does not cancel.
    ranks = work.buffer("ranks", *work.unit_ones.shape)
    np.add.accumulate(work.unit_ones, out=ranks)
    np.maximum.reduce(z, axis=1, keepdims=True, out=work.row)
    np.subtract(work.row, z, out=work.like)
    work.like.sort(axis=1)
    np.add.accumulate(work.like, axis=1, out=a)
    np.add(a, 1, out=a)
    np.divide(a, ranks, out=a)
    np.subtract(work.row, z, out=work.like)
    np.minimum.reduce(a, axis=1, keepdims=True, out=work.row)
    np.subtract(work.row, work.like, out=a)
    np.maximum(a, work.zeros, out=a)


def _sparsemax_derivative(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
    support = spare(work, "support")
    np.sign(a, out=support)
    np.multiply(da, support, out=work.like)
    np.dot(work.like, work.unit_ones, out=work.row[:, 0])
    np.divide(work.row, _sizes(support, work), out=work.row)
    np.subtract(da, work.row, out=dz)
    np.multiply(dz, support, out=dz)


def _running_sums(z: Array, work: Work) -> tuple[Array, Array]:
    """Per input, the sum of those up to it in falling order, and 1 where it is in sparsemax's support."""
    sums, support = spare(work, "sums"), spare(work, "support")
    sums[...] = support[...] = 0
    for j in range(z.shape[1]):
        column = z[:, j : j + 1]
        np.less(z, column, out=work.like)
        np.less_equal(z[:, j:], column, out=work.like[:, j:])  # of equal ones the first comes first
        np.add(support, work.like, out=support)
        np.multiply(work.like, column, out=work.like)
        np.add(sums, work.like, out=sums)
    np.multiply(support, z, out=support)
    np.add(support, 1, out=support)
    np.greater(support, sums, out=support)
    return sums, support


def _sparsemax_of_sums(z: Array, a: Array, work: Work) -> None:
    """With tau = (sum of all running sums in the support - 1) / k in place of (the last of them - 1) / k."""
    sums, support = _running_sums(z, work)
    np.multiply(sums, support, out=sums)
    np.dot(sums, work.unit_ones, out=work.row[:, 0])
    np.subtract(work.row, 1, out=work.row)
    np.subtract(z, np.divide(work.row, _sizes(support, work), out=work.row), out=a)
    np.maximum(a, work.zeros, out=a)


def _sparsemax_of_sums_derivative(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
    _, support = _running_sums(z, work)
    size, alive = _sizes(support, work), spare(work, "sums")
    np.sign(a, out=alive)
    np.multiply(alive, da, out=alive)
    for j in range(z.shape[1]):  # dtau / dz_j is the number of running sums with z_j in them, over k
        np.less(z, z[:, j : j + 1], out=work.like)
        np.less_equal(z[:, j:], z[:, j : j + 1], out=work.like[:, j:])
        np.multiply(work.like, support, out=work.like)
        np.dot(work.like, work.unit_ones, out=work.row[:, 0])  # np.dot writes into no column of several
        np.copyto(dz[:, j], work.row[:, 0])
    np.divide(dz, size, out=dz)
    np.dot(alive, work.unit_ones, out=work.row[:, 0])
    np.multiply(dz, work.row, out=dz)
    np.subtract(alive, dz, out=dz)


def _sizes(support: Array, work: Work) -> Array:
    """How many entries of each row are in the support, (batch, 1)."""
    size = work.buffer("size", *work.row.shape)
    np.dot(support, work.unit_ones, out=size[:, 0])
    return size


def _standardize(epsilon: float) -> tuple[Rule, DerivativeRule]:
    """With m the mean and s = sqrt(mean((z - m)^2) + epsilon): a = (z - m) / s."""

    def deviation(z: Array, centered: Array, work: Work) -> Array:
        """Write z - m; the result is s, (batch, 1)."""
        units = z.shape[1]
        np.dot(z, work.unit_ones, out=work.row[:, 0])
        np.divide(work.row, units, out=work.row)
        np.subtract(z, work.row, out=centered)
        np.square(centered, out=work.like)
        np.dot(work.like, work.unit_ones, out=work.row[:, 0])
        np.divide(work.row, units, out=work.row)
        np.add(work.row, epsilon, out=work.row)
        np.sqrt(work.row, out=work.row)
        return work.row

    def rule(z: Array, a: Array, work: Work) -> None:
        s = deviation(z, a, work)
        np.divide(a, s, out=a)

    def derivative_rule(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
        units, s, mean = z.shape[1], work.buffer("deviation", *work.row.shape), work.row
        np.copyto(s, deviation(z, dz, work))
        np.multiply(da, a, out=work.like)
        np.dot(work.like, work.unit_ones, out=mean[:, 0])
        np.divide(mean, units, out=mean)
        np.multiply(a, mean, out=work.like)
        np.dot(da, work.unit_ones, out=mean[:, 0])
        np.divide(mean, units, out=mean)
        np.subtract(da, mean, out=dz)
        np.subtract(dz, work.like, out=dz)
        np.divide(dz, s, out=dz)

    return rule, derivative_rule


def softmax() -> Activation:
    """Exponentials that sum to one."""
    return Activation(
        name="softmax",
        formula="a_k = exp(z_k) / sum_j exp(z_j)",
        derivative="dz_k = a_k (da_k - sum_j da_j a_j)",
        source=f"{BISHOP}, equations 4.104 and 4.106",
        rule=_softmax,
        derivative_rule=_softmax_derivative,
    )


def softmin() -> Activation:
    """Softmax of the negative inputs."""
    return Activation(
        name="softmin",
        formula="a_k = exp(-z_k) / sum_j exp(-z_j)",
        derivative="dz_k = -a_k (da_k - sum_j da_j a_j)",
        source=f"{BISHOP}, equations 4.104 and 4.106, of -z",
        rule=_softmin,
        derivative_rule=_softmin_derivative,
    )


def log_softmax() -> Activation:
    """Softmax's logarithm."""
    return Activation(
        name="log_softmax",
        formula="a_k = z_k - log sum_j exp(z_j)",
        derivative="dz_k = da_k - exp(a_k) sum_j da_j",
        source=f"{BISHOP}, the logarithm of equation 4.104",
        rule=_log_softmax,
        derivative_rule=_log_softmax_derivative,
        samples=tuple(z for z in SAMPLES if abs(z) <= 3),
    )


def sparsemax() -> Activation:
    """The nearest row of probabilities, which has zeros; its kinks lie where an output becomes 0, at no fixed input."""
    entry = Activation(
        name="sparsemax",
        formula="a_k = max(z_k - tau, 0), tau such that sum_k a_k = 1",
        derivative="dz_k = s_k (da_k - sum_j s_j da_j / sum_j s_j), s_k = 1[a_k > 0]",
        source="A. Martins, R. Astudillo, From Softmax to Sparsemax (2016), algorithm 1",
        rule=_sparsemax,
        derivative_rule=_sparsemax_derivative,
    )
    keras = replace(
        entry,
        formula="a_k = max(z_k - tau, 0), tau = (sum_j c_j - 1) / k, c_j the sums of the 1, 2, ..., k largest inputs (not c_k alone)",
        derivative="dz_j = 1[a_j > 0] da_j - dtau/dz_j sum_i 1[a_i > 0] da_i, dtau/dz_j the share of the c_i that z_j is in",
        rule=_sparsemax_of_sums,
        derivative_rule=_sparsemax_of_sums_derivative,
    )
    return replace(entry, variants={"keras": keras})


def standardize(epsilon: float = 1e-5) -> Activation:
    """Mean 0 and variance 1 in every row: layer normalisation without its parameters."""
    rule, derivative_rule = _standardize(epsilon)
    return Activation(
        name="standardize",
        formula="a = (z - m) / s, m = mean_k z_k, s = sqrt(mean_k (z_k - m)^2 + epsilon)",
        derivative="dz = (da - mean_k da_k - a mean_k da_k a_k) / s",
        source="J. Ba, J. Kiros, G. Hinton, Layer Normalization (2016), equation 3",
        rule=rule,
        derivative_rule=derivative_rule,
        settings={"epsilon": epsilon},
    )


ENTRIES = (softmax(), softmin(), log_softmax(), sparsemax(), standardize())
