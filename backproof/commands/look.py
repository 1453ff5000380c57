"""`backproof look`: what a trained network gets wrong, what it has learned, and how its units answer."""

from pathlib import Path
from typing import Annotated

import typer

from backproof.commands.common import (
    EXIT_INTERRUPTED,
    EXIT_RIGHT,
    DataDir,
    DataName,
    escape,
    fail,
    message_console,
    print_json,
    result_console,
)

HELP = """Look at a trained network: what it gets wrong, what its first layer has learned, and how its units answer.

Shown are the confusion matrix on the test images, the worst mistakes as pictures, saturated and dead units, gradient norms, and \
whether differences of accuracy can be trusted. The page has the first layer's weights as pictures, the curves of the training, and, \
for a network whose last hidden layer has two units, the plane that they span with the probability over it.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        help=HELP,
        epilog="Examples:\n\n"
        "backproof train 004-three-or-eight --save plane.safetensors   [dim]# a model to look at[/dim]\n\n"
        "backproof look plane.safetensors --html look/index.html\n\n"
        "backproof look model.safetensors --data mnist --data-dir ~/mnist --json > look.json\n\n"
        "Exit code 0: shown. 2: it could not be. 130: stopped with Ctrl-C.",
    )(look)


def look(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A file that backproof train --save wrote.")],
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page, with plotly's script beside it.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Write the page and results.json into a folder.")] = None,
    data: DataName = None,
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Look at a trained network."""
    from comparisons.datasets import DataError
    from comparisons.looking import look_at_file
    from comparisons.recipe import RecipeError
    from comparisons.trained import ModelFileError
    from reports.looking import command_line, show_look, to_dict

    messages = message_console()
    if data_dir is not None and data is None:
        data = "mnist"
    try:
        with messages.status("looking"):
            found = look_at_file(model, data, data_dir)
    except (ModelFileError, DataError, RecipeError) as error:
        fail(messages, str(error))
    except KeyboardInterrupt:
        messages.print("Stopped before anything was shown.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    command = command_line(str(model), data, str(data_dir) if data_dir else None)
    if as_json:
        print_json(to_dict(found, command))
    else:
        show_look(found, result_console())
    for place, option in ((html, "--html"), (out, "--out")):
        if place is None:
            continue
        from reports.looking_page import write_folder, write_page

        try:
            page = write_page(found, place, command) if option == "--html" else write_folder(found, place, command)
        except OSError as error:
            fail(messages, f"{place} cannot be written: {error.strerror}. Choose another place with {option}.")
        messages.print(f"The page: {escape(str(page.resolve()))}", soft_wrap=True)
    raise typer.Exit(EXIT_RIGHT)
