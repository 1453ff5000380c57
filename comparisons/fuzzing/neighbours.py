"""The inputs around a case's, at which scratch is asked as well: what rounding does must not hang on one input's luck."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from comparisons.fuzzing.cases import Case, loss_of, optimizer_of
from scratch.arrays import Array

WAYS, AROUND = 3, 8
"""In how many random directions to the numbers next to a case's, each gone both ways; and how many cases around it."""
REACH = 2.0**-6
"""How far around. Next to it a sum such as 1 + 1e-7 is rounded in the same way every time."""
MOVING = {"activation": ("z",), "loss": ("z", "y", "weights"), "optimizer": ("gradients", "parameters")}
"""Which arrays a neighbour has others of; targets only where they are numbers like any other."""
CONTINUOUS = ("real", "vector", "nonzero", "nonnegative", "count", "distribution")
SMALL_FACTOR = 2.0**10
"""The inverse of the smallest constant in formulas, such as 1 - beta_2."""


def neighbours(case: Case, dtype: str, kinks: tuple[float, ...] = ()) -> Iterator[Case]:
    """The same case with its numbers moved by one to four last places of a precision, up or down at random.

    A zero stays, and so does an input that sits on a kink exactly: everybody can tell that. The kinks of losses lie where sums
    vanish, of numbers and of constants near 1, so there all outputs move, by the last place of 1 at least. Gradients of which a
    running mean is kept move by a last place of the largest so far. The last neighbours have no numbers that are subnormal, or
    become so when they are multiplied by a small constant or, in an optimizer, squared.
    """
    rng, moving, stays = np.random.default_rng(0), _moving(case, dtype), _staying(case, dtype, kinks)
    sums = has_kinks_in_sums(case)
    means = case.kind == "optimizer" and "m" in optimizer_of(case, "paper").slots
    for _ in range(WAYS):
        steps = {name: rng.choice([-4, -3, -2, -1, 1, 2, 3, 4], array.shape) for name, array in moving.items()}
        for way in (1, -1):  # both ways, since a tie breaks to either side
            moved = {}
            for name, array in moving.items():
                vanishes = sums and name == "z"
                size = np.maximum(np.abs(array), 1 if vanishes else 0)
                if means and name == "gradients":
                    size = np.maximum.accumulate(size, axis=0)
                beside = array + way * steps[name] * np.where((array == 0) & (not vanishes), 0, np.spacing(size))
                moved[name] = np.where(stays[name] | ~np.isfinite(beside), array, beside).astype(dtype)
            yield replace(case, arrays={**case.arrays, **moved})
    tiny = float(np.finfo(dtype).tiny)
    for small in (tiny, tiny * SMALL_FACTOR, *([np.sqrt(tiny) * SMALL_FACTOR] if case.kind == "optimizer" else [])):
        flushed = {name: np.where(np.abs(array) < small, 0, array).astype(dtype) for name, array in moving.items()}
        yield replace(case, arrays={**case.arrays, **flushed})


def around(case: Case, dtype: str, kinks: tuple[float, ...] = ()) -> Iterator[Case]:
    """The same case with its numbers moved by up to a sixty-fourth of themselves: far enough for sums to be rounded anew."""
    rng, moving, stays = np.random.default_rng(1), _moving(case, dtype), _staying(case, dtype, kinks)
    for _ in range(AROUND):
        moved = {}
        for name, array in moving.items():
            beside = array * (1 + REACH * rng.uniform(-1, 1, array.shape))
            moved[name] = np.where(stays[name] | ~np.isfinite(beside), array, beside).astype(dtype)
        yield replace(case, arrays={**case.arrays, **moved})


def has_kinks_in_sums(case: Case) -> bool:
    """Whether the case is a loss whose derivative jumps where two of its numbers are the same, or add up to a margin."""
    return bool(case.kind == "loss" and loss_of(case).loss.kinks)


def _moving(case: Case, dtype: str) -> dict[str, Array]:
    fixed = case.kind == "loss" and (case.arrays["y"].ndim == 1 or loss_of(case).loss.targets not in CONTINUOUS)
    names = [name for name in MOVING[case.kind] if name in case.arrays and not (fixed and name == "y")]
    return {name: np.array(case.arrays[name], dtype) for name in names}


def _staying(case: Case, dtype: str, kinks: tuple[float, ...]) -> dict[str, Any]:
    """Where a number sits on a kink, or cannot move because a loss's domain ends."""
    ends = (1,) if case.kind == "loss" and loss_of(case).loss.outputs in ("probability", "distribution") else ()
    return {name: np.isin(array, np.array((*kinks, *ends), np.float32)) for name, array in _moving(case, dtype).items()}
