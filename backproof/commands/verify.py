"""`backproof verify`: every operation of every framework on the precision ladder."""

from pathlib import Path
from typing import Annotated

import typer

from backproof.commands.common import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_RIGHT,
    EXIT_WRONG,
    escape,
    fail,
    message_console,
    print_json,
    result_console,
    split_names,
    write_html,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog="Examples:\n\n"
        "backproof verify   [dim]# everything; half an hour on two cores[/dim]\n\n"
        "backproof verify --quick   [dim]# fewer steps, draws and settings; minutes[/dim]\n\n"
        "backproof verify adam rmsprop --backends numpy,torch   [dim]# two optimizers in PyTorch[/dim]\n\n"
        "backproof verify activations 'loss/*entropy' --html matrix.html\n\n"
        "Exit code 0: every cell is rounding, exact or explained by the ledger. 1: a cell is wrong and not explained. "
        "2: one is inconclusive and not explained, or it could not run. 130: stopped with Ctrl-C; what was done is kept."
    )(verify)


def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Operations, kinds or patterns; all, where none is given.")
    ] = None,
    backends: Annotated[
        str, typer.Option(help="Which, separated by commas. One that is not installed is skipped.")
    ] = "numpy,torch,keras,jax",
    quick: Annotated[bool, typer.Option("--quick", help="60 steps instead of 1,000, and no other settings.")] = False,
    out: Annotated[Path, typer.Option(help="Folder that keeps what is done, so that a stopped run goes on.")] = Path(
        "backproof-verify"
    ),
    fresh: Annotated[bool, typer.Option("--fresh", help="Run again what an earlier run has kept.")] = False,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the page of cells.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Put every operation of every framework on the precision ladder.

    Activations, layers, losses, optimizers, schedules and initializers: values, derivatives, one step and 1,000, saved and
    restored state, in float32 and float64, against scratch in 34-digit arithmetic. A framework is held against its own formula
    and, where the paper has another one, against the paper's: the ledger must then explain the difference.
    """
    from comparisons.verification.cells import FULL, QUICK
    from comparisons.verification.matrix import VerifyError
    from comparisons.verification.matrix import verify as run
    from reports.verification import MatrixProgress, show_matrix, to_json

    messages = message_console()
    progress = MatrixProgress(messages)
    try:
        if fresh:
            (out / "cells.jsonl").unlink(missing_ok=True)
        with progress.bars:
            matrix = run(
                names or [],
                backends=split_names(backends),
                effort=QUICK if quick else FULL,
                folder=out,
                progress=progress,
            )
    except VerifyError as error:
        fail(messages, str(error))
    except KeyboardInterrupt:
        messages.print("Stopped before anything was computed.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except OSError as error:
        fail(messages, f"{out} cannot be used: {error.strerror}. Choose another folder with --out.")
    for reason in matrix.skipped.values():
        messages.print(f"[yellow]Skipped:[/yellow] {escape(reason)}")
    if matrix.unsaved:
        messages.print(escape(matrix.unsaved))
    if as_json:
        print_json(to_json(matrix))
    else:
        show_matrix(matrix, result_console())
    if html is not None:
        from reports.verification_page import write_page

        write_html(messages, html, lambda: write_page(matrix, html))
    if matrix.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    verdicts = {cell.verdict for cell in matrix.open}
    raise typer.Exit(EXIT_WRONG if "wrong" in verdicts else EXIT_FAILED if verdicts else EXIT_RIGHT)
