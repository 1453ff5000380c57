"""What losses may be given: a strategy for every domain of `scratch.losses.OUTPUTS` and `TARGETS`, and how to recognise it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from comparisons.fuzzing.edges import HUGE, NORMAL, SMALLEST, arrays, numbers
from scratch.arrays import Array
from scratch.losses import Loss

SHARES = 2**10
"""Probabilities of a distribution are multiples of its inverse, so that they sum to one exactly."""
FAINT = 2.0**-24
"""A probability below all bounds that frameworks have; 1 - FAINT is exact in float32."""


@dataclass(frozen=True)
class Domain:
    """A set of arrays."""

    draw: Callable[[int, int], st.SearchStrategy[Array]]
    """From rows and columns to arrays (rows, columns)."""
    holds: Callable[[Array], Any]
    """Whether an array is one of them."""


def _between(low: float, high: float) -> Callable[[int, int], st.SearchStrategy[Array]]:
    return lambda rows, columns: arrays(rows, columns, numbers(low, high))


def _sampled(*values: float) -> Callable[[int, int], st.SearchStrategy[Array]]:
    return lambda rows, columns: arrays(rows, columns, st.sampled_from(values))


def _vectors(rows: int, columns: int) -> st.SearchStrategy[Array]:
    return arrays(rows, columns).filter(_has_no_row_of_zeros)


def _has_no_row_of_zeros(x: Array) -> Any:
    return (x != 0).any(axis=1).all()


def _nonzero(rows: int, columns: int) -> st.SearchStrategy[Array]:
    return arrays(rows, columns, numbers().filter(bool))


def _counts(rows: int, columns: int) -> st.SearchStrategy[Array]:
    return arrays(rows, columns, st.one_of(st.integers(0, 20), st.integers(0, 2**24)).map(float))


def _one_hot(rows: int, columns: int) -> st.SearchStrategy[Array]:
    chosen = st.lists(st.integers(0, columns - 1), min_size=rows, max_size=rows)
    return chosen.map(lambda drawn: np.eye(columns, dtype=np.float32)[drawn])


@st.composite
def _distributions(draw: st.DrawFn, rows: int, columns: int) -> Array:
    """Rows of probabilities, cut out of the whole at random places; sometimes one is next to nothing."""
    places = st.one_of(st.integers(0, SHARES), st.sampled_from([0, SHARES]))
    cuts = draw(st.lists(places, min_size=rows * (columns - 1), max_size=rows * (columns - 1)))
    inner = np.sort(np.reshape(cuts, (rows, columns - 1)), axis=1)
    y = np.diff(inner, axis=1, prepend=0, append=SHARES) / SHARES
    for row in y:
        fullest = int(np.argmax(row))
        if columns > 1 and draw(st.booleans()) and row[fullest - 1] == 0:
            row[fullest - 1], row[fullest] = FAINT, row[fullest] - FAINT
    return y.astype(np.float32)


def _log_distributions(rows: int, columns: int) -> st.SearchStrategy[Array]:
    return _distributions(rows, columns).map(lambda p: np.log(np.maximum(p, np.float32(NORMAL))))


def _means_and_variances(rows: int, columns: int) -> st.SearchStrategy[Array]:
    both = st.tuples(arrays(rows, columns // 2), arrays(rows, columns // 2, numbers(SMALLEST, HUGE)))
    return both.map(lambda parts: np.concatenate(parts, axis=1))


def _sums_to_one(y: Array) -> Any:
    return (y >= 0).all() and (y.sum(axis=1) == 1).all()


DOMAINS: dict[str, Domain] = {
    "real": Domain(arrays, lambda x: np.isfinite(x).all()),
    "vector": Domain(_vectors, _has_no_row_of_zeros),
    "positive": Domain(_between(SMALLEST, HUGE), lambda x: (x > 0).all()),
    "nonnegative": Domain(_between(0, HUGE), lambda x: (x >= 0).all()),
    "nonzero": Domain(_nonzero, lambda x: x.all()),
    "probability": Domain(_between(0, 1), lambda x: ((x >= 0) & (x <= 1)).all()),
    "distribution": Domain(_distributions, _sums_to_one),
    "log_distribution": Domain(_log_distributions, lambda x: (x <= 0).all()),
    "mean_and_variance": Domain(_means_and_variances, lambda x: (x[:, x.shape[1] // 2 :] > 0).all()),
    "count": Domain(_counts, lambda x: ((x >= 0) & (x == np.round(x))).all()),
    "binary": Domain(_sampled(0.0, 1.0), lambda x: np.isin(x, (0, 1)).all()),
    "sign": Domain(_sampled(-1.0, 1.0), lambda x: np.isin(x, (-1, 1)).all()),
    "one_hot": Domain(_one_hot, lambda x: np.isin(x, (0, 1)).all() and _sums_to_one(x)),
}
"""By name; class indices, "index", are whole numbers and no array of float32."""
WEIGHTS = numbers(0, 8)


def outputs(loss: Loss, rows: int, units: int) -> st.SearchStrategy[Array]:
    """What a loss may take as a network's output, (rows, units)."""
    return DOMAINS[loss.outputs].draw(rows, units)


def targets(loss: Loss, rows: int, units: int, *, indices: bool = False) -> st.SearchStrategy[Array]:
    """What a loss may take as targets for outputs (rows, units): rows, or class indices (rows,)."""
    if loss.targets == "index" or (indices and loss.class_indices):
        return st.lists(st.integers(0, units - 1), min_size=rows, max_size=rows).map(lambda drawn: np.array(drawn, np.int64))
    return DOMAINS[loss.targets].draw(rows, units // 2 if loss.halves else units)


def allows(loss: Loss, z: Array, y: Array) -> bool:
    """Whether outputs and targets are in the loss's domains."""
    indices = y.ndim == 1 and y.dtype.kind == "i" and bool(((y >= 0) & (y < z.shape[1])).all())
    return bool(DOMAINS[loss.outputs].holds(z)) and (indices or (y.ndim > 1 and bool(DOMAINS[loss.targets].holds(y))))
