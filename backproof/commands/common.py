"""What all commands share: exit codes, where messages go, how they say no, and the options that several of them have."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer
from rich.console import Console

EXIT_RIGHT, EXIT_WRONG, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 2, 130

DataName = Annotated[
    Literal["mnist-5k", "digits", "mnist"] | None,
    typer.Option(help="mnist-5k and digits come with installed packages; mnist needs a folder or a download."),
]
DataDir = Annotated[
    Path | None,
    typer.Option(help="Folder of MNIST's four IDX files, gzipped or not. BACKPROOF_MNIST names one as well."),
]


def message_console() -> Console:
    """Where everything goes that is not the result: stderr."""
    return Console(stderr=True, highlight=False)


def result_console() -> Console:
    """Where the result goes: stdout."""
    return Console(highlight=False)


def print_json(content: Any) -> None:
    """The result for programs, which is then all that stdout gets."""
    print(json.dumps(content, indent=1, allow_nan=False))


def fail(messages: Console, message: str) -> NoReturn:
    """`say_no`, and exit code 2."""
    say_no(messages, message)
    raise typer.Exit(EXIT_FAILED)


def say_no(messages: Console, message: str) -> None:
    """A sentence on what is wrong and what to do, marked as ours."""
    messages.print(f"[bold red]backproof:[/bold red] {escape(message)}", soft_wrap=True)


def write_html(messages: Console, file: Path, write: Callable[[], Path]) -> None:
    """Write the page that --html asks for, and say where it is."""
    try:
        page = write()
    except OSError as error:
        fail(messages, f"{file} cannot be written: {error.strerror}. Choose another place with --html.")
    messages.print(f"The page: {escape(str(page.resolve()))}", soft_wrap=True)


def split_names(text: str) -> list[str]:
    """The names in a list separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def escape(text: str) -> str:
    """Text that may hold square brackets, for a console that reads them as styles."""
    from rich.markup import escape

    return escape(text)
