"""What `backproof fuzz` found, in the terminal and as JSON."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from comparisons.fuzzing.campaign import Campaign, program_of
from comparisons.fuzzing.findings import Finding
from reports.terminal import STYLES

EXPLAINED = "≠"
OPEN = "✗"


def sentence(campaign: Campaign) -> str:
    """The whole campaign in a few sentences."""
    cases = sum(campaign.cases.values())
    tried = f"{cases:,} cases in {campaign.rounds:,} rounds and {_duration(campaign.seconds)}"
    found = len(campaign.findings)
    if not found:
        said = f"{tried}: nothing found"
    else:
        explained = found - len(campaign.open)
        said = f"{tried}: {found} finding{'s' if found > 1 else ''}, {explained} explained by the ledger"
    stopped = " Stopped; what was found is kept." if campaign.interrupted else ""
    return f"{said}.{stopped}"


def show_campaign(campaign: Campaign, console: Console, folder: Path | None = None) -> None:
    """Every finding, those that the ledger does not explain last, and the sentence."""
    for finding in sorted(campaign.findings.values(), key=lambda one: not campaign.explained(one)):
        _show_finding(campaign, finding, console, folder)
    console.print(Text(sentence(campaign), style=STYLES["wrong" if campaign.open else "rounding"]), soft_wrap=True)


def _show_finding(campaign: Campaign, finding: Finding, console: Console, folder: Path | None) -> None:
    entries = campaign.explained(finding)
    sign, style = (EXPLAINED, "dim") if entries else (OPEN, "bold red")
    where = f"{finding.case}/{finding.backend}/{finding.quantity}"
    console.print(Text.assemble((f"{sign} {where}", style), ": ", (finding.symptom, "bold")), soft_wrap=True)
    for label, text in facts(finding):
        console.print(Text.assemble(("  " + label, "dim"), f" {text}"), soft_wrap=True)
    for entry in entries:
        console.print(f"  [cyan]{entry.name}[/cyan]  {escape(entry.title)}", soft_wrap=True)
    if folder is not None:
        console.print(Text(f"  {folder / program_of(finding)}", style="dim"), soft_wrap=True)
    console.print()


def facts(finding: Finding) -> list[tuple[str, str]]:
    """What was expected and found, with labels."""
    if finding.message or not finding.found:
        return [("says", finding.message or "nothing")]
    place = ", ".join(str(i) for i in finding.index)
    right = "34-digit arithmetic" if finding.case.finite else "scratch"
    found = ", ".join(f"{value:.10g} in {dtype}" for dtype, value in finding.found.items())
    return [("expected", f"{finding.expected:.10g} at [{place}], by {right}"), ("found   ", found)]


def to_json(campaign: Campaign) -> dict[str, Any]:
    """Everything as plain data; numbers that are not finite are texts."""
    return {
        "summary": sentence(campaign),
        "rounds": campaign.rounds,
        "cases": campaign.cases,
        "seconds": campaign.seconds,
        "circumstances": campaign.circumstances,
        "skipped": campaign.skipped,
        "interrupted": campaign.interrupted,
        "findings": [
            {
                "signature": finding.signature,
                **finding.to_dict(),
                "program": program_of(finding),
                "ledger": [entry.name for entry in campaign.explained(finding)],
            }
            for finding in campaign.findings.values()
        ],
        "missing": sorted(campaign.missing),
    }


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


class CampaignProgress:
    """A bar over the minutes with what is tried; call it with the campaign, the next target and the seconds that are over."""

    def __init__(self, console: Console, minutes: float) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[counts]}"), TimeRemainingColumn())
        self.bars = Progress(*columns, console=console, transient=True)
        self._task = self.bars.add_task("loading backends".ljust(36), total=60 * minutes, counts="")

    def __call__(self, campaign: Campaign, target: str, over: float) -> None:
        counts = f"{sum(campaign.cases.values()):,} cases, {len(campaign.findings)} findings"
        self.bars.update(self._task, description=target.ljust(36)[:36], completed=over, counts=counts)
