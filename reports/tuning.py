"""What a sweep found: in sentences, in the terminal, and as JSON; and how far it is."""

import math
import time
from types import TracebackType
from typing import Any, Self

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from comparisons.rule_of_30 import rule_of_30
from comparisons.tuning.sweep import Sweep
from reports.text import percent

SHOWN = 10
"""Sets in the terminal; the files have all."""
BETWEEN_LINES = 10.0
"""Seconds between two lines of progress where there is no terminal."""
COST_OF = {"cost": "cost", "validation_cost": "validation cost"}


class SweepProgress:
    """A bar with the time left; a line now and then where the console is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left:"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bars.add_task("planning", total=None)
        self._start = self._said = 0.0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bars.stop()

    def __call__(self, done: int, total: int, found: int) -> None:
        """So many runs of so many are done, and so many of them were found done."""
        now = time.monotonic()
        if not self._start:
            self._start = self._said = now
            if found:
                self._console.print(f"{found:,} of {total:,} runs are done already; going on.")
            self._bars.reset(self._task, description="runs", completed=done, total=total)
            return
        self._bars.update(self._task, completed=done)
        if not self._console.is_terminal and (now - self._said > BETWEEN_LINES or done == total):
            self._said = now
            left = (now - self._start) / (done - found) * (total - done)
            said = f"{done:,} of {total:,} runs, {duration(now - self._start)} so far"
            self._console.print(said + (f", about {duration(left)} left" if done < total else ""))


def sentence(sweep: Sweep) -> str:
    """The result in a few sentences."""
    table = sweep.table()
    counts = (
        counted(len(sweep.sets), "set of hyperparameters", "sets of hyperparameters"),
        counted(sweep.seeds, "seed", "seeds"),
    )
    said = f"{len(sweep.rows):,} of {sweep.planned:,} runs: {', '.join(counts)}."
    best = table.head(1).to_dict("records")[0] if len(table) else {}
    if best and not math.isnan(best["best_cost"]):
        which = f"of set {best['set']} ({values(sweep, best)}) " if sweep.paths else ""
        said += (
            f" The lowest {COST_OF[sweep.judge]} is {best[f'best_{sweep.judge}']:.4f}, {which}"
            f"with seed {best['best_seed']}; its accuracy on the test images is {percent(best['best_accuracy'])}."
        )
    first, second = table["mean_accuracy"].head(2) if len(table) > 1 else (math.nan, math.nan)
    if sweep.tested and not (math.isnan(first) or math.isnan(second)):
        best_set, next_set = table["set"].head(2)
        moved = rule_of_30(second, first, sweep.tested)
        said += f" {moved.sentence(f'set {next_set} in the mean', f'Set {best_set} in the mean')}"
    diverged = int(table["diverged"].sum()) if len(table) else 0
    if diverged:
        said += f" {counted(diverged, 'run', 'runs')} diverged."
    if sweep.interrupted:
        said += " Stopped; what is done is kept."
    return said


def how(sweep: Sweep) -> str:
    """How the runs were trained, in a sentence or two."""
    alone = sweep.planned - sweep.stacked
    beside = "side by side with others that share their batches"
    said = f"Runs are trained {beside if sweep.stacked else 'one by one'}"
    if sweep.stacked and alone:
        said += f", but for {alone:,} of them"
    trained = counted(len(sweep.rows) - sweep.found, "run", "runs")
    return f"{said}. {trained} took {sweep.workers} {duration(sweep.seconds)}."


def counted(number: int, one: str, many: str) -> str:
    """A number with its noun."""
    return f"{number:,} {one if number == 1 else many}"


def values(sweep: Sweep, row: dict[str, Any]) -> str:
    """The values of a set, by the names of their entries."""
    return ", ".join(f"{path.split('.')[1]} {value_text(row[path])}" for path in sweep.paths)


def value_text(value: Any) -> str:
    """A hyperparameter in few digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def headings(sweep: Sweep) -> list[str]:
    """Of `set_rows`."""
    cost, names = COST_OF[sweep.judge], [path.split(".")[1] for path in sweep.paths]
    return ["set", *names, f"lowest {cost}", "seed", "accuracy", f"mean {cost}", "spread", "mean accuracy", "diverged"]


def set_rows(sweep: Sweep, table: pd.DataFrame) -> list[list[str]]:
    """The table of sets as text, best first."""
    rows = []
    for row in table.to_dict("records"):
        lowest, mean, spread = (_cost(row[f"{what}_{sweep.judge}"]) for what in ("best", "mean", "spread"))
        seed = "–" if pd.isna(row["best_seed"]) else str(row["best_seed"])
        best, usual = percent(row["best_accuracy"]), percent(row["mean_accuracy"])
        named = [value_text(row[path]) for path in sweep.paths]
        rows.append([str(row["set"]), *named, lowest, seed, best, mean, spread, usual, str(row["diverged"])])
    return rows


def _cost(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4f}"


def show_sweep(sweep: Sweep, console: Console) -> None:
    """The best sets as a table, and the sentences."""
    table = sweep.table()
    if len(table):
        cells = Table(box=SIMPLE_HEAD, padding=(0, 0))
        names = headings(sweep)
        shown = len(names) if table["diverged"].any() else len(names) - 1
        for heading in names[:shown]:
            cells.add_column(heading.replace("_", " "), justify="right", overflow="fold")  # headings break at words
        for row in set_rows(sweep, table.head(SHOWN)):
            cells.add_row(*row[:shown])
        console.print(cells)
        if len(table) > SHOWN:
            console.print(f"The best {SHOWN} of {len(table)} sets; the files hold all.", style="dim")
    console.print(escape(sentence(sweep)))
    if len(sweep.rows) > sweep.found:
        console.print(escape(how(sweep)), style="dim")


def to_dict(sweep: Sweep, command: str) -> dict[str, Any]:
    """Everything as plain data, NaN as null."""
    return {
        "command": command,
        "sentence": sentence(sweep),
        "recipe": sweep.recipe.to_toml(),
        "seeds": sweep.seeds,
        "runs_planned": sweep.planned,
        "runs_stacked": sweep.stacked,
        "interrupted": sweep.interrupted,
        "sets": _records(sweep.table()),
        "runs": _records(sweep.runs()),
    }


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as dictionaries of Python's own types."""
    records: list[dict[str, Any]] = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{key: value.item() if hasattr(value, "item") else value for key, value in row.items()} for row in records]
