"""Why the sum of all weights goes on changing while the rate falls: Adam's step has the rate's size, and some directions cost nothing."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from comparisons.activity import parameter_sums
from comparisons.sources.easy_batches import Snapshot, cut
from scratch.arrays import Array
from scratch.layers import BatchNormalization, Dense
from scratch.model import Model
from scratch.optimizers import SGD, Adam


def drift(
    snapshot: Snapshot, images: Array, targets: Array, *, size: int, rates: Sequence[float], looked_at: int
) -> pd.DataFrame:
    """One epoch at each rate, one after the other with Adam starting afresh, and where the parameters went.

    Columns: the sums of weights and of biases after it, by how much they changed, the mean size of a weight's step over the rate,
    how far the parameters moved (Euclidean), the share of that along directions that cannot change the loss, and the loss of
    the first `looked_at` images before, after, and after with that share taken back.
    """
    x, y = images[:looked_at], targets[:looked_at]
    rows, at = [], snapshot
    for epoch, rate in enumerate(rates):
        twin = at.twin(Adam(rate))
        before, steps, last = at.parameters, [], at.parameters
        for batch in cut(images, targets, size, epoch):
            twin.train_step(*batch)
            now = twin.parameters()
            steps.append(float(np.abs(now - last).mean()))
            last = now
        moved = last.astype(np.float64) - before
        free = flat_part(at.model, before, moved)
        sums = [parameter_sums(at.model, vector) for vector in (before, last)]
        rows.append(
            {
                "rate": rate,
                "updates": len(steps),
                "sum of weights": sums[1][0],
                "changed by": sums[1][0] - sums[0][0],
                "sum of biases": sums[1][1],
                "changed by ": sums[1][1] - sums[0][1],
                "step / rate": float(np.mean(steps)) / rate,
                "moved": float(np.linalg.norm(moved)),
                "free share": float(np.linalg.norm(free) / np.linalg.norm(moved)),
                "loss before": _loss(at, before, x, y),
                "loss after": _loss(at, last, x, y),
                "with the free part taken back": _loss(at, (last - free).astype(last.dtype), x, y),
            }
        )
        at = Snapshot(at.model, last, twin.state())
    return pd.DataFrame(rows)


def smaller_gradients(
    snapshot: Snapshot, images: Array, targets: Array, *, size: int, rate: float, updates: int
) -> pd.DataFrame:
    """By how much the sums change in one epoch with gradients made smaller, under Adam and under plain gradient descent.

    A smaller gradient stands for a later moment of training. Gradient descent moves in proportion; Adam divides its size out.
    """
    rows = []
    for name, optimizer in (("adam", Adam(rate)), ("gradient descent", SGD(rate))):
        for factor in (1.0, 0.1, 0.01):
            twin = snapshot.twin(optimizer)
            reader = snapshot.twin()
            for x, y in cut(images, targets, size, 0)[:updates]:
                reader.set_parameters(twin.parameters())
                _, pulled = reader.loss_and_gradients(x, y)
                twin.apply_gradients(pulled.gradients * pulled.gradients.dtype.type(factor))
            before, after = (
                parameter_sums(snapshot.model, snapshot.parameters),
                parameter_sums(snapshot.model, twin.parameters()),
            )
            rows.append(
                {
                    "optimizer": name,
                    "gradients times": factor,
                    "sum of weights changed by": after[0] - before[0],
                    "sum of biases changed by": after[1] - before[1],
                    "moved": float(np.linalg.norm(twin.parameters().astype(np.float64) - snapshot.parameters)),
                }
            )
    return pd.DataFrame(rows)


def flat_part(model: Model, parameters: Array, moved: Array) -> Array:
    """The part of a move along directions in which the loss of a batch in training cannot change to first order, (size,).

    Batch normalization subtracts the mean of z = x W + b over the batch and divides by its deviation. So it undoes any change of
    b, and a change of a column of W along itself, which only stretches z (but for epsilon, 1e-5 beside the variance).
    """
    free = np.zeros_like(moved)
    own, went, part = (list(model.views_by_layer(vector)) for vector in (parameters.astype(np.float64), moved, free))
    for index, layer in enumerate(model.layers[:-1]):
        if isinstance(layer, Dense) and isinstance(model.layers[index + 1], BatchNormalization):
            kernel = own[index]["kernel"]
            along = (kernel * went[index]["kernel"]).sum(axis=0) / np.square(kernel).sum(axis=0)
            part[index]["kernel"][...] = kernel * along
            if "bias" in part[index]:
                part[index]["bias"][...] = went[index]["bias"]
    return free


def _loss(snapshot: Snapshot, parameters: Array, x: Array, y: Array) -> float:
    """Of a batch in training: normalized by its own mean and deviation."""
    twin = Snapshot(snapshot.model, parameters, snapshot.state).twin(SGD(0.0))
    return float(twin.loss_and_gradients(x, y)[0])
