"""Training from Python and from the command line: a run is begun or gone on with, and its file is whole after every epoch."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from comparisons.recipe import Recipe, load_recipe
from comparisons.trained import ModelFileError, TrainedModel
from comparisons.trainer import OnStep, Trainer

OnEpoch = Callable[[dict[str, Any]], None]
"""Called with the record of an epoch, once it is in the file."""


def load(path: str | Path) -> TrainedModel:
    """A model that `train` or `backproof train` has saved; raises ModelFileError with one sentence on what is wrong."""
    return TrainedModel.load(path)


def train(
    recipe: str | Path | Recipe | None = None,
    *,
    backend: str | None = None,
    dtype: str | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    data: str | None = None,
    data_dir: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    save: str | Path | None = None,
    resume: bool = False,
    start: str | Path | None = None,
    on_epoch: OnEpoch = lambda _: None,
) -> TrainedModel:
    """Train a recipe: the same as `backproof train` does.

    Args:
        recipe: a built-in recipe's name, a TOML file or a Recipe; "default" where it is left out, or the file's with `resume`.
        backend: "numpy" (the default), "torch", "keras", "jax" or one that a package adds.
        dtype: "float32" or "float64"; the recipe's where it is left out.
        epochs: train up to this one, counted over all phases. Beyond the recipe's own the last phase goes on.
        seed: decides the initial parameters, the batches and the dropout masks.
        data: the data set, instead of the recipe's.
        data_dir: the folder of MNIST's files.
        overrides: entries of the recipe's tables, such as {"optimizer": {"learning_rate": 0.01}}.
        save: a file that is written after every epoch.
        resume: go on with what is in `save`, with the same bits as if nothing had stopped.
        start: a saved model from whose parameters to start.
        on_epoch: called with the record of every epoch, once it is in the file.

    Returns:
        The model, with a record per epoch in `history`. Training ends early where the loss of an epoch is not finite; that
        epoch is in the history, but not in the file.

    Raises:
        RecipeError, DataError, BackendUnavailable, NotOffered, ModelFileError: one sentence on what is wrong, one on what to do.
        OSError: the file cannot be written.
    """
    trainer = begin(
        recipe,
        backend=backend,
        dtype=dtype,
        epochs=epochs,
        seed=seed,
        data=data,
        data_dir=data_dir,
        overrides=overrides,
        save=save,
        resume=resume,
        start=start,
    )
    go_on(trainer, save, until=epochs, on_epoch=on_epoch)
    return trainer.trained()


def begin(
    recipe: str | Path | Recipe | None,
    *,
    backend: str | None,
    dtype: str | None,
    epochs: int | None,
    seed: int | None,
    data: str | None,
    data_dir: str | Path | None,
    overrides: Mapping[str, Any] | None,
    save: str | Path | None,
    resume: bool,
    start: str | Path | None,
) -> Trainer:
    """The run that `train` would make, before its first epoch; what is in the file stays as it is."""
    asked = dict(overrides or {})
    for table, entries in (("training", {"seed": seed}), ("data", {"name": data})):
        given = {key: value for key, value in entries.items() if value is not None}
        if given:
            asked[table] = {**asked.get(table, {}), **given}
    if resume and start is not None:
        raise ModelFileError("--resume goes on with a training and --load starts one from a model. Use one of them.")
    if resume:
        return _resumed(recipe, asked, backend=backend, dtype=dtype, epochs=epochs, data_dir=data_dir, save=save)
    loaded = TrainedModel.load(start) if start is not None else None
    if save is not None:
        _check_replaceable(Path(save))
    chosen = _lengthened(load_recipe("default" if recipe is None else recipe, asked), epochs)
    trainer = Trainer(chosen, data_dir=data_dir, backend=backend or "numpy", dtype=dtype)
    if loaded is not None:
        try:
            trainer.start_from(loaded)
        except ModelFileError as error:
            raise ModelFileError(f"{start}: {error}") from error
    return trainer


def go_on(
    trainer: Trainer,
    save: str | Path | None,
    *,
    until: int | None = None,
    on_epoch: OnEpoch = lambda _: None,
    on_step: OnStep = lambda *_: None,
) -> None:
    """Train what is left, up to that epoch, and save after every epoch; ends early where a loss is not finite."""
    last = trainer.epochs if until is None else min(until, trainer.epochs)
    if save is not None and trainer.epoch < last:
        # A file that cannot be written is noticed now, and a kill in the first epoch leaves one to go on with.
        trainer.save(save)
    saved = len(trainer.history)
    try:
        with np.errstate(all="ignore"):  # a run that diverges is told by its loss
            while trainer.epoch < last:
                record = trainer.run_epoch(on_step)
                finite = is_finite(record)
                if save is not None and finite:
                    trainer.save(save)
                saved = len(trainer.history)
                on_epoch(record)
                if not finite:
                    return
    except KeyboardInterrupt:
        # Writing takes a moment; an epoch that is done is not thrown away for it.
        if save is not None and len(trainer.history) > saved and is_finite(trainer.history[-1]):
            trainer.save(save)
        raise


def is_finite(record: Mapping[str, Any]) -> bool:
    """Whether the network was still one of numbers after that epoch."""
    return bool(record["finite"])


def _resumed(
    recipe: str | Path | Recipe | None,
    asked: dict[str, Any],
    *,
    backend: str | None,
    dtype: str | None,
    epochs: int | None,
    data_dir: str | Path | None,
    save: str | Path | None,
) -> Trainer:
    if save is None:
        raise ModelFileError("there is nothing to go on with. Name the file with --save.")
    if not Path(save).exists():
        raise ModelFileError(f"{save}: there is no such file to go on with. Leave out --resume to begin.")
    found = TrainedModel.load(save)
    training = found.training if isinstance(found.training, Mapping) else {}
    for option, given, was in (("--backend", backend, training.get("backend")), ("--dtype", dtype, training.get("dtype"))):
        if None not in (given, was) and given != was:
            raise ModelFileError(
                f"{save}: it was trained with {option} {was}, and other bits come of {given}. Leave out {option}, or start from "
                "the file with --load."
            )
    chosen = load_recipe(found.recipe if recipe is None else recipe, asked)
    if epochs is not None and epochs > chosen.epochs:  # fewer end this run early, and leave the plan in the file as it is
        chosen = _lengthened(chosen, epochs)
    try:
        return Trainer.resume(save, chosen, data_dir=data_dir)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        # Nothing but the file's own account of its training comes from outside here; the recipe and the data are checked.
        raise ModelFileError(
            f"{save}: what it says about its training is damaged ({error!r}). Start from its parameters with --load."
        ) from error


def _lengthened(recipe: Recipe, epochs: int | None) -> Recipe:
    """The recipe with that many epochs. One with phases keeps those that are not reached, for a later run to go on with."""
    if epochs is None or (recipe.phases and epochs <= recipe.epochs):
        return recipe
    if not recipe.phases:
        return load_recipe(recipe, {"training": {"epochs": epochs}})
    phases = [phase.model_dump(exclude_none=True) for phase in recipe.phases]
    phases[-1]["epochs"] = recipe.stages[-1].training.epochs + epochs - recipe.epochs
    return load_recipe(recipe, {"phases": phases})


def _check_replaceable(path: Path) -> None:
    """A file is replaced only where nobody would miss it: a training that is not complete, or a stranger's file, stays."""
    if path.is_dir():
        raise ModelFileError(f"{path}: it is a folder. Name a file in it with --save.")
    if not path.exists():
        return
    try:
        there = TrainedModel.load(path)
    except ModelFileError as error:
        raise ModelFileError(
            f"{path}: a file is there that is no model of backproof. Choose another place with --save."
        ) from error
    done = there.training.get("epoch", 0)
    if "optimizer_step" not in there.training:
        raise ModelFileError(f"{path}: a model is there that no training of ours left. Choose another place with --save.")
    if 0 < done < there.recipe.epochs:
        raise ModelFileError(
            f"{path}: {done} of {there.recipe.epochs} epochs of a training are in it. Go on with --resume, or remove it first."
        )
