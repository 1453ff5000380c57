"""`backproof train`: one recipe on one backend, epoch by epoch, into a file."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

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
    say_no,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog="Examples:\n\n"
        "backproof train   [dim]# the default recipe on 5,000 digits of MNIST[/dim]\n\n"
        "backproof train 001-he-relu-adam --backend torch --save torch.safetensors\n\n"
        "backproof train --save torch.safetensors --resume   [dim]# go on after Ctrl-C, kill -9 or a power cut[/dim]\n\n"
        "backproof train --save torch.safetensors --resume --epochs 20   [dim]# longer than planned[/dim]\n\n"
        "backproof train my_recipe.toml --load torch.safetensors --save mine.safetensors\n\n"
        "Exit code 0: trained. 1: the loss is no longer finite; the file holds the last epoch in which it was. 2: it could not "
        "run. 130: stopped with Ctrl-C; the finished epochs are in the file."
    )(train)


def train(
    recipe: Annotated[
        str | None,
        typer.Argument(
            metavar="RECIPE",
            help="A built-in recipe's name (backproof recipes) or a TOML file; with --resume the file's own.",
        ),
    ] = None,
    backend: Annotated[
        str | None, typer.Option(metavar="BACKEND", help="numpy, torch, keras or jax; numpy where it is left out.")
    ] = None,
    save: Annotated[
        Path, typer.Option(metavar="FILE", help="Written after every epoch, whole or not at all. A finished model is replaced.")
    ] = Path("model.safetensors"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what is in the file, with the same bits as if nothing had stopped.")
    ] = False,
    load: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Start from the parameters of a saved model of the same layers.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Train up to this epoch, counted over all phases; the recipe's number otherwise.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Decides the initial parameters, the batches and the dropout masks.")
    ] = None,
    dtype: Annotated[
        Literal["float32", "float64"] | None, typer.Option(help="Precision; the recipe's, or float32 where it names both.")
    ] = None,
    data: DataName = None,
    data_dir: DataDir = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the records of all epochs as JSON; lines go to stderr.")
    ] = False,
) -> None:
    """Train a network and save it after every epoch.

    The file is a safetensors file with the recipe in it, and with all that is needed to go on.
    """
    from backends import BackendUnavailable, NotOffered
    from backproof.training import begin, go_on, is_finite
    from comparisons.datasets import DataError
    from comparisons.recipe import RecipeError
    from comparisons.trained import ModelFileError
    from reports.training_terminal import EpochProgress
    from reports.training_text import ending, to_json

    if data_dir is not None and data is None:
        data = "mnist"
    messages = message_console()
    try:
        with messages.status("loading data and backend"):
            trainer = begin(
                recipe,
                backend=backend,
                dtype=dtype,
                epochs=epochs,
                seed=seed,
                data=data,
                data_dir=data_dir,
                overrides=None,
                save=save,
                resume=resume,
                start=load,
            )
    except (RecipeError, DataError, BackendUnavailable, NotOffered, ModelFileError) as error:
        fail(messages, str(error))
    except KeyboardInterrupt:
        messages.print("Stopped before anything was trained.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    asked = {"backend": trainer.backend.name, "dtype": trainer.dtype, "seed": seed, "epochs": epochs, "load": load}
    asked |= {"data": data, "data-dir": data_dir and data_dir.resolve(), "save": save}
    command = _command([recipe] if recipe else [], asked, resume)
    again = _command([], {"save": save, "data-dir": data_dir}, True)

    lines = messages if as_json else result_console()
    before, interrupted = trainer.epoch, False
    try:
        with EpochProgress(trainer, recipe or (save.name if resume else "default"), lines, messages) as progress:
            go_on(trainer, save, until=epochs, on_epoch=progress.on_epoch, on_step=progress.on_step)
    except NotOffered as error:  # a later phase may need what the first does not
        fail(messages, str(error))
    except OSError as error:
        kept = f" It still holds what epoch {trainer.epoch - 1} left." if trainer.epoch - 1 > before else ""
        fail(messages, f"{save} cannot be written: {error.strerror or error}.{kept} Choose another place with --save.")
    except KeyboardInterrupt:
        interrupted = True
    if as_json:
        print_json(to_json(trainer, command=command, file=str(save.resolve()), interrupted=interrupted))
    else:
        lines.print(ending(trainer), soft_wrap=True)
    if trainer.history and not is_finite(trainer.history[-1]):
        kept = f"what epoch {trainer.epoch - 1} left is in {save}" if trainer.epoch > 1 else "no epoch was saved"
        say_no(messages, f"the loss is no longer finite in epoch {trainer.epoch}; {kept}. Try a smaller learning rate.")
        raise typer.Exit(EXIT_WRONG)
    lines.print(
        f"{'Stopped. What is trained so far' if interrupted else 'The model'}: {escape(str(save.resolve()))}", soft_wrap=True
    )
    if interrupted:
        further = f"Go on with: {again}"
    elif trainer.epoch == before:
        further = f"There was nothing left to train. To go on: {again} --epochs {trainer.epoch + 1}"
    elif trainer.epoch < trainer.epochs:
        further = f"The recipe has {trainer.epochs} epochs. Go on with: {again}"
    else:
        further = ""
    if further:
        messages.print(escape(further), soft_wrap=True)
    raise typer.Exit(EXIT_INTERRUPTED if interrupted else EXIT_RIGHT)


def _command(arguments: list[str], options: Mapping[str, object], resume: bool) -> str:
    """`backproof train` with these options, but for those that are None, as one types it."""
    given = [text for name, value in options.items() if value is not None for text in (f"--{name}", str(value))]
    return shlex.join(["backproof", "train", *arguments, *given, *(["--resume"] if resume else [])])
