"""Outputs and targets from a loss's declared domains, exact in float32, for every comparison that needs some."""

from collections.abc import Callable

import numpy as np

from scratch.arrays import Array
from scratch.losses.base import Loss

Draw = Callable[[np.random.Generator, int, int, bool], Array]
"""draw(rng, batch, units, edges): with `edges`, also values at which conventions part, such as probabilities below 1e-7."""

TINY = 2.0**-24
"""Below every bound that a framework puts on a probability, a variance or a length."""


def _real(rng: np.random.Generator, batch: int, units: int, edges: bool) -> Array:
    return rng.standard_normal((batch, units)) * (12 if edges else 3)


def _vector(rng: np.random.Generator, batch: int, units: int, edges: bool) -> Array:
    values = rng.standard_normal((batch, units))
    return values * np.where(rng.random((batch, 1)) < 0.3, 2.0**-40, 1) if edges else values


def _positive(rng: np.random.Generator, batch: int, units: int, edges: bool) -> Array:
    values = np.exp(rng.standard_normal((batch, units)))
    return np.where(rng.random((batch, units)) < 0.2, TINY, values) if edges else values


def _nonnegative(rng: np.random.Generator, batch: int, units: int, edges: bool) -> Array:
    values = _positive(rng, batch, units, edges)
    return np.where(rng.random((batch, units)) < 0.2, 0, values) if edges else values


def _nonzero(rng: np.random.Generator, batch: int, units: int, edges: bool) -> Array:
    return _positive(rng, batch, units, edges) * _sign(rng, batch, units, edges)


def _probability(rng: np.random.Generator, batch: int, units: int, edges: bool) -> Array:
    values = rng.integers(1, 1024, (batch, units)) / 1024
    at_an_end = rng.choice([TINY, TINY**2, 1 - TINY], (batch, units))
    return np.where(rng.random((batch, units)) < 0.2, at_an_end, values) if edges else values


def _distribution(rng: np.random.Generator, batch: int, units: int, edges: bool) -> Array:
    """In steps of 2^-10, no probability 0, and the sum exactly 1; at the edges one probability of many a row is 2^-24."""
    values = (rng.multinomial(1024 - units, np.full(units, 1 / units), batch) + 1) / 1024
    if edges and units > 1:
        given = np.where(rng.random(batch) < 0.5, values[:, 0] - TINY, 0)
        values[:, 0] -= given
        values[:, 1] += given
    return values


def _log_distribution(rng: np.random.Generator, batch: int, units: int, edges: bool) -> Array:
    return np.log(_distribution(rng, batch, units, edges))


def _mean_and_variance(rng: np.random.Generator, batch: int, units: int, edges: bool) -> Array:
    half = units // 2
    return np.concatenate([_real(rng, batch, half, False), _positive(rng, batch, half, edges)], axis=1)


def _count(rng: np.random.Generator, batch: int, units: int, edges: bool) -> Array:
    return rng.poisson(2, (batch, units))


def _binary(rng: np.random.Generator, batch: int, units: int, edges: bool) -> Array:
    return rng.integers(0, 2, (batch, units))


def _sign(rng: np.random.Generator, batch: int, units: int, edges: bool) -> Array:
    return 2 * rng.integers(0, 2, (batch, units)) - 1


def _one_hot(rng: np.random.Generator, batch: int, units: int, edges: bool) -> Array:
    return np.eye(units)[rng.integers(0, units, batch)]


def _shares(rng: np.random.Generator, batch: int, units: int, edges: bool) -> Array:
    """As _distribution, zeros among them, and rows of a single 1 among the rows."""
    values = rng.multinomial(1024, np.full(units, 1 / units), batch) / 1024
    return np.where(rng.random((batch, 1)) < 0.5, values, _one_hot(rng, batch, units, edges))


_DRAW_OUTPUTS: dict[str, Draw] = {
    "real": _real,
    "vector": _vector,
    "positive": _positive,
    "nonnegative": _nonnegative,
    "probability": _probability,
    "distribution": _distribution,
    "log_distribution": _log_distribution,
    "mean_and_variance": _mean_and_variance,
}
_DRAW_TARGETS: dict[str, Draw] = {
    "real": _real,
    "vector": _vector,
    "nonzero": _nonzero,
    "nonnegative": _nonnegative,
    "count": _count,
    "binary": _binary,
    "sign": _sign,
    "one_hot": _one_hot,
    "distribution": _shares,
}


def sample(
    loss: Loss, rng: np.random.Generator, batch: int, units: int, *, indices: bool = False, edges: bool = False
) -> tuple[Array, Array]:
    """Outputs z (batch, units) and targets y from the loss's domains, float32, or (batch,) class indices.

    `indices` asks for class indices where the loss takes rows as well. `edges` adds large numbers, and such as conventions clip.
    Where the loss halves its units, their number must be even.
    """
    z = _DRAW_OUTPUTS[loss.outputs](rng, batch, units, edges).astype(np.float32)
    return z, sample_targets(loss, rng, batch, units, indices=indices, edges=edges)


def sample_targets(
    loss: Loss, rng: np.random.Generator, batch: int, units: int, *, indices: bool = False, edges: bool = False
) -> Array:
    """Targets y alone, for outputs that a network gives."""
    if loss.targets == "index" or (indices and loss.class_indices):
        return rng.integers(0, units, batch)
    columns = units // 2 if loss.halves else units
    return _DRAW_TARGETS[loss.targets](rng, batch, columns, edges).astype(np.float32)
