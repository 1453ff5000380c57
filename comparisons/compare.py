"""`backproof compare`: one network, all backends, every gradient, optimizer step and training run on the ladder."""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from backends import Backend, BackendUnavailable, NotOffered, Twin, backend_names, load_backend
from backends.numpy_backend import NumpyBackend, NumpyTwin, as_dtype
from comparisons.datasets import Dataset, load_dataset
from comparisons.gradients import check_truth, compare_gradients, make_probes
from comparisons.ladder import Verdict, as_row, worst
from comparisons.optimizers import Replays, compare_optimizer, mathematics, record
from comparisons.randomness import draw_masks
from comparisons.recipe import COMPARED_OPTIMIZERS, PER_EXAMPLE, OptimizerTable, Recipe, load_recipe
from comparisons.training import Run, batch_order, judge_trajectory, targets, train
from scratch.arrays import Array
from scratch.model import Model
from scratch.optimizers import CONVENTIONS, Convention

DTYPES = ("float32", "float64")
RECORDED_STEPS = 50
FREE_STEPS = 50
WARM_UP_STEPS = 5
OPERATIONS = 60
"""Operations per parameter and recorded step: the float128 runs of all formulas of all optimizers, some ten of each."""
FLOAT128_BUDGET = 2e8
"""Multiply-adds in float128 that one stage may cost: about 15 seconds. Larger networks get fewer rows and steps."""

Item = TypeVar("Item")
Progress = Callable[[str, int, int], None]
"""Called with the stage, the steps done and their number."""
STAGES = ("gradients", "optimizers", "float128 reference", "training")


class CompareError(Exception):
    """Nothing could be compared. The message says why and what to do."""


@dataclass
class Comparison:
    """Everything that `compare` found; a table per question, pandas underneath."""

    recipe: Recipe
    versions: dict[str, str]
    backends: dict[str, str]
    """Names of those that were compared, with what to call them in a sentence."""
    skipped: dict[str, str]
    """Backends that were asked for and could not be loaded, with the reason."""
    model: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    gradients: pd.DataFrame = field(default_factory=pd.DataFrame)
    pairs: pd.DataFrame = field(default_factory=pd.DataFrame)
    truth: pd.DataFrame = field(default_factory=pd.DataFrame)
    optimizers: pd.DataFrame = field(default_factory=pd.DataFrame)
    conventions: pd.DataFrame = field(default_factory=pd.DataFrame)
    training: pd.DataFrame = field(default_factory=pd.DataFrame)
    steps: pd.DataFrame = field(default_factory=pd.DataFrame)
    epochs: pd.DataFrame = field(default_factory=pd.DataFrame)
    interrupted: bool = False

    @property
    def verdict(self) -> Verdict:
        """The most severe verdict in the float128 truth, the gradients, the optimizers and the training."""
        tables = (self.truth, self.gradients, self.optimizers, self.training)
        return worst([verdict for table in tables if len(table) for verdict in table["verdict"]])

    def table(self, name: str) -> list[dict[str, Any]]:
        """One of the tables as plain records."""
        return [dict(record) for record in getattr(self, name).to_dict("records")]

    def _repr_html_(self) -> str:
        tables = [self.gradients, self.optimizers, self.training]
        return "".join(table.to_html(index=False) for table in tables if len(table))


def compare(
    recipe: str | Path | Recipe = "default",
    *,
    backends: Sequence[str] = ("numpy", "torch", "keras"),
    data_dir: str | Path | None = None,
    overrides: dict[str, dict[str, Any]] | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Train one network from the same bits on several backends and put every difference on the precision ladder.

    `recipe` is a built-in name, a TOML file or a Recipe; `overrides` replaces entries of its tables, such as
    `{"training": {"epochs": 1}}`. A backend that is not installed is skipped and named in the result. Ctrl-C ends the
    comparison early and keeps what is done. Raises RecipeError, DataError or CompareError with one clear sentence.
    """
    recipe = _first_stage(load_recipe(recipe, overrides))
    data = load_dataset(recipe.data.name, data_dir).select(
        **recipe.data.model_dump(exclude={"name"}), exact_in=recipe.training.starts_exact_in
    )
    loaded, skipped = _load(backends)
    skipped |= _without_what_it_needs(loaded, recipe, data)
    versions = {key: value for backend in loaded.values() for key, value in backend.versions().items()}
    titles = {name: backend.title for name, backend in loaded.items()}
    result = Comparison(recipe, versions, titles, skipped)
    study = _Study(recipe, data, loaded, progress or (lambda *_: None))
    result.model = study.describe()
    result.data = {
        "name": data.name,
        "source": data.source,
        "train": len(data.train_labels),
        "test": len(data.test_labels),
        "classes": data.classes,
    }
    try:
        # What is not finite is told by the verdicts.
        with np.errstate(all="ignore"):
            for stage in (study.gradients, study.optimizers, study.training):
                stage(result)
    except KeyboardInterrupt:
        result.interrupted = True
    return result


def _first_stage(recipe: Recipe) -> Recipe:
    """What can be compared step by step: the first phase, every batch once."""
    if {"stale_deltas", *PER_EXAMPLE} & set(recipe.mistakes):
        raise CompareError(
            f"{', '.join(recipe.mistakes)} is no gradient of a batch, so there is nothing to compare step by step. "
            "Use backproof reproduce or backproof train, or set mistakes = []."
        )
    return recipe.stages[0]


def _load(names: Sequence[str]) -> tuple[dict[str, Backend], dict[str, str]]:
    loaded: dict[str, Backend] = {}
    skipped: dict[str, str] = {}
    known = backend_names()
    for name in dict.fromkeys(names):
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f'; did you mean "{close[0]}"?' if close else "."
            raise CompareError(f'there is no backend "{name}"{hint} Choose from {", ".join(known)}.')
        try:
            loaded[name] = load_backend(name)
        except BackendUnavailable as error:
            skipped[name] = str(error)
    if not loaded:
        raise CompareError(f"no backend is left to compare: {' '.join(skipped.values()) or 'none was named.'}")
    return loaded, skipped


def _without_what_it_needs(loaded: dict[str, Backend], recipe: Recipe, data: Dataset) -> dict[str, str]:
    """Take out the backends that lack an operation of the recipe; the reasons."""
    model = recipe.model(data.train_images.shape[1], data.classes)
    label = targets(data.train_labels[:1], model.widths[-1], recipe.one_hot(model), "float32")
    skipped = {}
    for name, backend in list(loaded.items()):
        convention = backend.convention or recipe.convention_of(None)
        try:
            optimizer = recipe.build_optimizer(convention)
            twin = backend.mirror(model.in_convention(convention), np.zeros(model.size), optimizer, "float32")
            twin.loss_and_gradients(np.zeros((1, model.inputs), np.float32), label)
        except NotOffered as reason:
            skipped[name] = str(reason)
            del loaded[name]
    if not loaded:
        raise CompareError(f"no backend is left to compare: {' '.join(skipped.values())}")
    return skipped


class _Study:
    """The network, the data and the backends of one comparison, and its three stages."""

    def __init__(self, recipe: Recipe, data: Dataset, backends: Mapping[str, Backend], progress: Progress) -> None:
        self.recipe, self.data, self.backends, self.progress = recipe, data, backends, progress
        self.model = recipe.model(data.train_images.shape[1], data.classes)
        self.one_hot = recipe.one_hot(self.model)
        with np.errstate(over="ignore"):
            self.initial = self.model.initialize(np.random.default_rng(recipe.training.seed))
        self.rng = np.random.default_rng((recipe.training.seed, 1))
        settings = recipe.training
        rows = len(data.train_labels)
        self.batch_size = recipe.rows_per_batch(rows)
        self.order = [
            batch
            for batch in batch_order(rows, self.batch_size, settings.epochs, settings.seed, settings.order)
            if len(batch[1]) >= self.model.fewest_rows
        ]
        self.conventions: dict[str, Convention] = {
            name: recipe.convention_of(backend.convention) for name, backend in backends.items()
        }
        self.models = {name: self.model.in_convention(convention) for name, convention in self.conventions.items()}
        """What each backend is held against: almost always one network, but a few operations are not the same everywhere."""

    def describe(self) -> dict[str, Any]:
        """The network in words and numbers."""
        return {
            "layers": list(self.model.layer_names),
            "widths": list(self.model.widths),
            "parameters": self.model.size,
            "loss": self.model.loss.name,
            "reduction": self.model.loss.reduction,
            "targets": "one_hot" if self.one_hot else "indices",
        }

    def batch(self, index: int, rows: int | None = None) -> tuple[Array, Array]:
        """A training batch of the first epochs' order, in float64 numbers that are exact in float32."""
        chosen = self.order[index][1][:rows]
        labels = targets(self.data.train_labels[chosen], self.model.widths[-1], self.one_hot, "float64")
        return self.data.train_images[chosen], labels

    def masks(self, step: int, rows: int) -> Mapping[str, Array]:
        """The dropout masks of a step, the same for all."""
        return draw_masks(self.model, rows, self.recipe.training.seed, step)

    def gradients(self, result: Comparison) -> None:
        """At the initial parameters and after some training, with the loss and with a random cotangent."""
        affordable = max(5, int(FLOAT128_BUDGET / (OPERATIONS * self.model.size)))
        recorded = [self.batch(index) for index in range(min(RECORDED_STEPS, len(self.order), affordable))]
        self.recording, trained = record(self.model, self.initial, recorded, self.recipe.build_optimizer("paper"))
        if not len(self.recording.gradients):
            raise CompareError(
                "the first step of training already gives numbers that are not finite in float32. "
                "Choose smaller initial parameters, a smaller learning rate, or an epsilon above 0."
            )
        rows = max(2, int(FLOAT128_BUDGET / (8 * 3 * max(self.model.multiply_adds, 1))))
        batches = [self.batch(index, rows) for index in sorted({0, len(self.order) - 1})]
        points = [self.initial, trained]
        probes = make_probes(self.model, points, batches, self.rng)
        twins = {name: {dtype: self._twin(backend, dtype) for dtype in DTYPES} for name, backend in self.backends.items()}
        self.progress("gradients", 0, 2)
        found: list[dict[str, Any]] = []
        pairs: list[dict[str, Any]] = []
        for model in _distinct(self.models.values()):
            alike = {name: by_dtype for name, by_dtype in twins.items() if self.models[name] == model}
            against_truth, between = compare_gradients(model, probes, self._truth(model), alike)
            found += against_truth
            pairs += between
        result.gradients, result.pairs = pd.DataFrame(found), pd.DataFrame(pairs)
        self.progress("gradients", 1, 2)
        few = make_probes(self.model, [self.initial], [self.batch(0, min(rows, 8))], self.rng)[0]
        scratch = {dtype: self._scratch("paper", dtype) for dtype in DTYPES}
        result.truth = pd.DataFrame(check_truth(self.model, few, self._truth(self.model), scratch, self.rng))
        self.progress("gradients", 2, 2)

    def optimizers(self, result: Comparison) -> None:
        """Every optimizer on every backend, fed with the gradients that the recipe's own training produced."""
        replays = Replays(self.model, self.recording)
        own = self.recipe.optimizer
        names = dict.fromkeys([*COMPARED_OPTIMIZERS, own.name])
        tables = [own if own.name == name else OptimizerTable(name=name) for name in names]
        found, others = [], []
        for done, (table, name) in enumerate((table, name) for table in tables for name in self.backends):
            self.progress("optimizers", done, len(tables) * len(self.backends))
            optimizers = {convention: table.build(convention) for convention in CONVENTIONS}
            try:
                row, wrong = compare_optimizer(self.backends[name], optimizers, self.conventions[name], replays)
            except NotOffered as reason:  # not the recipe's own: a backend without that one is not here
                result.skipped[f"{name}, {table.name}"] = str(reason)
                continue
            found.append(row)
            others.extend(wrong)
            result.optimizers, result.conventions = pd.DataFrame(found), pd.DataFrame(others)
        self.progress("optimizers", 1, 1)

    def training(self, result: Comparison) -> None:
        """The recipe's training on all backends; the first steps also against float128."""
        truth = self._reference_trajectories()
        settings = self.recipe.training
        runs: list[Run] = []
        asked = DTYPES if settings.dtype == "both" else (settings.dtype,)
        # The verdict needs two rungs: the one that was not asked for is trained only as far as the reference goes.
        lengths = {dtype: len(self.order) if dtype in asked else self.free_steps for dtype in DTYPES}
        total = sum(lengths.values())
        done = 0

        def advance() -> None:
            nonlocal done
            done += 1
            self.progress("training", done, total)

        self.progress("training", 0, total)
        try:
            for dtype in sorted(DTYPES, key=lambda name: name not in asked):
                run = Run(dtype)
                runs.append(run)
                twins = {name: self._twin(backend, dtype) for name, backend in self.backends.items()}
                scratch = {convention: self._scratch(convention, dtype) for convention in self.conventions.values()}
                references: dict[str, Twin] = {name: scratch[self.conventions[name]] for name in twins}
                by_backend = {name: truth[self.conventions[name]] for name in twins}
                order = self.order[: lengths[dtype]]
                train(run, self.model, twins, references, by_backend, self.data, order, self.one_hot, self.masks, advance)
        finally:
            self._tabulate(result, runs, asked)

    def _reference_trajectories(self) -> dict[Convention, list[Array]]:
        cost = 3 * self.model.multiply_adds * self.batch_size
        formulas = {
            convention: (mathematics(self.recipe.build_optimizer(convention)), self.models[name])
            for name, convention in self.conventions.items()
        }
        distinct = _distinct(formulas.values())
        affordable = int(FLOAT128_BUDGET / max(cost * len(distinct), 1))
        self.free_steps = min(len(self.order), max(2, min(FREE_STEPS, affordable)))
        trajectories: list[list[Array]] = [[] for _ in distinct]
        for (formula, model), trajectory in zip(distinct, trajectories, strict=True):
            twin = NumpyTwin(model, self.initial, formula, "float128")
            for index in range(self.free_steps):
                x, y = self.batch(index)
                twin.set_masks(self.masks(index, len(x)))
                twin.train_step(as_dtype(x, "float128"), y if y.ndim == 1 else as_dtype(y, "float128"))
                trajectory.append(twin.parameters())
                done = sum(len(steps) for steps in trajectories)
                self.progress("float128 reference", done, self.free_steps * len(distinct))
        return {convention: trajectories[distinct.index(formula)] for convention, formula in formulas.items()}

    def _tabulate(self, result: Comparison, runs: list[Run], asked: tuple[str, ...]) -> None:
        """Turn the records of the runs into tables; also when they were cut short."""
        rows, free = [], []
        steps: list[dict[str, Any]] = []
        epochs: list[dict[str, Any]] = []
        for name, convention in self.conventions.items():
            complete = [run for run in runs if run.errors.get(name)]
            ladder, judged = judge_trajectory({run.dtype: run.errors[name] for run in complete})
            optimizer = self.recipe.build_optimizer(convention)
            free.append(
                {
                    "backend": name,
                    "optimizer": optimizer.name,
                    "convention": convention,
                    "mode": "free-running",
                    **as_row(ladder),
                    "steps": judged,
                    "causes": [],
                }
            )
            if self.backends[name].convention is not None:
                # A framework is judged over the whole run, against scratch in its convention.
                ladder, judged = judge_trajectory({run.dtype: run.relative[name] for run in complete})
            full = [run for run in runs if run.dtype in asked and run.losses.get(name)]
            rows.append(
                {
                    "backend": name,
                    "convention": convention,
                    **as_row(ladder),
                    "reference": "float128" if self.backends[name].convention is None else "scratch",
                    "judged_steps": judged,
                    "steps": max((run.steps for run in full), default=0),
                    "max_parameter_difference": {run.dtype: float(np.max(run.differences[name], initial=0.0)) for run in full},
                    "test_accuracy": {run.dtype: run.accuracies[name][-1] for run in full if run.accuracies[name]},
                    "final_loss": {run.dtype: run.losses[name][-1] for run in full},
                    "seconds_per_step": {
                        run.dtype: float(np.median(run.seconds[name][min(WARM_UP_STEPS, len(run.seconds[name]) - 1) :]))
                        for run in full
                    },
                }
            )
            for run in full:
                columns = zip(run.losses[name], run.differences[name], strict=False)
                steps.extend(
                    {"dtype": run.dtype, "backend": name, "step": step, "loss": loss, "difference": difference}
                    for step, (loss, difference) in enumerate(columns, start=1)
                )
                epochs.extend(
                    {"dtype": run.dtype, "backend": name, "epoch": epoch, "test_accuracy": accuracy}
                    for epoch, accuracy in enumerate(run.accuracies[name], start=1)
                )
        result.training, result.steps, result.epochs = pd.DataFrame(rows), pd.DataFrame(steps), pd.DataFrame(epochs)
        result.optimizers = pd.concat([result.optimizers, pd.DataFrame(free)], ignore_index=True)

    def _twin(self, backend: Backend, dtype: str) -> Twin:
        convention = backend.convention or self.conventions[backend.name]
        model = self.model.in_convention(convention)
        return backend.mirror(model, self.initial, self.recipe.build_optimizer(convention), dtype)

    def _scratch(self, convention: Convention, dtype: str) -> Twin:
        model = self.model.in_convention(convention)
        return NumpyBackend().mirror(model, self.initial, self.recipe.build_optimizer(convention), dtype)

    def _truth(self, model: Model) -> NumpyTwin:
        return NumpyTwin(model, self.initial, self.recipe.build_optimizer("paper"), "float128")


def _distinct(values: Iterable[Item]) -> list[Item]:
    """Each value once, in the order of their first coming; they need not have a hash."""
    found: list[Item] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found
