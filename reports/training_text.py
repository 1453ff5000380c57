"""A training run in words and numbers: one line per epoch, its end in a sentence, a recipe in a line, and JSON."""

import math
from collections.abc import Mapping
from typing import Any

from comparisons.recipe import Recipe
from comparisons.trainer import Trainer
from reports.text import listed, percent


def heading(trainer: Trainer, name: str) -> str:
    """What is trained, on what, with what."""
    data = trainer.data
    parts = [f"{len(data.train_labels):,} training"]
    if data.validation_labels is not None:
        parts.append(f"{len(data.validation_labels):,} validation")
    parts.append(f"{len(data.test_labels):,} test images")
    on = f"{data.name} ({listed(parts)})"
    with_ = f"{trainer.backend.name}, {trainer.dtype}, seed {trainer.recipe.training.seed}"
    return f"{name}: {trainer.recipe.title or describe(trainer.recipe)}\n{on}; {with_}"


def phase_line(trainer: Trainer, phase: int) -> str:
    """Which phase begins."""
    title = trainer.recipe.phases[phase].title
    return f"phase {phase + 1} of {len(trainer.recipe.phases)}{f': {title}' if title else ''}"


def epoch_line(trainer: Trainer, record: Mapping[str, Any]) -> str:
    """One finished epoch: the mean loss of its batches, then loss and accuracy on the images that training does not see."""
    width = len(str(trainer.epochs))
    words = [f"epoch {record['epoch']:>{width}}/{trainer.epochs}", _figures(record)]
    stage = trainer.stages[record["phase"]]
    if stage.schedule.name != "constant":
        words.append(f"rate {record['learning_rate']:.3g}")
    if stage.training.train_above is not None:
        words.append(f"{record['trained_batches']:,} of {record['batches']:,} batches")
    words.append(f"{record['seconds']:.1f} s")
    return "   ".join(words)


def _figures(record: Mapping[str, Any]) -> str:
    """The loss and the accuracies of an epoch."""
    words = [f"loss {_loss(record['loss'])}"]
    if record["train_accuracy"] is not None:
        words.append(f"training {percent(record['train_accuracy'])}")
    for part in ("validation", "test"):
        if f"{part}_accuracy" in record:
            words.append(f"{part} {_loss(record[f'{part}_loss'])} {percent(record[f'{part}_accuracy'])}")
            tops = [k for k in (2, 3) if f"{part}_top_{k}_accuracy" in record]
            words += [f"top {k} {percent(record[f'{part}_top_{k}_accuracy'])}" for k in tops]
    return "   ".join(words)


def latest(record: Mapping[str, Any]) -> str:
    """The loss and one accuracy, for a bar: on validation images where there are some."""
    accuracy = record.get("validation_accuracy", record["test_accuracy"])
    return f"loss {_loss(record['loss']).strip()}, {percent(accuracy)}"


def ending(trainer: Trainer) -> str:
    """Where the training stands, in a sentence."""
    if not trainer.history:
        return "No epoch is trained."
    last, tested = trainer.history[-1], len(trainer.data.test_labels)
    right = "" if math.isnan(last["test_accuracy"]) else f" ({round(last['test_accuracy'] * tested):,} of {tested:,})"
    done = len(trainer.history)
    epochs = f"{done} of {trainer.epochs}" if done < trainer.epochs else f"all {done}"
    return (
        f"Test accuracy {percent(last['test_accuracy'])}{right}, test loss {_loss(last['test_loss']).strip()}, after {epochs} "
        f"epoch{'s' if trainer.epochs != 1 else ''}."
    )


def describe(recipe: Recipe) -> str:
    """What a recipe trains, in a line."""
    table = recipe.data
    digits = f", digits {listed([str(label) for label in table.classes])}" if table.classes else ""
    hidden = f"hidden {'-'.join(map(str, recipe.network.hidden))}" if recipe.network.hidden else "no hidden layer"
    optimizers = listed(list(dict.fromkeys(stage.optimizer.name for stage in recipe.stages)))
    phases = f" in {len(recipe.phases)} phases" if len(recipe.phases) > 1 else ""
    mistakes = f"; with {listed([mistake.replace('_', ' ') for mistake in recipe.mistakes])}" if recipe.mistakes else ""
    epochs = f"{recipe.epochs:,} epoch{'s' if recipe.epochs != 1 else ''}"
    return f"{table.name}{digits}; {hidden}; {optimizers}, {epochs}{phases}{mistakes}"


def to_json(trainer: Trainer, *, command: str, file: str | None, interrupted: bool) -> dict[str, Any]:
    """The run as plain data for JSON; a number that is not finite becomes null."""
    data = trainer.data
    content: dict[str, Any] = plain(
        {
            "command": command,
            "seed": trainer.recipe.training.seed,
            "backend": trainer.backend.name,
            "dtype": trainer.dtype,
            "file": file,
            "interrupted": interrupted,
            "epoch": len(trainer.history),
            "epochs": trainer.epochs,
            "data": {
                "name": data.name,
                "source": data.source,
                "train": len(data.train_labels),
                "validation": 0 if data.validation_labels is None else len(data.validation_labels),
                "test": len(data.test_labels),
            },
            "labels": data.digits,
            "parameters": trainer.model.size,
            "history": trainer.history,
            "recipe": trainer.recipe.model_dump(exclude_none=True),
        }
    )
    return content


def plain(value: Any) -> Any:
    """Lists, dictionaries, strings and numbers; one that is not finite is None."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _loss(value: float | None) -> str:
    return f"{'–' if value is None else format(value, '#.5g'):<8}"
