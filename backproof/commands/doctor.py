"""`backproof doctor`: whether this installation works."""

from typing import Annotated, Any

import typer

from backproof.commands.common import EXIT_FAILED, EXIT_RIGHT, print_json, result_console


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check this installation: versions, BLAS and its threads, each backend, and the float128 arithmetic.

    Exit code 0: float128 and scratch work, and at least one framework. 2: something needed is missing or computes wrongly.
    """
    from comparisons.doctor import examine
    from reports.terminal import show_examination

    findings: dict[str, Any] = examine()
    if as_json:
        print_json(findings)
    else:
        show_examination(findings, result_console())
    raise typer.Exit(EXIT_RIGHT if findings["healthy"] else EXIT_FAILED)
