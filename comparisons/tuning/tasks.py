"""Which runs of a sweep are trained together, and one such task from beginning to end, wherever it is run."""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from backends.numpy_backend import NumpyTwin
from comparisons.datasets import Dataset, load_dataset
from comparisons.recipe import Recipe, load_recipe
from comparisons.training import accuracy, batch_order, loss_and_cotangent, targets
from comparisons.tuning.sets import HyperparameterSet
from comparisons.tuning.stacked import StackedNetworks, why_not_stacked
from scratch.arrays import Array
from scratch.model import Model

STACKED = 20
"""Networks in a stack: enough to share what a step costs beside its products, few enough to stay near the cache."""

Row = dict[str, Any]
"""What one run gave: set, seed, cost, accuracy (None where the network diverged), and how it was trained."""


@dataclass(frozen=True)
class Task:
    """Runs that are trained in one go. It holds plain values only and names its data, so that it can be sent anywhere."""

    number: int
    recipe: dict[str, Any]
    """The tables of the sweep's recipe."""
    sets: dict[int, dict[str, Any]]
    """The values of the sets that occur in the runs, by number."""
    runs: tuple[tuple[int, int], ...]
    """(set, seed)"""
    stacked: bool
    data_dir: str | None = None


def plan(recipe: Recipe, sets: Sequence[HyperparameterSet], seeds: int, data: Dataset, data_dir: str | None) -> list[Task]:
    """All runs of a sweep as tasks: those that share their batches in stacks, all others by themselves.

    The tasks follow from the sweep alone, not from who works on them, so that a sweep that goes on later has the same ones.
    """
    groups: dict[str, list[tuple[int, int]]] = {}
    alone: list[tuple[int, int]] = []
    for point in sets:
        runs = [(point.number, seed) for seed in range(seeds)]
        key = shared(point.recipe(recipe), data)
        (groups.setdefault(key, []) if key else alone).extend(runs)
    parts = [(runs[at : at + STACKED], True) for runs in groups.values() for at in range(0, len(runs), STACKED)]
    parts += [([run], False) for run in alone]
    values = {point.number: point.values for point in sets}
    tables = recipe.model_dump(mode="json", exclude_none=True, exclude={"tune"})
    return [
        Task(number, tables, {of: values[of] for of, _ in runs}, tuple(runs), stacked, data_dir)
        for number, (runs, stacked) in enumerate(parts)
    ]


def shared(recipe: Recipe, data: Dataset) -> str:
    """What must be equal for two networks to be stacked, as a text; empty for one that must be trained by itself."""
    training = recipe.training
    if recipe.phases or recipe.mistakes or recipe.schedule.name != "constant" or training.generator != "pcg64":
        return ""
    if training.updates_per_batch != 1 or training.train_above is not None:
        return ""
    model, optimizer = built(recipe, data)
    if why_not_stacked(model, optimizer):
        return ""
    tables = recipe.model_dump(mode="json", exclude={"title", "source", "tune", "optimizer"})
    tables["network"].pop("initializer")
    return json.dumps([tables, optimizer.convention], sort_keys=True)


def built(recipe: Recipe, data: Dataset) -> Any:
    """The model and the optimizer of a recipe, as NumPy trains them."""
    convention = recipe.convention_of(None)
    return recipe.model(data.train_images.shape[1], data.classes).in_convention(convention), recipe.build_optimizer(convention)


def run_task(task: Task) -> list[Row]:
    """Train the runs of a task; a row for each."""
    base = Recipe.model_validate(task.recipe)
    recipes = {number: HyperparameterSet(number, values).recipe(base) for number, values in task.sets.items()}
    data_of(base, task.data_dir)  # loading is nobody's training time
    start = time.perf_counter()
    with np.errstate(all="ignore"):  # a network that diverges is told by its cost
        train = _train_stacked if task.stacked else _train_alone
        rows = train(recipes, task.runs, task.data_dir)
    seconds = (time.perf_counter() - start) / len(rows)
    return [row | {"stacked_with": len(rows) - 1, "seconds": seconds} for row in rows]


@lru_cache(maxsize=2)
def load_data(table: str, exact_in: str, data_dir: str | None) -> Dataset:
    """The data that a recipe's [data] table names; kept, since the tasks of a worker share it."""
    entries = json.loads(table)
    return load_dataset(entries.pop("name"), data_dir).select(**entries, exact_in=exact_in)


def data_of(recipe: Recipe, data_dir: str | None) -> Dataset:
    """The data of a recipe, loaded once per process."""
    return load_data(recipe.data.model_dump_json(), recipe.training.starts_exact_in, data_dir)


def precision(recipe: Recipe) -> str:
    """The recipe's, float32 where it names both, as everywhere else."""
    return "float32" if recipe.training.dtype == "both" else str(recipe.training.dtype)


def initial_parameters(recipe: Recipe, model: Model, seed: int) -> Array:
    """Those with which a training of that seed starts."""
    return model.initialize(np.random.default_rng(seed), recipe.training.starts_exact_in)


def order(recipe: Recipe, rows: int) -> Iterable[tuple[int, Array]]:
    """(epoch, row indices) of every batch, the same for all seeds."""
    training = recipe.training
    return batch_order(rows, recipe.rows_per_batch(rows), training.epochs, training.seed, training.order)


def _train_stacked(recipes: dict[int, Recipe], runs: Sequence[tuple[int, int]], data_dir: str | None) -> list[Row]:
    first = recipes[runs[0][0]]
    data = data_of(first, data_dir)
    models, optimizers = zip(*(built(recipes[number], data) for number, _ in runs), strict=True)
    starts = [initial_parameters(recipes[number], model, seed) for (number, seed), model in zip(runs, models, strict=True)]
    model, dtype = models[0], precision(first)
    # Rows of 0 and 1 where the loss takes either: reading single elements out of many rows is slower.
    indices = first.loss.targets == "indices" or model.loss.targets == "index"
    labels = targets(data.train_labels, model.widths[-1], not indices, dtype)
    stack = StackedNetworks(model, np.stack(starts), optimizers, data.train_images.astype(dtype), labels, dtype)
    for _, rows in order(first, len(data.train_images)):
        stack.step(rows)
    twin = NumpyTwin(model, starts[0], optimizers[0], dtype)
    found = []
    for network, (number, seed) in enumerate(runs):
        twin.set_parameters(stack.parameters(network))
        found.append({"set": number, "seed": seed} | measure(twin, first, data, dtype))
    return found


def _train_alone(recipes: dict[int, Recipe], runs: Sequence[tuple[int, int]], data_dir: str | None) -> list[Row]:
    """With the Trainer, which can do all that a recipe can say; the order of the images is the sweep's here too."""
    from comparisons.randomness import Randomness
    from comparisons.trainer import Trainer

    found = []
    for number, seed in runs:
        recipe = recipes[number]
        trainer = Trainer(load_recipe(recipe, {"training": {"seed": seed}}), data_dir=data_dir)
        if recipe.training.generator == "pcg64":
            trainer.randomness.state = Randomness(recipe.training.seed).state
        record = trainer.run().history[-1]
        names = {"cost": "test_loss", "accuracy": "test_accuracy"}
        names |= {f"validation_{name}": key.replace("test", "validation") for name, key in names.items()}
        values = {name: _finite(record[key]) for name, key in names.items() if key in record}
        found.append({"set": number, "seed": seed} | values)
    return found


def measure(twin: NumpyTwin, recipe: Recipe, data: Dataset, dtype: str) -> Row:
    """Cost and accuracy on the test images, and on those for validation where there are any."""
    found: Row = {}
    parts = (("", data.test_images, data.test_labels), ("validation_", data.validation_images, data.validation_labels))
    for prefix, images, labels in parts:
        if images is None or labels is None:
            continue
        output = twin.predict(images.astype(dtype))
        y = targets(labels, output.shape[1], recipe.one_hot(twin.model), dtype)
        cost, _ = loss_and_cotangent(twin.model, output, y)
        found[f"{prefix}cost"] = _finite(cost)
        found[f"{prefix}accuracy"] = _finite(accuracy(twin.model, output, labels))
    return found


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
