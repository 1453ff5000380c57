"""Leaving easy batches out: what it does to the gradient of the mean loss, and what an update and a second then bring."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from backends.numpy_backend import NumpyTwin
from scratch.arrays import Array
from scratch.model import Model
from scratch.optimizers import SGD, Adam, Optimizer

Batch = tuple[Array, Array]
"""Images (rows, pixels) and targets (rows, classes)."""
DRAWS = 200
"""Sets of batches drawn without looking at their loss, as many as hard ones."""


@dataclass(frozen=True)
class Snapshot:
    """A network at some moment of its training."""

    model: Model
    parameters: Array
    state: Array

    def twin(self, optimizer: Optimizer | None = None) -> NumpyTwin:
        """It in NumPy, with an optimizer that has not taken a step."""
        twin = NumpyTwin(self.model, self.parameters, optimizer or SGD(0.0), str(self.parameters.dtype))
        twin.set_state(self.state)
        return twin


def cut(images: Array, targets: Array, size: int, seed: int) -> list[Batch]:
    """All images once, in shuffled batches of that size."""
    order = np.random.default_rng(seed).permutation(len(images))
    return [(images[rows], targets[rows]) for rows in (order[start : start + size] for start in range(0, len(order), size))]


def batch_losses(twin: NumpyTwin, batches: Sequence[Batch]) -> Array:
    """The loss of every batch in inference, as the selection sees it, (batches,)."""
    losses = []
    for x, y in batches:
        workspace = twin.forward(x, training=False)
        losses.append(float(workspace.loss(y)))
    return np.array(losses)


def gradients(snapshot: Snapshot, batches: Sequence[Batch], threshold: float) -> pd.DataFrame:
    """The gradient of the mean loss over all batches, over those above the threshold, the others, and as many drawn blindly.

    Columns: batches, their mean loss, |g|, and the cosine of the angle to the gradient over all batches.
    """
    losses = batch_losses(snapshot.twin(), batches)
    found = []
    for x, y in batches:
        found.append(snapshot.twin().loss_and_gradients(x, y)[1].gradients.astype(np.float64))
    each = np.array(found)
    whole = each.mean(axis=0)
    hard = losses > threshold

    def row(name: str, chosen: Array) -> dict[str, object]:
        mean = each[chosen].mean(axis=0)
        return {
            "batches": name,
            "number": int(chosen.sum()),
            "mean loss": losses[chosen].mean(),
            "gradient": float(np.linalg.norm(mean)),
            "cosine": _cosine(mean, whole),
        }

    rows = [row("all", np.ones(len(batches), dtype=bool))]
    for name, chosen in ((f"loss above {threshold:.3f}", hard), ("the others", ~hard)):
        if chosen.any():
            rows.append(row(name, chosen))
    if hard.any():
        rng = np.random.default_rng(0)
        means = [each[rng.permutation(len(each))[: hard.sum()]].mean(axis=0) for _ in range(DRAWS)]
        rows.append(
            {
                "batches": f"drawn without looking, mean of {DRAWS} draws",
                "number": int(hard.sum()),
                "mean loss": losses.mean(),
                "gradient": float(np.mean([np.linalg.norm(mean) for mean in means])),
                "longest": float(np.max([np.linalg.norm(mean) for mean in means])),
                "cosine": float(np.mean([_cosine(mean, whole) for mean in means])),
            }
        )
    return pd.DataFrame(rows)


def scatter(snapshot: Snapshot, batches: Sequence[Batch]) -> tuple[float, float]:
    """Standard deviation of the batches' losses, and the one that chance gives batches of images that differ as these do."""
    twin = snapshot.twin()
    single = []
    for x, y in batches:
        z = twin.predict(x).astype(np.float64)
        single.append((np.logaddexp(0, z) - z * y).sum(axis=1))
    losses = np.array([values.mean() for values in single])
    return float(losses.std(ddof=1)), float(np.concatenate(single).std() / np.sqrt(len(single[0])))


def progress(
    snapshot: Snapshot, images: Array, targets: Array, *, size: int, rate: float, updates: int, seeds: Sequence[int]
) -> pd.DataFrame:
    """What so many of Adam's updates bring, with all batches, with the harder half and with the easier half of each pass.

    Seconds are those of the processor, the passes through what was left out included.
    """
    before = float(batch_losses(snapshot.twin(), [(images, targets)])[0])
    found: dict[str, list[tuple[float, float]]] = {}
    for seed in seeds:
        for name in ("all", "the harder half", "the easier half"):
            twin, done = snapshot.twin(Adam(rate)), 0
            start = time.process_time()
            for epoch in range(updates):
                batches = cut(images, targets, size, 1000 * seed + epoch)
                if name != "all":
                    losses = batch_losses(twin, batches)
                    harder = losses > np.median(losses)
                    chosen = harder if name == "the harder half" else ~harder
                    batches = [batch for batch, keep in zip(batches, chosen, strict=True) if keep]
                for x, y in batches[: updates - done]:
                    twin.train_step(x, y)
                    done += 1
                if done == updates:
                    break
            seconds = time.process_time() - start
            after = float(batch_losses(twin, [(images, targets)])[0])
            found.setdefault(name, []).append((before - after, seconds))
    rows = []
    for name, values in found.items():
        gained, seconds_ = np.array(values).T
        rows.append(
            {
                "batches": name,
                "updates": updates,
                "loss before": before,
                "gain per update": gained.mean() / updates,
                "least and most of the seeds": f"{gained.min() / updates:.2e} to {gained.max() / updates:.2e}",
                "gain per second": (gained / seconds_).mean(),
            }
        )
    return pd.DataFrame(rows)


def _cosine(one: Array, other: Array) -> float:
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))
