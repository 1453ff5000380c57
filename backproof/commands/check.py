"""`backproof check`: derivations that were made by hand."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from backproof.commands.common import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_RIGHT,
    EXIT_WRONG,
    fail,
    message_console,
    print_json,
    result_console,
    split_names,
    write_html,
)

CONTRACT = """Check derivations that were made by hand: is the backward the gradient of the forward?

A file is plain Python and NumPy, and needs no import of backproof:

\b
    import numpy as np
\b
    def inputs(rng):                    # example values, drawn afresh
        return {"x": rng.normal(size=(5, 4)), "W": rng.normal(size=(4, 3))}
\b
    def forward(x, W):                  # returns y, or (y, cache)
        return np.tanh(x @ W)
\b
    def backward(dy, x, W):             # dy = dL/dy; or (dy, cache)
        dz = dy * (1 - np.tanh(x @ W) ** 2)
        return {"x": dz @ W.T, "W": x.T @ dz}

The gradients are a dict by input, or a tuple in the order of forward's array inputs. \
A forward that returns a number, such as a loss, needs no dy. \
Several may stand in one file: softmax_forward with softmax_backward and softmax_inputs, and so on.

Also found: elementwise pairs (relu with relu_prime, f with df, tanh2deriv, ...), which need no inputs, and classes with \
forward, backward, params and grads.

The truth is the difference quotient of your own forward in 34-digit arithmetic. The file runs as any Python program does, \
in a process of its own.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        help=CONTRACT,
        epilog="Examples:\n\n"
        "backproof check my_layer.py\n\n"
        "backproof check exercises/ --html report.html   [dim]# all files below a folder[/dim]\n\n"
        "backproof check my_layer.py --name softmax --against torch,jax --json\n\n"
        "Exit code 0: all correct. 1: something is wrong. 2: nothing to check, inconclusive, or a file failed. 130: stopped with "
        "Ctrl-C; what was done is shown.",
    )(check)


def check(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Python files, and folders of them.")],
    against: Annotated[
        str,
        typer.Option(help="Further witnesses: numpy (float128 only), torch, tensorflow, jax, several with commas, or all."),
    ] = "numpy",
    name: Annotated[str | None, typer.Option(metavar="DERIVATION", help="Check only the derivation of this name.")] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="For importing a file, and for each derivation in it.")
    ] = 120.0,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page with ladder plots and annotated source.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the listing.")] = False,
) -> None:
    """Check derivations made by hand."""
    from comparisons.derivations.files import check_files
    from reports.derivations import show_checked
    from reports.derivations_text import to_json

    messages = message_console()
    witnesses = _witnesses(against, messages)
    with messages.status("checking") as status:
        checked = check_files(
            paths,
            against=witnesses,
            timeout=timeout,
            name=name,
            progress=lambda done, total: status.update(f"checking {_count(total - done)}" if total else "checking"),
        )
    if as_json:
        print_json(to_json(checked))
    else:
        show_checked(checked, result_console())
    if html is not None:
        from reports.derivations_page import write_page

        write_html(messages, html, lambda: write_page(checked, html))
    if checked.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    if not checked.results and not as_json:
        fail(messages, "there is nothing to check in it. backproof check --help shows how a file looks.")
    raise typer.Exit({"correct": EXIT_RIGHT, "wrong": EXIT_WRONG, "inconclusive": EXIT_FAILED}[checked.verdict])


def _count(files: int) -> str:
    return f"{files} file{'s' if files != 1 else ''}"


def _witnesses(against: str, messages: Console) -> tuple[str, ...]:
    """The names in `--against`, each once."""
    from comparisons.derivations.files import WITNESSES

    names = split_names(against)
    for name in names:
        if name not in (*WITNESSES, "all"):
            fail(messages, f"--against: there is no '{name}'. Choose among {', '.join(WITNESSES)} and all.")
    return WITNESSES if "all" in names else tuple(dict.fromkeys(names)) or WITNESSES[:1]
