"""`backproof ledger`: what the frameworks are known to do differently."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from backproof.commands.common import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_RIGHT,
    EXIT_WRONG,
    fail,
    message_console,
    print_json,
    result_console,
    write_html,
)

LEDGER = """What Keras, PyTorch, JAX and the papers are known to do differently, and how to align them.

Without NAME, a line for each difference. NAME is the name of one, of an operation (adam, batch_normalization) or of a kind \
(loss); then all is said: what each side computes and how large the difference is, where it stands in the sources, who \
follows the paper, what to write so that both agree, and a few lines of code that show it with the frameworks alone.

--run runs those lines with the versions that are installed here, each in a fresh Python process, and says whether they \
still print what the ledger says.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        help=LEDGER,
        epilog="Examples:\n\n"
        "backproof ledger\n\n"
        "backproof ledger adam   [dim]# everything about one operation[/dim]\n\n"
        "backproof ledger adam-epsilon-hat --run   [dim]# does it hold for the versions installed here?[/dim]\n\n"
        "backproof ledger --kind loss --html losses.html\n\n"
        "Exit code 0: shown, and with --run all print the same. 1: a reproducer prints something else. 2: there is no such "
        "entry, or it cannot be told because a framework is missing or was too slow. 130: stopped with Ctrl-C; what was done is shown.",
    )(ledger)


def ledger(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A difference, an operation or a kind.")] = None,
    kind: Annotated[
        Literal["activation", "layer", "loss", "optimizer", "schedule", "initializer", "runtime"] | None,
        typer.Option(metavar="KIND", help="activation, layer, loss, optimizer, schedule, initializer or runtime: only these."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the listing.")] = False,
    run: Annotated[bool, typer.Option("--run", help="Run the reproducers; each takes some seconds.")] = False,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page that needs nothing beside it.")] = None,
) -> None:
    """Look up the known differences between frameworks."""
    from comparisons.ledger import LedgerError, find
    from comparisons.ledger import ledger as all_entries
    from comparisons.reproducing import reproduce_all
    from reports.ledger import show_entries, show_overview
    from reports.ledger_text import to_json

    messages = message_console()
    try:
        entries = find(name) if name is not None else list(all_entries().values())
    except LedgerError as error:
        fail(messages, str(error))
    entries = [entry for entry in entries if kind in (None, entry.kind)]
    if not entries:
        about = f' about "{name}"' if name is not None else ""
        fail(messages, f"the ledger has nothing{about} of the kind {kind}; leave out --kind.")
    reproduced = None
    if run:
        with messages.status("running") as status:
            reproduced = reproduce_all(
                entries, progress=lambda done, total: status.update(f"running {total - done} of {total}")
            )
    if as_json:
        print_json(to_json(entries, reproduced))
    else:
        show = show_overview if name is None else show_entries
        show(entries, result_console(), reproduced)
    if html is not None:
        from reports.ledger_page import write_page

        write_html(messages, html, lambda: write_page(entries, html, name or kind, reproduced))
    if reproduced is None:
        raise typer.Exit(EXIT_RIGHT)
    if reproduced.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    if reproduced.names("differs"):
        raise typer.Exit(EXIT_WRONG)
    raise typer.Exit(EXIT_FAILED if reproduced.names("late") or not reproduced.names("same") else EXIT_RIGHT)
