"""Learning rate schedules in the matrix: the rate of every step."""

from collections.abc import Iterator

from backends import Backend
from comparisons.ladder import Ladder
from comparisons.verification.cells import Cell, Effort, Task, cell, judge_results
from comparisons.verification.networks import DTYPES
from scratch.schedules import SCHEDULES, Schedule

REFERENCE_ERROR = 2.0**-53 * 8
"""Of scratch's rate: it is computed in float64, by at most eight roundings from numbers of its own size."""


def schedule_cells(task: Task, backend: Backend, effort: Effort) -> Iterator[Cell]:
    """The rates of the first steps, in the framework's convention and in the paper's."""
    convention = backend.convention
    if convention is None:  # scratch against itself would say nothing; tests hold it against points worked out by hand
        return
    own, paper = SCHEDULES[task.name](convention=convention), SCHEDULES[task.name](convention="paper")

    def against(reference: Schedule) -> Ladder:
        true = reference.rates(effort.steps)
        return judge_results({dtype: backend.rates(own, effort.steps, dtype) for dtype in DTYPES}, true, REFERENCE_ERROR)

    yield cell(task, convention, f"{effort.steps:,} rates", against(own))
    if not (own.rates(effort.steps) == paper.rates(effort.steps)).all():
        yield cell(task, "paper", f"{effort.steps:,} rates", against(paper))
