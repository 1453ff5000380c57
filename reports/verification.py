"""The matrix of `backproof verify` in the terminal and as JSON."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from comparisons.ladder import worst
from comparisons.verification.cells import KINDS, RIGHT, Cell, Task
from comparisons.verification.matrix import Matrix
from reports.terminal import STYLES
from reports.text import SYMBOLS, listed, number

PLURALS = {kind: f"{kind}s" for kind in KINDS} | {"loss": "losses"}
EXPLAINED = "≠"
"""The sign of a difference that the ledger explains."""


def sentence(matrix: Matrix) -> str:
    """The whole matrix in a few sentences."""
    cells = matrix.cells
    counts = Counter(cell.verdict for cell in cells)
    right = sum(counts[verdict] for verdict in RIGHT)
    explained = [cell for cell in cells if cell.verdict not in RIGHT and matrix.explained(cell)]
    names = {(cell.kind, cell.name) for cell in cells}
    said = f"{len(cells)} cells of {len(names)} operations on {listed(list(matrix.backends.values()))}: {right} are rounding or exact"
    if explained:
        entries = {entry.name for cell in explained for entry in matrix.explained(cell)}
        said += f", {len(explained)} differ as the ledger says ({len(entries)} entries)"
    open_cells = Counter(cell.verdict for cell in matrix.open)
    for verdict, count in open_cells.items():
        said += f", {count} {'are' if count > 1 else 'is'} {verdict} and not explained"
    if matrix.gaps:
        said += f"; {len(matrix.gaps)} pairs of operation and framework do not exist"
    stopped = " Stopped; what is done is kept." if matrix.interrupted else ""
    return f"{said}.{stopped}"


def summary(matrix: Matrix, cells: Sequence[Cell]) -> tuple[str, str]:
    """Cells that belong together as a sign with their number, and the verdict that names its colour."""
    if not cells:
        return "–", ""
    verdict = worst([cell.verdict for cell in cells])  # type: ignore[misc]
    odd = [cell for cell in cells if cell.verdict not in RIGHT]
    unexplained = [cell for cell in odd if not matrix.explained(cell)]
    if unexplained:
        return f"{SYMBOLS[verdict]} {len(unexplained)} of {len(cells)}", verdict
    right = len(cells) - len(odd)
    sign = SYMBOLS["exact" if all(cell.verdict == "exact" for cell in cells) else "rounding"]
    return (f"{sign} {right}" if right else "") + (f" {EXPLAINED} {len(odd)}" if odd else ""), "rounding"


def show_matrix(matrix: Matrix, console: Console) -> None:
    """A table per kind, the cells that are not explained with their numbers, and the sentence."""
    for kind in KINDS:
        names = list(dict.fromkeys(cell.name for cell in matrix.cells if cell.kind == kind))
        if not names:
            continue
        table = Table(box=SIMPLE_HEAD, title=PLURALS[kind], title_justify="left", title_style="bold")
        for column in ("", *matrix.backends.values()):
            table.add_column(column)
        for name in names:
            row = [Text(name)]
            for backend in matrix.backends:
                cells = [cell for cell in matrix.cells if (cell.kind, cell.name, cell.backend) == (kind, name, backend)]
                text, style = summary(matrix, cells)
                row.append(Text(text, style=STYLES.get(style, "dim")))
            table.add_row(*row)
        console.print(table)
    if matrix.open:
        table = Table(box=SIMPLE_HEAD, title="not explained", title_justify="left", title_style="bold")
        for column in ("cell", "case", "verdict", "float32", "float64", "reason"):
            table.add_column(column, overflow="fold")
        for cell in matrix.open:
            verdict = Text(f"{SYMBOLS[cell.verdict]} {cell.verdict}", style=STYLES[cell.verdict])
            errors = [number(cell.errors.get(dtype)) for dtype in ("float32", "float64")]
            table.add_row(cell.place, cell.case, verdict, *errors, cell.reason)
        console.print(table)
    explained = {entry.name: entry.title for cell in matrix.cells for entry in matrix.explained(cell)}
    if explained:
        console.print("[bold]differences that the ledger explains[/bold]  [dim]backproof ledger NAME tells all[/dim]")
        grid = Table.grid(padding=(0, 2))
        for name, title in explained.items():
            grid.add_row(Text(f"  {name}", style="cyan"), Text(title))
        console.print(grid)
        console.print()
    signs = (
        f"{SYMBOLS['exact']} exact   {SYMBOLS['rounding']} rounding   {EXPLAINED} differs as the ledger says   – does not exist"
    )
    console.print(f"[dim]{signs}; the number is that of the cells[/dim]")
    style = STYLES["wrong" if any(c.verdict == "wrong" for c in matrix.open) else "inconclusive" if matrix.open else "rounding"]
    console.print(Text(sentence(matrix), style=style))


def to_json(matrix: Matrix) -> dict[str, Any]:
    """Everything as plain data; numbers that are not finite become strings."""
    return {
        "versions": matrix.versions,
        "skipped": matrix.skipped,
        "interrupted": matrix.interrupted,
        "summary": sentence(matrix),
        "cells": [
            {**_finite(cell.to_dict()), "ledger": [entry.name for entry in matrix.explained(cell)]} for cell in matrix.cells
        ],
        "gaps": matrix.gaps,
    }


def _finite(data: dict[str, Any]) -> dict[str, Any]:
    errors = {key: value if abs(value) < float("inf") else str(value) for key, value in data["errors"].items()}
    return {**data, "errors": errors}


class MatrixProgress:
    """A bar with the task at hand; call it with the next task, the tasks done and their number."""

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self.bars = Progress(*columns, console=console, transient=True)
        self._task = self.bars.add_task("loading backends", total=None)

    def __call__(self, task: Task | None, done: int, total: int) -> None:
        self.bars.update(self._task, description=str(task or "done").ljust(44)[:44], completed=done, total=total)
