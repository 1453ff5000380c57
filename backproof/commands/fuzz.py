"""`backproof fuzz`: looking for cases in which a framework is worse than it need be."""

from pathlib import Path
from typing import Annotated

import typer

from backproof.commands.common import (
    EXIT_INTERRUPTED,
    EXIT_RIGHT,
    EXIT_WRONG,
    escape,
    fail,
    message_console,
    print_json,
    result_console,
    split_names,
)

FUZZ = """Look for cases in which a framework is worse than it need be, with random operations, inputs and edge values.

Activations, losses, optimizers and small networks get numbers of every size that float32 has: signed zeros, subnormal numbers, \
the largest ones, infinities and NaN. What comes out in float32 and float64 is held, number by number, against 34-digit \
arithmetic in the framework's own convention. A finding is what loses more than scratch does in the same precision, becomes NaN \
or infinite where the truth is not, or raises. What rounding and a badly conditioned input explain is none.

Every distinct finding is shrunk to a few short numbers and kept in the folder with a program of its own, which imports nothing \
but NumPy and the framework. Started again with the same folder, the campaign goes on where it stopped and finds nothing twice.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        help=FUZZ,
        epilog="Examples:\n\n"
        "backproof fuzz   [dim]# five minutes over everything in three frameworks[/dim]\n\n"
        "backproof fuzz --minutes 600 --backends keras --out nightly   [dim]# and the next night from there[/dim]\n\n"
        "backproof fuzz gelu 'loss/*hinge' optimizers --backends torch,jax --minutes 1\n\n"
        "Exit code 0: the ledger explains all that was found. 1: there is a finding that it does not explain. 2: it could not run. "
        "130: stopped with Ctrl-C; what was found is kept.",
    )(fuzz)


def fuzz(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Operations, kinds (activation, loss, optimizer, network) or patterns; all, where none is given.",
        ),
    ] = None,
    minutes: Annotated[float, typer.Option(min=0, help="How long.")] = 5.0,
    backends: Annotated[
        str, typer.Option(help="Which, separated by commas. One that is not installed is skipped.")
    ] = "torch,keras,jax",
    out: Annotated[Path, typer.Option(help="Folder that keeps the campaign and a program for every finding.")] = Path(
        "backproof-fuzz"
    ),
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew, and forget what an earlier campaign has found.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the findings.")] = False,
) -> None:
    """Fuzz every operation of every framework."""
    from comparisons.fuzzing.campaign import FuzzError, forget
    from comparisons.fuzzing.campaign import fuzz as run
    from reports.fuzzing import CampaignProgress, show_campaign, to_json

    messages = message_console()
    progress = CampaignProgress(messages, minutes)
    try:
        if fresh:
            forget(out)
        with progress.bars:
            campaign = run(
                minutes,
                names=names or [],
                backends=split_names(backends),
                folder=out,
                progress=progress,
            )
    except FuzzError as error:
        fail(messages, str(error))
    except KeyboardInterrupt:
        messages.print("Stopped before anything was tried.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    for reason in campaign.skipped.values():
        messages.print(f"[yellow]Skipped:[/yellow] {escape(reason)}")
    if as_json:
        print_json(to_json(campaign))
    else:
        show_campaign(campaign, result_console(), out)
    if campaign.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    raise typer.Exit(EXIT_WRONG if campaign.open else EXIT_RIGHT)
