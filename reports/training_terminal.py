"""A training run in the terminal: a bar for the epoch in progress, a line that stays for every finished one."""

import time
from types import TracebackType
from typing import Any, Self

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from comparisons.recipe import Recipe
from comparisons.trainer import Trainer
from reports.training_text import describe, epoch_line, heading, latest, phase_line

REDRAWN = 0.1
"""Seconds between two looks at the bar: there are recipes with a million short steps."""


class EpochProgress:
    """Shows a run while it goes on; hand `on_step` and `on_epoch` to it.

    Lines go to the console `lines`. The bar goes there too, or, where that is no terminal, to the console `messages`; where
    neither is one, there is none.
    """

    def __init__(self, trainer: Trainer, name: str, lines: Console, messages: Console) -> None:
        self._trainer, self._name, self._lines = trainer, name, lines
        console = lines if lines.is_terminal else messages
        self._bars = Progress(
            TextColumn("{task.description}"),
            TextColumn("[dim]{task.fields[latest]}[/dim]"),
            BarColumn(bar_width=12),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            disable=not console.is_terminal,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bars.add_task("", total=None, start=False, latest="")
        self._shown = 0.0
        self._phase: int | None = None

    def __enter__(self) -> Self:
        self._print(heading(self._trainer, self._name), "bold")
        if self._trainer.history:  # of a run that goes on
            self._show(self._trainer.history[-1], "dim")
        self._bars.start()
        self._begin()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bars.stop()

    def on_step(self, done: int, total: int) -> None:
        """A batch is done."""
        now = time.monotonic()
        if now - self._shown > REDRAWN or done == total:
            self._shown = now
            self._bars.update(self._task, completed=done, total=total)

    def on_epoch(self, record: dict[str, Any]) -> None:
        """An epoch is done, and in the file."""
        self._show(record)
        self._begin()

    def _show(self, record: dict[str, Any], style: str = "") -> None:
        if self._trainer.recipe.phases and record["phase"] != self._phase:
            self._phase = record["phase"]
            self._print(phase_line(self._trainer, record["phase"]), style or "bold")
        self._print(epoch_line(self._trainer, record), style)

    def _begin(self) -> None:
        history = self._trainer.history
        self._bars.reset(
            self._task,
            total=None,
            visible=len(history) < self._trainer.epochs,
            description=f"epoch {len(history) + 1}/{self._trainer.epochs}",
            latest=f"after {len(history)}: {latest(history[-1])}" if history else "",
        )

    def _print(self, text: str, style: str = "") -> None:
        self._lines.print(escape(text), style=style, highlight=False, soft_wrap=True)


def show_recipes(recipes: dict[str, Recipe], console: Console) -> None:
    """The recipes as a table: name, title, what is trained, source."""
    table = Table(box=SIMPLE_HEAD)
    table.add_column("recipe", no_wrap=True, style="bold")
    table.add_column("title and what it trains", overflow="fold")
    table.add_column("source", overflow="fold")
    for name, recipe in recipes.items():
        table.add_row(escape(name), f"{escape(recipe.title)}\n[dim]{escape(describe(recipe))}[/dim]", escape(recipe.source))
    console.print(table)
