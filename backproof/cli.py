"""The command line: what `backproof` is before it is one of `backproof.commands`."""

import io
import sys
import traceback
from importlib import import_module
from typing import Annotated

import typer

import backproof
from backproof.commands.common import EXIT_FAILED

COMMANDS = (
    "check",
    "compare",
    "train",
    "recipes",
    "look",
    "play",
    "tune",
    "reproduce",
    "ledger",
    "verify",
    "fuzz",
    "doctor",
)
"""The modules in `backproof.commands`, in the order of `backproof --help`. They load nothing but typer and rich."""

app = typer.Typer(
    name="backproof",
    help="Is this difference rounding, or is the mathematics wrong?\n\n"
    "Runs the same computation in float32, float64 and float128: rounding falls with the precision, a mistake does not.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Entry point of the `backproof` command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without Unicode shows ? instead of the symbols
            stream.reconfigure(errors="replace")
    try:
        backproof._check_rooms()
    except ImportError as error:
        print(f"backproof: {error}", file=sys.stderr)
        sys.exit(EXIT_FAILED)
    try:
        app()
    except MemoryError:
        print("backproof: there is not enough memory for this. Choose a smaller network or a smaller batch.", file=sys.stderr)
        sys.exit(EXIT_FAILED)
    except Exception:
        traceback.print_exc()
        print("backproof: this is a mistake of ours. Please report it with the lines above.", file=sys.stderr)
        sys.exit(EXIT_FAILED)


def _version(asked: bool) -> None:
    if asked:
        print(f"backproof {backproof.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


for _command in COMMANDS:
    import_module(f"backproof.commands.{_command}").register(app)
