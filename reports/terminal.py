"""Results and progress in the terminal."""

from types import TracebackType
from typing import Any, Self

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from comparisons.compare import STAGES, Comparison
from reports.tables import Table as Cells
from reports.tables import comparison_tables, overview
from reports.text import SYMBOLS, number, verdict_sentence

STYLES = {"exact": "blue", "rounding": "green", "wrong": "bold red", "inconclusive": "yellow"}


class TerminalProgress:
    """A bar per stage on a console; call it with the stage, the steps done and their number."""

    def __init__(self, console: Console) -> None:
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._tasks["loading"] = self._bars.add_task("loading data and backends", total=None)
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bars.stop()

    def __call__(self, stage: str, done: int, total: int) -> None:
        if "loading" in self._tasks:
            self._bars.remove_task(self._tasks.pop("loading"))
            for name in STAGES:
                self._tasks[name] = self._bars.add_task(name, total=None, start=False)
        task = self._tasks[stage]
        self._bars.start_task(task)
        self._bars.update(task, completed=done, total=total)


def show_comparison(result: Comparison, console: Console) -> None:
    """The sentence, the verdicts per backend, and the tables that a reader wants first."""
    style = STYLES[result.verdict]
    console.print()
    console.print(f"[{style}]{SYMBOLS[result.verdict]} {result.verdict}[/{style}]  {escape(verdict_sentence(result))}")
    console.print()
    for table in (overview(result), *comparison_tables(result)):
        if table.brief:
            _show(table, console)


def show_examination(findings: dict[str, Any], console: Console) -> None:
    """What `backproof doctor` found."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, version in findings["versions"].items():
        table.add_row(name, escape(version))
    for library in findings["blas"]:
        table.add_row(
            "BLAS", escape(f"{library['name']} {library['version']}, {library['kernel']}, {library['threads']} threads")
        )
    for name, value in findings["environment"].items():
        table.add_row(name, escape(value))
    console.print(table)
    console.print()
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("", "works", "float32", "float64", "slope", "note"):
        table.add_column(column)
    for name, backend in findings["backends"].items():
        sign = "[green]yes[/green]" if backend["works"] else "[red]no[/red]"
        errors = [number(backend.get("float32")), number(backend.get("float64"))]
        slope = "–" if backend.get("slope") is None else f"{backend['slope']:.2f}"
        table.add_row(name, sign, *errors, slope, escape(backend["note"]))
    truth = findings["float128"]
    sign = "[green]yes[/green]" if truth["works"] else "[red]no[/red]"
    table.add_row("float128", sign, "–", "–", "–", escape(truth["note"]))
    console.print(table)
    console.print()
    console.print("[green]Healthy.[/green]" if findings["healthy"] else "[red]Not healthy; see the notes.[/red]")


def _show(cells: Cells, console: Console) -> None:
    console.print(f"[bold]{escape(cells.caption)}[/bold]")
    console.print(escape(cells.note), style="dim")
    table = Table(box=SIMPLE_HEAD)
    for index in cells.brief:
        table.add_column(cells.columns[index], overflow="fold")
    for row in cells.rows:
        table.add_row(*(_styled(row[index]) for index in cells.brief))
    console.print(table)
    console.print()


def _styled(cell: str) -> Text:
    style = next((style for name, style in STYLES.items() if cell.startswith(f"{SYMBOLS[name]} {name}")), "")
    return Text(cell, style=style)
