"""`backproof play`: a duel on test digits in the terminal, or a page on which one draws."""

from pathlib import Path
from typing import Annotated

import typer

from backproof.commands.common import (
    EXIT_INTERRUPTED,
    EXIT_RIGHT,
    DataDir,
    DataName,
    fail,
    message_console,
    result_console,
    split_names,
)

HELP = """Play with a trained model: guess test digits against it, or draw some of your own.

In the terminal a digit of the test images is shown; you say which one it is, then the machine does, and both are counted. \
It also works through a pipe.

--web serves a page on 127.0.0.1 on which one draws with the mouse or a finger. The drawing is scaled and centred as the \
model's images are, every installed backend answers from the same bits, and their differences are put on the precision \
ladder. The duel is there as well. Nobody but this computer can reach the page; Ctrl-C ends it.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        help=HELP,
        epilog="Examples:\n\n"
        "backproof train 001-he-relu-adam --save model.safetensors   [dim]# a model to play with[/dim]\n\n"
        "backproof play model.safetensors\n\n"
        "backproof play model.safetensors --web --port 8000 --backends numpy,torch\n\n"
        "Exit code 0: played to the end, and with --web stopped with Ctrl-C. 2: it could not start. 130: the duel was stopped with "
        "Ctrl-C.",
    )(play)


def play(
    model: Annotated[
        Path | None, typer.Argument(metavar="MODEL", help="A file that backproof train --save wrote.", show_default=False)
    ] = None,
    web: Annotated[bool, typer.Option("--web", help="Serve a page to draw on.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the page; 0 takes one that is free.", show_default=False)] = 0,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Decides which digits are dealt; another one every time, where it is left out.")
    ] = None,
    backends: Annotated[
        str | None,
        typer.Option(
            help="Which answer, separated by commas: on the page all that are installed, in the terminal NumPy, where it is left "
            "out.",
        ),
    ] = None,
    data: DataName = None,
    data_dir: DataDir = None,
) -> None:
    """Play with a trained model."""
    from backends import backend_names
    from backproof.playing.terminal import duel_in_terminal
    from comparisons.datasets import DataError
    from comparisons.playing.answers import Panel
    from comparisons.playing.game import PlayError, prepare
    from comparisons.trained import ModelFileError

    messages = message_console()
    if model is None:
        fail(
            messages,
            "there is no model to play with. Train one with backproof train 001-he-relu-adam --save model.safetensors and give "
            "that file.",
        )
    names = list(dict.fromkeys(split_names(backends))) if backends is not None else backend_names() if web else ["numpy"]
    for name in names or [""]:
        if name not in backend_names():
            fail(messages, f'--backends: there is no "{name}". Choose among {", ".join(backend_names())}.')
    if not web and len(names) > 1:
        fail(messages, "--backends: in the terminal one machine plays. Name one, or add --web.")
    if data_dir is not None and data is None:
        data = "mnist"
    try:
        game = prepare(model, data, data_dir, seed)
    except (ModelFileError, DataError, PlayError) as error:
        fail(messages, str(error))
    if web:
        from backproof.playing.server import ServingError, serve

        try:
            serve(game, names, port, result_console())
        except ServingError as error:
            fail(messages, str(error))
        raise typer.Exit(EXIT_RIGHT)

    panel = Panel(game.model, names)
    with messages.status("loading"):
        machine = panel.load(names[0])
    if machine.state == "missing":
        fail(messages, machine.note)
    console = result_console()
    console.print(
        f"{game.title}: {len(game.data.test_images):,} test images of {game.data.name}, seed {game.seed}.",
        markup=False,
        soft_wrap=True,
    )
    try:
        duel_in_terminal(game.duel(panel.machine(machine.name)), machine.title, game.frame.side, console)
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None
    raise typer.Exit(EXIT_RIGHT)
