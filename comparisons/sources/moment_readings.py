"""Adam's moments taken over the examples of a batch instead of over batches: the ways in which that can be meant, and what each costs.

Symbols: g_n is the gradient of example n of a batch of N; m and v are Adam's moments, t their count. For every example
    m = b1 m + (1 - b1) g_n,  v = b2 v + (1 - b2) g_n^2,  t = t + 1,
and after the last one a step along m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + epsilon), or without the two corrections.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from comparisons.randomness import Randomness
from scratch.arrays import Array
from scratch.model import Model

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
EPOCHS = 2


@dataclass(frozen=True)
class Reading:
    """One way in which the mistake can be meant."""

    rate: float
    batch: int
    corrected: bool
    """Whether the moments are divided by 1 - beta^t."""
    reset: bool
    """Whether they start anew in every batch."""


@dataclass
class Moments:
    """Both moments of every parameter, flat, (size,)."""

    first: Array
    second: Array
    count: int = 0

    def step(self, reading: Reading, parts: Sequence[tuple[Array, Array]], examples: int) -> Array:
        """Take in the examples of one batch, and return the step's direction, (size,).

        `parts` are `weighted_gradients`. The recursion over N examples is a weighted sum: m = b1^N m + sum_n (1 - b1) b1^(N-n) g_n.
        """
        if reading.reset:
            self.first[...], self.second[...], self.count = 0, 0, 0
        self.first *= BETA_1**examples
        self.second *= BETA_2**examples
        self.first += np.concatenate([first.ravel() for first, _ in parts])
        self.second += np.concatenate([second.ravel() for _, second in parts])
        self.count += examples
        if not reading.corrected:
            return np.asarray(self.first / (np.sqrt(self.second) + EPSILON))
        corrected = np.sqrt(self.second / (1 - BETA_2**self.count))
        return np.asarray(self.first / (1 - BETA_1**self.count) / (corrected + EPSILON))


def weighted_gradients(arrays: Sequence[Array], x: Array, labels: Array) -> list[tuple[Array, Array]]:
    """Of every array of the network, sum_n w_n g_n and sum_n u_n g_n^2 with the weights of the two moments' recursions.

    `arrays` are kernel and bias of each layer, in turn: ReLUs in between, a softmax and its cross-entropy at the end. For a
    kernel g_n = x_n d_n^T, so that its square is x_n^2 (d_n^2)^T, and both sums are matrix products.
    """
    inputs, z = [x], x
    for kernel, bias in zip(arrays[:-2:2], arrays[1:-2:2], strict=True):
        z = np.maximum(inputs[-1] @ kernel + bias, 0)
        inputs.append(z)
    z = inputs[-1] @ arrays[-2] + arrays[-1]
    delta = np.exp(z - z.max(axis=1, keepdims=True))
    delta /= delta.sum(axis=1, keepdims=True)
    delta[np.arange(len(x)), labels] -= 1
    age = np.arange(len(x) - 1, -1, -1.0)[:, None]
    weights, squares = ((1 - beta) * beta**age for beta in (BETA_1, BETA_2))
    weights, squares = weights.astype(x.dtype), squares.astype(x.dtype)
    found: list[tuple[Array, Array]] = []
    for layer in range(len(inputs) - 1, -1, -1):
        a, first, second = inputs[layer], weights * delta, squares * delta * delta
        found[:0] = [(a.T @ first, (a * a).T @ second), (first.sum(axis=0), second.sum(axis=0))]
        if layer:
            delta = (delta @ arrays[2 * layer].T) * (a > 0)
    return found


def train(reading: Reading, model: Model, images: Array, labels: Array, seed: int, epochs: int = EPOCHS) -> Array:
    """The parameters after so many epochs, from the start and in the order that a recipe has for that seed."""
    randomness = Randomness(seed)
    parameters = randomness.parameters(model, "float32").astype(images.dtype)
    arrays = list(model.views(parameters).values())
    moments = Moments(np.zeros_like(parameters), np.zeros_like(parameters))
    for _ in range(epochs):
        for rows in randomness.batches(len(images), reading.batch):
            x, y = images[rows], labels[rows]
            parameters -= reading.rate * moments.step(reading, weighted_gradients(arrays, x, y), len(x)).astype(images.dtype)
    return parameters
