"""Training steps that are not steps along a gradient, as two sources took them by mistake, on any backend."""

from dataclasses import dataclass, field

import numpy as np

from backends import Twin
from backends.numpy_backend import NumpyTwin
from comparisons.training import loss_and_cotangent
from scratch.arrays import Array
from scratch.model import Model
from scratch.optimizers import Optimizer


def stale_updates(twin: Twin, model: Model, x: Array, y: Array, updates: int) -> tuple[float, Array]:
    """Source 002's inner loop: many updates from one forward pass; returns its loss and its output.

    Activations, masks and the output's cotangent stay those of the forward pass. Only the cotangent of the hidden layer is
    taken anew each time, through the output kernel that has changed meanwhile; so only the first update is one along the
    gradient of the batch's loss. For a network with one hidden layer whose derivative does not depend on its input.
    """
    if isinstance(twin, NumpyTwin):
        return twin.repeat_backward(x, y, updates)
    last = model.layer_names[-1]
    loss, first = twin.loss_and_gradients(x, y)
    _, cotangent = loss_and_cotangent(model, first.output, y)
    gradients = first.gradients
    for update in range(updates):
        if update:
            gradients = twin.vjp(x, cotangent).gradients
            # The output layer's own gradient is made of what the forward pass left.
            stale = model.views(first.gradients)
            for path, view in model.views(gradients).items():
                if path.startswith(f"{last}."):
                    view[...] = stale[path]
        twin.apply_gradients(gradients)
    return float(loss), first.output


@dataclass
class PerExampleMoments:
    """Source 001's averaging: Adam's moments taken over the examples of a batch, instead of over batches.

    For every example n of a batch m = b1 m + (1 - b1) g_n, v = b2 v + (1 - b2) g_n^2, t = t + 1 with its own gradient g_n; after
    the last one step along m_hat / (sqrt(v_hat) + epsilon). With `reset` all three start from zero in every batch, so the
    step follows the last few examples only; without, they go on.
    """

    beta_1: float
    beta_2: float
    epsilon: float
    reset: bool
    first: Array = field(default_factory=lambda: np.zeros(0))
    second: Array = field(default_factory=lambda: np.zeros(0))
    count: int = 0

    @classmethod
    def of(cls, optimizer: Optimizer, size: int, dtype: str, *, reset: bool) -> "PerExampleMoments":
        """With the numbers of an Adam."""
        beta_1, beta_2, epsilon = (
            getattr(optimizer, name, default) for name, default in (("beta_1", 0.9), ("beta_2", 0.999), ("epsilon", 1e-8))
        )
        return cls(beta_1, beta_2, epsilon, reset, np.zeros(size, dtype), np.zeros(size, dtype))

    def step(self, twin: Twin, x: Array, y: Array) -> tuple[float, Array]:
        """One step on a batch; returns the mean loss and the outputs before it."""
        if self.reset:
            self.first[...], self.second[...], self.count = 0, 0, 0
        losses, outputs = [], []
        for row in range(len(x)):
            loss, pulled = twin.loss_and_gradients(x[row : row + 1], y[row : row + 1])
            self.first += (1 - self.beta_1) * (pulled.gradients - self.first)
            self.second += (1 - self.beta_2) * (pulled.gradients**2 - self.second)
            self.count += 1
            losses.append(float(loss))
            outputs.append(pulled.output)
        first = self.first / (1 - self.beta_1**self.count)
        second = self.second / (1 - self.beta_2**self.count)
        twin.apply_gradients(first / (np.sqrt(second) + self.epsilon))
        return float(np.mean(losses)), np.concatenate(outputs)
