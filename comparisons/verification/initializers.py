"""Initializers in the matrix. Generators differ, so distributions are compared, not bits.

Sampling stands in the place of rounding here. For n draws the largest distance D between the empirical distribution functions
of two samples from one distribution exceeds d with a probability of at most 4 exp(-n d^2 / 2) (each is within d/2 of the truth,
A. Dvoretzky, J. Kiefer, J. Wolfowitz (1956), with the constant of P. Massart (1990)); ALARM is what we allow for that.
Beside it stand the bounds, the mean and the standard deviation.
"""

from collections.abc import Iterator

import numpy as np

from backends import Backend
from comparisons.ladder import Verdict
from comparisons.verification.cells import Cell, Effort, Task
from scratch.arrays import Array
from scratch.initializers import INITIALIZERS

ALARM = 1e-9
FANS = (250, 160)
"""Different, so that fan_in and fan_out cannot be mistaken for one another."""


def limit(draws: int) -> float:
    """The distance that two samples of one distribution exceed with a probability of at most ALARM."""
    return 2 * float(np.sqrt(np.log(4 / ALARM) / (2 * draws)))


def distance(first: Array, second: Array) -> float:
    """Largest distance between two empirical distribution functions (Kolmogorov-Smirnov)."""
    first, second = np.sort(first), np.sort(second)
    both = np.concatenate([first, second])
    below = [np.searchsorted(sample, both, side="right") / len(sample) for sample in (first, second)]
    return float(np.abs(below[0] - below[1]).max())


def initializer_cells(task: Task, backend: Backend, effort: Effort) -> Iterator[Cell]:
    """One cell: is what the framework draws distributed as scratch's draws are?"""
    entry = INITIALIZERS[task.name]()
    convention = backend.convention
    if convention is None:  # scratch against itself would say nothing; tests hold it against its definition
        return
    kernels = max(2, -(-effort.draws // (FANS[0] * FANS[1])))
    rng = np.random.default_rng((1, 2))
    ours = [entry.draw(rng, *FANS, FANS) for _ in range(kernels)]
    theirs = [backend.draw(entry, FANS, seed) for seed in range(kernels)]
    first, second = (np.concatenate([kernel.ravel() for kernel in sample]) for sample in (ours, theirs))
    apart, allowed = distance(first, second), limit(len(first))
    errors = {
        "distance": apart,
        "allowed": allowed,
        "mean": float(second.mean()),
        "deviation": float(second.std()),
        "low": float(second.min()),
        "high": float(second.max()),
    }
    reason = ""
    drawn = not np.array_equal(entry.draw(rng, *FANS, FANS), ours[0])
    if not np.isfinite(second).all():
        reason = "not all draws are finite"
    elif not drawn:  # these are numbers, in their places
        errors = {"difference": max(float(np.abs(kernel - ours[0]).max()) for kernel in theirs)}
        reason = "the numbers are not the same" if errors["difference"] else ""
    elif np.array_equal(theirs[0], theirs[1]):
        reason = "two seeds draw the same"
    elif apart > allowed:
        reason = "the distributions differ by more than sampling explains"
    elif entry.orthogonal:
        gain = entry.settings["gain"]
        errors["orthogonality"] = max(float(np.abs(w.T @ w - gain**2 * np.eye(w.shape[1])).max()) for w in theirs)
        # A sum of fan_in products of numbers below gain, from a factorisation that is itself good to a few units of fan_in u.
        if errors["orthogonality"] > 8 * FANS[0] * np.finfo(np.float64).eps * gain**2:
            reason = "the columns are not orthonormal"
    verdict: Verdict = "wrong" if reason else "rounding" if drawn else "exact"
    yield Cell(task.kind, task.name, task.backend, convention, "distribution", verdict, errors=errors, reason=reason)
