"""The inputs next to a case's, at which scratch is asked as well: what rounding does must not hang on one input's luck."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from comparisons.fuzzing.cases import Case, loss_of
from scratch.arrays import Array

WAYS = 4
"""Random directions, each of which is gone both ways."""
MOVING = {"activation": ("z",), "loss": ("z", "y", "weights"), "optimizer": ("gradients", "parameters")}
"""Which arrays a neighbour has others of; targets only where they are numbers like any other."""
CONTINUOUS = ("real", "vector", "nonzero", "nonnegative", "count", "distribution")
SMALL_FACTOR = 2.0**10
"""The inverse of the smallest constant in formulas, such as 1 - beta_2."""


def neighbours(case: Case, dtype: str, kinks: tuple[float, ...] = ()) -> Iterator[Case]:
    """The same case with its numbers moved by one to four last places of a precision, up or down at random.

    A zero stays, and so does an input that sits on a kink exactly: everybody can tell that. The kinks of losses lie where sums
    vanish, of numbers and of constants near 1, so there all outputs move, by the last place of 1 at least. The last neighbours
    have no numbers that are subnormal, or become so when they are multiplied by a small constant or, in an optimizer, squared.
    """
    rng = np.random.default_rng(0)
    moving = {name: np.array(case.arrays[name], dtype) for name in MOVING[case.kind] if name in case.arrays}
    if case.kind == "loss" and (case.arrays["y"].ndim == 1 or loss_of(case).loss.targets not in CONTINUOUS):
        del moving["y"]
    sums = bool(case.kind == "loss" and loss_of(case).loss.kinks)
    stays = {name: np.isin(array, np.array(kinks, np.float32)) | _at_an_end(case, array) for name, array in moving.items()}
    for _ in range(WAYS):
        steps = {name: rng.choice([-4, -3, -2, -1, 1, 2, 3, 4], array.shape) for name, array in moving.items()}
        for way in (1, -1):  # both ways, since a tie breaks to either side
            moved = {}
            for name, array in moving.items():
                last_place = np.spacing(np.maximum(np.abs(array), 1) if sums and name == "z" else np.abs(array))
                beside = array + way * steps[name] * np.where((array == 0) & ~np.bool_(sums), 0, last_place)
                moved[name] = np.where(stays[name] | ~np.isfinite(beside), array, beside).astype(dtype)
            yield replace(case, arrays={**case.arrays, **moved})
    tiny = float(np.finfo(dtype).tiny)
    for small in (tiny, tiny * SMALL_FACTOR, *([np.sqrt(tiny) * SMALL_FACTOR] if case.kind == "optimizer" else [])):
        flushed = {name: np.where(np.abs(array) < small, 0, array).astype(dtype) for name, array in moving.items()}
        yield replace(case, arrays={**case.arrays, **flushed})


def _at_an_end(case: Case, z: Array) -> Any:
    """Where a loss's output cannot move, because its domain ends."""
    probabilities = case.kind == "loss" and loss_of(case).loss.outputs in ("probability", "distribution")
    return (z == 1) if probabilities else np.zeros(z.shape, dtype=bool)
