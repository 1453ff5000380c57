"""A comparison as Markdown: the tables of the page, without its plots."""

from collections.abc import Callable, Sequence
from typing import Any

from comparisons.compare import Comparison
from reports.tables import Table, comparison_tables
from reports.text import explanations, number, verdict_sentence


def to_markdown(result: Comparison, results: dict[str, Any]) -> str:
    """The summary of a comparison."""
    lines = [
        f"# backproof: {_escape(result.recipe.title or 'comparison')}",
        "",
        f"**{result.verdict}**: {_escape(verdict_sentence(result))}",
        "",
    ]
    lines += [f"Skipped: {_escape(reason)}\n" for reason in result.skipped.values()]
    for table in comparison_tables(result):
        lines += [f"## {table.caption}", "", table.note, "", *_rows(table), ""]
    causes = explanations(result)
    if causes:
        lines += ["## Why conventions differ", ""]
        for cause in causes:
            alone = ", ".join(f"{optimizer} {number(error)}" for optimizer, error in cause["alone"].items())
            lines.append(f"- {_escape(cause['explanation'])}. Alone, in float64: {alone}.")
            lines += [f"  - To align: {_escape(known.align)} (`backproof ledger {known.name}`)" for known in cause["ledger"]]
        lines.append("")
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    lines += ["## How to make this again", "", "```", results["command"], "```", ""]
    lines += [f"In this folder, whose recipe.toml holds every setting. Seed {results['seed']}; {versions}.", ""]
    return "\n".join(lines)


def _rows(table: Table) -> list[str]:
    def line(cells: Sequence[str], change: Callable[[str], str] = str) -> str:
        return "| " + " | ".join(change(cell) for cell in cells) + " |"

    return [line(table.columns), line(["---"] * len(table.columns)), *(line(row, _escape) for row in table.rows)]


def _escape(text: str) -> str:
    for sign in "\\`*_|<>[]":
        text = text.replace(sign, "\\" + sign)
    return text.replace("\n", " ")
