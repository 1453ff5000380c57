"""`backproof tune`: every set of hyperparameters from every seed, stacked where they share their batches."""

import shlex
from pathlib import Path
from typing import Annotated, Any

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


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog="Examples:\n\n"
        "backproof tune 001-tuner   [dim]# 150 sets from 10 seeds on 5,000 digits of MNIST[/dim]\n\n"
        "backproof tune my_recipe.toml --seeds 3 --out sweep   [dim]# what its \\[tune] table says[/dim]\n\n"
        "backproof tune 001-tuner --cluster tcp://10.0.0.1:8786   [dim]# on the workers of a Dask cluster[/dim]\n\n"
        "The table, in a recipe:\n\n"
        "\\[tune]\n\n"
        'search = "grid"   [dim]# or "random", with `sets` and ranges such as { low = 0.0001, high = 0.1, log = true }[/dim]\n\n'
        "seeds = 10\n\n"
        "space = { optimizer.learning_rate = \\[0.001, 0.003], training.batch_size = \\[32, 64] }\n\n"
        "Exit code 0: all runs are done. 2: it could not run, or not to the end. 130: stopped with Ctrl-C. What is done is kept in "
        "the folder, also after kill -9, and the same command goes on."
    )(tune)


def tune(
    recipe: Annotated[
        str,
        typer.Argument(metavar="RECIPE", help="A built-in recipe's name (backproof recipes) or a TOML file, with \\[tune]."),
    ],
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Runs per set, from the seeds 0, 1, ...; the recipe's number otherwise.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes on this machine; as many as there are cores where it is left out.")
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A Dask scheduler, such as tcp://10.0.0.1:8786, instead of processes here."),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Keeps what is done, and gets the tables and the page.")] = Path(
        "backproof-tune"
    ),
    data: DataName = None,
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the table.")] = False,
) -> None:
    """Search hyperparameters: a grid or random sets, each trained from several seeds.

    Networks that share their batches train side by side as one. The folder gets sets and runs as CSV and Parquet, and a page.
    """
    from comparisons.datasets import DataError
    from comparisons.recipe import RecipeError
    from comparisons.tuning.sweep import TuneError
    from comparisons.tuning.sweep import tune as run
    from reports.tuning import SweepProgress, show_sweep, to_dict
    from reports.tuning_page import write_folder

    if data_dir is not None and data is None:
        data = "mnist"
    overrides: dict[str, Any] = {} if data is None else {"data": {"name": data}}
    messages = message_console()
    try:
        with SweepProgress(messages) as progress:
            sweep = run(
                recipe,
                seeds=seeds,
                workers=workers,
                cluster=cluster,
                folder=out,
                data_dir=data_dir,
                overrides=overrides,
                progress=progress,
            )
    except (RecipeError, DataError, TuneError) as error:
        fail(messages, str(error))
    except KeyboardInterrupt:
        messages.print("Stopped before anything was trained.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    asked = {"seeds": seeds, "data": data, "data-dir": data_dir and data_dir.resolve(), "out": out}
    options = [text for name, value in asked.items() if value is not None for text in (f"--{name}", str(value))]
    command = shlex.join(["backproof", "tune", recipe, *options])
    try:
        page = write_folder(sweep, out, command)
    except OSError as error:
        fail(messages, f"{out} cannot be written: {error.strerror}. Make room there; the same command then goes on.")
    if as_json:
        print_json(to_dict(sweep, command))
    else:
        show_sweep(sweep, result_console())
    messages.print(f"The page: {escape(str(page.resolve()))}", soft_wrap=True)
    if sweep.interrupted:
        messages.print(f"Go on with: {escape(command)}", soft_wrap=True)
        raise typer.Exit(EXIT_INTERRUPTED)
    raise typer.Exit(EXIT_RIGHT)
