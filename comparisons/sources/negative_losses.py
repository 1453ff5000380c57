"""How a logistic loss can print below zero: the mistakes that people make in writing it, each tried on one and the same training.

Symbols: z logits, a = sigmoid(z), y one-hot targets, all (images, classes). The right loss of an image is
    sum_k -y log a - (1 - y) log(1 - a),
of which no term is negative. Its delta dL/dz = a - y is written down by hand and does not look at the printed value.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scratch.arrays import Array

Values = Callable[[Array, Array], Array]
"""What is printed of logits (images, classes) and one-hot targets, per image (images,)."""
Delta = Callable[[Array, Array], Array]
"""What goes backward in place of dL/dz, (images, classes)."""

BOUND = 1e-8
"""What is put below a logarithm's argument, or added to it, against log(0)."""


def sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)), without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0, -z)))


def by_hand(z: Array, y: Array) -> Array:
    """A - y, the right loss's delta."""
    return sigmoid(z) - y


@dataclass(frozen=True)
class Writing:
    """One way of writing the loss down."""

    name: str
    printed: Values
    delta: Delta = by_hand
    from_softmax: bool = False
    """Whether it is written so from the softmax stage on only, and the right one before."""

    @property
    def trains_alike(self) -> bool:
        """Whether only what is printed differs, so that training goes on as with the right loss."""
        return self.delta is by_hand


def _terms(z: Array, y: Array, first: float = 1.0, second: float = 1.0) -> Array:
    """Sum_k -first y log a - second (1 - y) log(1 - a)."""
    return np.asarray((first * y * np.logaddexp(0, -z) + second * (1 - y) * np.logaddexp(0, z)).sum(axis=1))


def _with_logs(a: Array, y: Array, other: Array) -> Array:
    """The same with logarithms of numbers that are given: of a, and of what stands for 1 - a."""
    return np.asarray(-(y * np.log(a) + (1 - y) * np.log(other)).sum(axis=1))


def _softmax(z: Array) -> Array:
    return np.asarray(np.exp(z - np.logaddexp.reduce(z, axis=1, keepdims=True)))


def _classes(y: Array) -> Array:
    """The class number in every column, where a row of 0 and 1 should stand."""
    return np.broadcast_to(y.argmax(axis=1)[:, None], y.shape).astype(y.dtype)


def _bounded(z: Array) -> Array:
    return np.maximum(z, BOUND)


RIGHT = "right"
SECOND_SIGN = "the second term's sign is wrong"
LINEAR = "the softmax stage's linear output is kept: a is z, bounded from below in the logarithms"

WRITINGS = (
    Writing(RIGHT, _terms),
    Writing(SECOND_SIGN, lambda z, y: _terms(z, y, 1, -1)),
    Writing("the minus in front is missing", lambda z, y: _terms(z, y, -1, -1)),
    Writing("log(1 + a) stands for log(1 - a)", lambda z, y: _with_logs(sigmoid(z), y, 1 + sigmoid(z))),
    Writing(f"{BOUND:g} is added inside the logarithms", lambda z, y: _with_logs(sigmoid(z) + BOUND, y, sigmoid(-z) + BOUND)),
    Writing("0.1 is added inside the logarithms", lambda z, y: _with_logs(sigmoid(z) + 0.1, y, sigmoid(-z) + 0.1)),
    Writing(
        "max(z, 0) is missing in max(z, 0) - z y + log(1 + exp(-|z|))", lambda z, y: _terms(z, y) - np.maximum(z, 0).sum(axis=1)
    ),
    Writing("-y of unsigned bytes is 255, not -1", lambda z, y: _terms(z, y, -255, 1)),
    Writing(
        "softmax outputs in the logistic loss", lambda z, y: _with_logs(_bounded(_softmax(z)), y, _bounded(1 - _softmax(z)))
    ),
    Writing(LINEAR, lambda z, y: _with_logs(_bounded(z), y, _bounded(1 - z)), lambda z, y: z - y, from_softmax=True),
    Writing("targets -1 and 1", lambda z, y: _terms(z, 2 * y - 1), lambda z, y: sigmoid(z) - (2 * y - 1)),
    Writing(
        "targets stretched to -0.1 and 1.1", lambda z, y: _terms(z, 1.2 * y - 0.1), lambda z, y: sigmoid(z) - (1.2 * y - 0.1)
    ),
    Writing(
        "the class number stands for a row of 0 and 1",
        lambda z, y: _terms(z, _classes(y)),
        lambda z, y: sigmoid(z) - _classes(y),
    ),
    Writing("averaged over the images and the classes", lambda z, y: _terms(z, y) / y.shape[1]),
)
"""The right one first. Where targets or outputs are others, so is the delta; the others only print something else."""


def printed_values(z: Array, labels: Array) -> dict[str, Array]:
    """What each writing prints per image, (images,), for logits (images, classes) in any precision."""
    logits = z.astype(np.float64)
    y = np.eye(z.shape[1])[labels]
    return {writing.name: writing.printed(logits, y) for writing in WRITINGS}
