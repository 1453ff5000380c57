"""What the matrix consists of: tasks, which are run together, and the cells that they give."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from comparisons.ladder import Ladder, Verdict, judge, relative_error
from scratch.arrays import Array, Convention

KINDS = ("activation", "layer", "loss", "optimizer", "schedule", "initializer")
RIGHT: tuple[Verdict, ...] = ("exact", "rounding")


@dataclass(frozen=True)
class Effort:
    """How much is run."""

    steps: int = 1000
    """Of every optimizer and schedule."""
    draws: int = 1_000_000
    """From every initializer."""
    variants: bool = True
    """Whether settings other than an entry's own are run too."""


FULL = Effort()
QUICK = Effort(steps=60, draws=400_000, variants=False)


@dataclass(frozen=True)
class Task:
    """One entry on one backend: what is run at once, and saved at once."""

    kind: str
    name: str
    backend: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}/{self.backend}"


@dataclass(frozen=True)
class Cell:
    """One verdict with the numbers behind it."""

    kind: str
    name: str
    backend: str
    convention: Convention
    """Whose formula the backend is held against."""
    quantity: str
    """What is compared, such as `value` or `1,000 steps`."""
    verdict: str
    case: str = ""
    """With which settings, where not the entry's own."""
    slope: float | None = None
    errors: Mapping[str, float] = field(default_factory=dict)
    """By precision, or of a distribution by what is measured."""
    reason: str = ""
    causes: tuple[str, ...] = ()
    """The choices, as in `scratch.optimizers.CHOICES`, that the ladder confirms to be the difference."""

    @property
    def place(self) -> str:
        """Where it stands in the matrix: kind/name/backend/convention/quantity."""
        return f"{self.kind}/{self.name}/{self.backend}/{self.convention}/{self.quantity}"

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {**asdict(self), "errors": dict(self.errors), "causes": list(self.causes)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Cell":
        """From what `to_dict` gave."""
        return cls(**{**data, "causes": tuple(data["causes"])})


STEEPEST_SLOPE = 1.5
"""Rounding falls with slope 1. The argument of comparisons/ladder.py for the lower threshold holds upwards as well: a slope of 3/2
needs an error in float32 that is 23,170 times what rounding leaves. That is a result that is wrong in float32 only."""


def judge_results(found: Mapping[str, Array], reference: Array, uncertain: float = 0.0) -> Ladder:
    """The ladder of results by precision against a reference of the same shape; raises ValueError for another shape."""
    for dtype, values in found.items():
        if np.shape(values) != np.shape(reference):
            raise ValueError(f"a result in {dtype} has the shape {np.shape(values)}, the reference {np.shape(reference)}.")
    return judge_errors({dtype: relative_error(values, reference) for dtype, values in found.items()}, uncertain)


def judge_errors(errors: Mapping[str, float], uncertain: float = 0.0) -> Ladder:
    """The ladder of relative errors; steeper than rounding is not right either."""
    ladder = judge(errors, reference_error=uncertain)
    if ladder.verdict in RIGHT and ladder.slope is not None and ladder.slope > STEEPEST_SLOPE:
        reason = f"slope {ladder.slope:.2f}: much worse in float32 than rounding makes it"
        return replace(ladder, verdict="wrong", reason=reason)
    return ladder


def same_bits(same: Mapping[str, bool]) -> Ladder:
    """A comparison of bits by precision: exact where all are the same, wrong otherwise."""
    errors = {dtype: 0.0 if holds else 1.0 for dtype, holds in same.items()}
    return Ladder(errors, "exact" if all(same.values()) else "wrong", reason="" if all(same.values()) else "other bits")


def fits(pattern: str, kind: str, name: str) -> bool:
    """Whether an operation is meant by a name, a kind, its plural, kind/name or a pattern of these."""
    plural = "losses" if kind == "loss" else f"{kind}s"
    return any(fnmatchcase(text, pattern.lower()) for text in (name, kind, plural, f"{kind}/{name}"))


def cell(task: Task, convention: Convention, name: str, ladder: Ladder, case: str = "", causes: tuple[str, ...] = ()) -> Cell:
    """The cell of a ladder."""
    return Cell(
        *(task.kind, task.name, task.backend),
        convention,
        name,
        ladder.verdict,
        case,
        ladder.slope,
        dict(ladder.errors),
        ladder.reason,
        causes,
    )
