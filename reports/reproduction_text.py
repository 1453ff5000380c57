"""A reproduction in words: its sentence, the terminal's table and the summary in Markdown, from the data of results.json."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

Results = dict[str, Any]
SYMBOLS = {True: "✓", False: "✗", None: "?"}
MEANINGS = {True: "reached", False: "not reached", None: "left open"}
STYLES = {True: "green", False: "bold red", None: "yellow"}


class ReproductionProgress:
    """A bar per stage while it is worked on; call it with the stage, the steps done and their number.

    Into a pipe: a line when a stage begins.
    """

    def __init__(self, console: Console) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._console = console
        self._bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bars.stop()

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=total)
            if not self._console.is_terminal:
                self._console.print(Text(stage), soft_wrap=True)
        self._bars.update(self._tasks[stage], completed=done, total=total, visible=done < total)


def sentence(results: Results) -> str:
    """How many of the figures are reached."""
    claims = results["claims"]
    counts = {holds: sum(claim["holds"] is holds for claim in claims) for holds in SYMBOLS}
    said = f"{counts[True]} of {len(claims)} figures are reached"
    if counts[False]:
        said += f", {counts[False]} {'is' if counts[False] == 1 else 'are'} not"
    if counts[None]:
        said += f", {counts[None]} {'is' if counts[None] == 1 else 'are'} left open"
    wrong = [one for file in results["audits"] for one in file["derivations"] if one["verdict"] == "wrong"]
    right = [one for file in results["audits"] for one in file["derivations"] if one["verdict"] == "correct"]
    if wrong or right:
        said += f"; of {len(wrong) + len(right)} derivations {len(wrong) or 'none'} {'are' if len(wrong) > 1 else 'is'} wrong"
    return f"{said}.{' Stopped with Ctrl-C; this is what was done by then.' if results['interrupted'] else ''}"


def holds(results: Results) -> bool | None:
    """False where a figure is not reached, None where none is judged or the run was stopped, True otherwise."""
    judged = [claim["holds"] for claim in results["claims"]]
    if False in judged:
        return False
    return None if results["interrupted"] or True not in judged else True


def cell(value: Any) -> str:
    """A cell of a table: numbers in six digits, what is not there as a dash, text as it is."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """In the largest unit that fits."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def findings(results: Results) -> list[tuple[str, str, str, str]]:
    """Every derivation of the audits: file, name, verdict, and what was found."""
    rows = []
    for file in results["audits"]:
        for one in file["derivations"]:
            said = dict.fromkeys(f"{found['code']}: {found['text']}" for found in one["diagnosis"])
            rows.append((file["file"], one["name"], one["verdict"], " ".join(said)))
    return rows


def show(results: Results, console: Console) -> None:
    """The figures of a source in the terminal."""
    console.print()
    state = holds(results)
    console.print(
        Text.assemble((f"{SYMBOLS[state]} {results['source']}", STYLES[state]), f"  {results['title']}"), soft_wrap=True
    )
    console.print(Text(results["summary"], style="dim"))
    table = Table(box=SIMPLE_HEAD, padding=(0, 1))
    for column in ("", "figure", "printed", "found"):
        table.add_column(column, overflow="fold")
    for claim in results["claims"]:
        mark = Text(SYMBOLS[claim["holds"]], style=STYLES[claim["holds"]])
        table.add_row(mark, Text(claim["what"]), Text(claim["printed"]), Text(claim["found"]))
    console.print(table)
    for file, name, verdict, said in findings(results):
        if verdict == "wrong":
            console.print(Text.assemble(("✗ ", STYLES[False]), (f"{file.rsplit('/')[-1]} {name}", "bold"), f"  {said}"))
    console.print(Text(sentence(results)), soft_wrap=True)


def to_markdown(results: Results) -> str:
    """The summary of a source: everything of the page but its pictures and listings."""
    lines = [
        f"# {results['source']}: {escape(results['title'])}",
        "",
        escape(sentence(results)),
        "",
        escape(results["summary"]),
        "",
    ]
    if results["claims"]:
        rows = [
            (
                f"{SYMBOLS[claim['holds']]} {MEANINGS[claim['holds']]}",
                claim["what"],
                claim["printed"],
                claim["found"],
                " ".join(filter(None, (claim["criterion"], claim["note"]))),
                f"`{claim['command']}`" + (f", {listed_seeds(claim['seeds'])}" if claim["seeds"] else ""),
            )
            for claim in results["claims"]
        ]
        lines += [
            "## Figures",
            "",
            *table(("", "figure", "printed", "found", "what has to be so", "made by"), rows, raw=(5,)),
            "",
        ]
    for title, content in results["tables"].items():
        lines += [f"## {escape(title)}", "", *table(content["columns"], content["rows"]), ""]
        lines += [f"Made by `backproof reproduce {results['source']}`.", ""]
    for answer in results["answers"]:
        lines += [f"## {escape(answer['question'])}", "", escape(answer["answer"]), ""]
        if answer["table"]["rows"]:
            lines += [*table(answer["table"]["columns"], answer["table"]["rows"]), ""]
        lines += [f"Made by `{answer['command']}`.", ""]
    found = findings(results)
    if found:
        lines += ["## Derivations", "", *table(("file", "derivation", "verdict", "found"), found), ""]
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    return "\n".join(
        [
            *lines,
            f"{escape(results['data'])} {duration(results['seconds'])}, without runs that were kept from before; {versions}.",
            "",
        ]
    )


def listed_seeds(seeds: Sequence[int]) -> str:
    """Seeds in words, those in a row as their ends."""
    whole = list(seeds)
    row = len(whole) > 2 and whole == list(range(whole[0], whole[-1] + 1))
    said = f"{whole[0]} to {whole[-1]}" if row else ", ".join(map(str, whole))
    return f"seed{'s' if len(whole) > 1 else ''} {said}"


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], raw: Sequence[int] = ()) -> list[str]:
    """A table's lines; the columns in `raw` hold Markdown."""

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |"

    written = [[each if place in raw else escape(cell(each)) for place, each in enumerate(row)] for row in rows]
    return [line([escape(name) for name in columns]), line(["---"] * len(columns)), *map(line, written)]


def escape(text: str) -> str:
    """Text in which nothing is markup but what stands in backticks."""
    parts = text.replace("\n", " ").split("`")
    for place in range(0, len(parts), 2):
        for sign in "\\*_|<>[]":
            parts[place] = parts[place].replace(sign, "\\" + sign)
    return "`".join(part.replace("|", "\\|") if place % 2 else part for place, part in enumerate(parts))
