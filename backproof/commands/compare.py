"""`backproof compare`: one network from the same bits on several backends."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from backproof.commands.common import (
    EXIT_INTERRUPTED,
    EXIT_RIGHT,
    EXIT_WRONG,
    DataDir,
    DataName,
    escape,
    fail,
    message_console,
    print_json,
    result_console,
    split_names,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog="Examples:\n\n"
        "backproof compare   [dim]# the default recipe on 5,000 digits of MNIST, three backends[/dim]\n\n"
        "backproof compare my_recipe.toml --backends numpy,torch --epochs 10\n\n"
        "backproof compare --data mnist --data-dir ~/mnist --dtype float32 --json > results.json\n\n"
        "Exit code 0: nothing is wrong. 1: something is. 2: it could not run. 130: stopped with Ctrl-C; what was done is kept."
    )(compare)


def compare(
    recipe: Annotated[
        str, typer.Argument(help="A built-in recipe's name or a TOML file. The default is 784-16-16-10, ReLU, Adam.")
    ] = "default",
    backends: Annotated[
        str, typer.Option(help="Which to compare, separated by commas. One that is not installed is skipped.")
    ] = "numpy,torch,keras",
    data: DataName = None,
    data_dir: DataDir = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the training images.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images per step; a partial last batch is kept.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Decides the initial parameters and the batches.")] = None,
    dtype: Annotated[
        Literal["float32", "float64", "both"] | None,
        typer.Option(help="Precision of the full training. Verdicts always use both; the other one then runs briefly."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the report; an earlier one in it is replaced.")] = Path(
        "backproof-report"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print results.json instead of tables.")] = False,
) -> None:
    """Train one network from the same bits on several backends and put every difference on the precision ladder.

    Compares the gradient of every parameter with float128, every optimizer on recorded gradients, and the training
    itself step by step. Writes a page, a summary and results.json.
    """
    from comparisons.compare import CompareError
    from comparisons.compare import compare as run
    from comparisons.datasets import DataError
    from comparisons.recipe import RecipeError
    from reports.results import ReportError, prepare, to_dict, write_report
    from reports.terminal import TerminalProgress, show_comparison

    if data_dir is not None and data is None:
        data = "mnist"
    asked = {"epochs": epochs, "batch_size": batch_size, "seed": seed, "dtype": dtype}
    overrides: dict[str, dict[str, Any]] = {"training": {key: value for key, value in asked.items() if value is not None}}
    if data is not None:
        overrides["data"] = {"name": data}
    messages = message_console()
    try:
        prepare(out)
        with TerminalProgress(messages) as progress:
            result = run(
                recipe,
                backends=split_names(backends),
                data_dir=data_dir,
                overrides=overrides,
                progress=progress,
            )
    except (RecipeError, DataError, CompareError, ReportError) as error:
        fail(messages, str(error))
    except KeyboardInterrupt:
        messages.print("Stopped before anything was computed.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    folder = str(data_dir.resolve()) if data_dir else None
    try:
        page = write_report(result, out, folder)
    except ReportError as error:
        fail(messages, str(error))
    except KeyboardInterrupt:  # writing takes a second; what took minutes is not thrown away for it
        result.interrupted = True
        page = write_report(result, out, folder)
    for reason in result.skipped.values():
        messages.print(f"[yellow]Skipped:[/yellow] {escape(reason)}")
    if as_json:
        print_json(to_dict(result, folder))
    else:
        show_comparison(result, result_console())
    where = messages if as_json else Console(highlight=False, soft_wrap=True)
    if result.interrupted:
        where.print(f"Stopped. What was done by then is in {escape(str(page.parent.resolve()))}")
    where.print(f"The page: {escape(str(page.resolve()))}")
    if result.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    raise typer.Exit(EXIT_WRONG if result.verdict == "wrong" else EXIT_RIGHT)
