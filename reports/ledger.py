"""The ledger in the terminal: a line for each difference, or everything about those that were asked for."""

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from comparisons.ledger import Difference
from comparisons.reproducing import Outcome, Reproduced
from reports.ledger_text import SYMBOLS, TITLES, count, facts, grouped, outcome_sentence, paragraphs, sources

STYLES = {"same": "green", "differs": "bold red", "late": "yellow", "skipped": "dim"}
WIDTH = 110
"""Prose in longer lines is hard to read."""


def show_overview(entries: Sequence[Difference], console: Console, reproduced: Reproduced | None = None) -> None:
    """All entries by kind: the name and the sentence, with a mark where the reproducers were run."""
    longest = max(len(entry.name) for entry in entries)
    for kind, group in grouped(entries).items():
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(width=1)
        # Beside the name where both have room; on a narrow terminal the sentence stands below it.
        beside = console.width >= longest + 60
        for _ in range(1 + beside):
            table.add_column(overflow="fold")
        for entry in group:
            mark = _mark(reproduced.outcomes.get(entry.name)) if reproduced else Text()
            name = Text(entry.name.ljust(longest) if beside else entry.name, style="cyan", no_wrap=beside)
            table.add_row(mark, name, *([Text(entry.title)] if beside else []))
            if not beside:
                table.add_row("", Padding(Text(entry.title), (0, 0, 0, 2)))
        console.print(Text(f"\n{TITLES[kind]}", style="bold"))
        console.print(table)
    if reproduced is None:
        console.print()
        console.print(Text("backproof ledger NAME explains one, or all about an operation, such as adam.", style="dim"))
        return
    by_name = {entry.name: entry for entry in entries}
    for told in [*reproduced.names("differs"), *reproduced.names("late")]:
        console.print(Text.assemble("\n", (told, "bold cyan")))
        _show_outcome(by_name[told], reproduced.outcomes[told], console)
    console.print()
    _show_count(reproduced, console)


def show_entries(entries: Sequence[Difference], console: Console, reproduced: Reproduced | None = None) -> None:
    """Everything about each of these."""
    for entry in entries:
        _show_entry(entry, console)
        if reproduced and entry.name in reproduced.outcomes:
            _show_outcome(entry, reproduced.outcomes[entry.name], console)
        console.print()
    if reproduced:
        _show_count(reproduced, console)


def _show_entry(entry: Difference, console: Console) -> None:
    width = min(console.width, WIDTH)
    console.print(Text.assemble((entry.name, "bold cyan"), (f"  {entry.kind}: {', '.join(entry.about)}", "dim")), width=width)
    console.print(Text(entry.title, style="bold"), width=width)
    console.print()
    for paragraph in paragraphs(entry.what):
        console.print(Text(paragraph), width=width)
    console.print()
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in facts(entry):
        table.add_row(label, Text("\n".join(paragraphs(text))))
    for framework, place in sources(entry):
        table.add_row(Text(framework), Text(place))
    if entry.choices:
        table.add_row("scratch", Text(f"the choice {', '.join(entry.choices)}"))
    if entry.reports:
        table.add_row("reports", Text(", ".join(entry.reports)))
    console.print(table, width=width)
    console.print()
    # At the left edge and never wrapped by us, so that it can be copied.
    code = Syntax(entry.reproducer.strip("\n"), "python", theme="ansi_dark", background_color="default")
    console.print(code.highlight(code.code), soft_wrap=True, end="")
    console.print()
    _show_printed("prints", entry.prints, console)


def _show_printed(label: str, printed: str, console: Console, style: str = "dim") -> None:
    console.print(Text(f"{label}:", style=style))
    for line in printed.strip("\n").splitlines():
        console.print(Text(f"  {line}"), soft_wrap=True)


def _show_outcome(entry: Difference, outcome: Outcome, console: Console) -> None:
    """What the reproducer did here; its prints only where they are others."""
    console.print(Text.assemble(_mark(outcome), " ", (outcome_sentence(outcome), STYLES[outcome.state])), soft_wrap=True)
    if outcome.state == "differs":
        _show_printed("the ledger says", entry.prints, console)
        _show_printed("it prints", outcome.printed or "nothing", console)


def _show_count(reproduced: Reproduced, console: Console) -> None:
    reasons = dict.fromkeys(reproduced.outcomes[name].reason for name in reproduced.names("skipped"))
    for reason in reasons:
        console.print(Text(f"{SYMBOLS['skipped']} skipped: {reason}", style="yellow"), soft_wrap=True)
    console.print(Text(count(reproduced), style="bold"))
    if reproduced.interrupted:
        console.print(Text("Stopped by Ctrl-C. What was done by then is above.", style="yellow"))


def _mark(outcome: Outcome | None) -> Text:
    return Text(SYMBOLS[outcome.state], style=STYLES[outcome.state]) if outcome else Text(" ")
