"""Running means of gradients, which Adam and its relatives have in common."""

from scratch.arrays import Array, Scalar


def mix(mean: Array, values: Array, beta: Scalar) -> None:
    """Take one step of a running mean, in place: mean = beta mean + (1 - beta) values."""
    mean *= beta
    mean += values * (1 - beta)
