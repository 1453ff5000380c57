"""Recipes: what to train, as a TOML file that is checked before anything runs."""

import itertools
import json
import tomllib
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from comparisons.datasets import DATASETS, SCALINGS
from comparisons.recipe_errors import RecipeError as RecipeError
from comparisons.recipe_errors import explain, nearest
from comparisons.tuning.table import TuneTable
from scratch.activations import ACTIVATIONS, Activation
from scratch.initializers import INITIALIZERS, Initializer
from scratch.layers import BatchNormalization, Dense, Dropout, Layer
from scratch.losses import LOSSES, REDUCTIONS
from scratch.mistakes import DropoutWithoutFactor, without_mask
from scratch.model import Model
from scratch.optimizers import CONVENTIONS, OPTIMIZERS, SGD, Convention, Optimizer
from scratch.schedules import SCHEDULES, Schedule

BUILT_IN = Path(__file__).parent / "recipes"
COMPARED_OPTIMIZERS = ("sgd", "momentum", "nesterov", "adam")
"""Those that every comparison replays; a recipe may train with any."""
MISTAKES = ("missing_relu_mask", "missing_dropout_factor", "stale_deltas", "moments_per_example", "moments_reset")
"""What a source got wrong, by name: a recipe that lists one trains with it, and without it once the list is empty."""
PER_EXAMPLE = frozenset({"moments_per_example", "moments_reset"})
RATES = frozenset({"start", "end", "low"})
"""Numbers of a schedule that are learning rates."""
ENDING = frozenset({"polynomial", "linear", "cosine", "one_cycle"})
"""Schedules that come to an end after `steps`."""
METRICS = ("layers", "running_accuracy", "top_2_accuracy", "top_3_accuracy")
"""Layers: gradient norms, sums of weights and biases, saturated and dead units. Running accuracy: that of the outputs before each
step. Top k: the share of images whose class is among the k largest outputs."""
LARGEST = 1e38
Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataTable(_Table):
    """Which digits, how many of them, and what their pixels become."""

    name: Literal[DATASETS] = "mnist-5k"  # type: ignore[valid-type]
    classes: Annotated[tuple[Annotated[int, Field(ge=0, le=9)], ...], Field(min_length=2)] | None = None
    """The labels that are kept, all where it is left out; a label becomes its place in this list."""
    scaling: Literal[tuple(SCALINGS)] = "/255"  # type: ignore[valid-type]
    """Of pixels from 0 to 255; images with another range are brought to it first."""
    train: Positive | None = None
    """The first so many training images, all where it is left out."""
    validation: Annotated[int, Field(ge=0)] = 0
    """So many training images after those."""
    test: Positive | None = None
    """The first so many test images."""

    @field_validator("classes")
    @classmethod
    def _distinct(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if value is not None and len(set(value)) < len(value):
            raise ValueError(f"{list(value)} names a class twice. Name each once")
        return value


class NetworkTable(_Table):
    """The layers between the pixels and the classes."""

    hidden: tuple[Positive, ...] = (16, 16)
    activation: str | tuple[str, ...] = "relu"
    """One name for all hidden layers, or a list with one for each."""
    output: Literal[tuple(ACTIVATIONS)] = "linear"  # type: ignore[valid-type]
    outputs: Positive | None = None
    """As many as classes where it is left out; 1 for a single unit that tells the second class from the first."""
    initializer: Any = "he_normal"
    """A name, or a table with a name and the initializer's own numbers."""
    bias: bool = True
    batch_normalization: bool = False
    """After every hidden dense layer, before its activation."""
    dropout: Share = 0.0
    """After every hidden activation."""

    @field_validator("initializer")
    @classmethod
    def _buildable(cls, value: Any) -> Any:
        build_initializer(value)
        return value

    @field_validator("activation", mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        # Said here, where a union of a name and a list would be explained twice.
        for name in [value] if isinstance(value, str) else value if isinstance(value, (list, tuple)) else []:
            if not isinstance(name, str) or name not in ACTIVATIONS:
                allowed = ", ".join(ACTIVATIONS)
                raise ValueError(f'"{name}" is not known{nearest(str(name), list(ACTIVATIONS))} Allowed: {allowed}')
        return value

    @model_validator(mode="after")
    def _one_each(self) -> "NetworkTable":
        if not isinstance(self.activation, str) and len(self.activation) != len(self.hidden):
            raise ValueError(
                f"activation lists {len(self.activation)} names for {len(self.hidden)} hidden layers. "
                "Give one for each, or a single name for all"
            )
        return self

    @property
    def activations(self) -> tuple[str, ...]:
        """One name per hidden layer."""
        return (self.activation,) * len(self.hidden) if isinstance(self.activation, str) else self.activation


class LossTable(_Table):
    """What is minimised."""

    name: Literal[tuple(name for name in LOSSES if LOSSES[name]().classifies)] = "softmax_cross_entropy"  # type: ignore[valid-type]
    reduction: Literal[tuple(REDUCTIONS)] = "mean"  # type: ignore[valid-type]
    targets: Literal["indices", "one_hot"] | None = None
    """Class indices where the loss takes them, rows of 0 and 1 otherwise."""


class OptimizerTable(_Table):
    """How it is minimised."""

    name: Literal[tuple(OPTIMIZERS)] = "adam"  # type: ignore[valid-type]
    learning_rate: Annotated[float, Field(ge=0, le=LARGEST)] | None = None
    momentum: Annotated[float, Field(gt=0, lt=1)] | None = None
    beta_1: Share | None = None
    beta_2: Share | None = None
    epsilon: Annotated[float, Field(ge=0, le=LARGEST)] | None = None
    convention: Literal[("matched", *CONVENTIONS)] = "matched"  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _buildable(self) -> "OptimizerTable":
        self.build("paper")
        return self

    def build(self, convention: Convention) -> Optimizer:
        """The scratch optimizer in that convention; numbers that are left out are the optimizer's own.

        Raises ValueError for a number that the optimizer does not have.
        """
        numbers = self.model_dump(exclude={"name", "convention"}, exclude_none=True)
        lacks = [name for name in numbers if name not in signature(OPTIMIZERS[self.name]).parameters]
        if lacks:
            raise ValueError(f"{self.name} has no {' and no '.join(lacks)}. Leave it out")
        return OPTIMIZERS[self.name](**numbers, convention=convention)


class ScheduleTable(BaseModel):
    """How the learning rate changes: a schedule's name and its own numbers.

    What is left out follows the run: a rate to start from or to end at is the same share of the optimizer's rate that it is
    of the schedule's own by default, and a schedule that has an end (ENDING) ends with the phase.
    """

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    name: Literal[tuple(SCHEDULES)] = "constant"  # type: ignore[valid-type]
    per: Literal["step", "epoch"] = "epoch"
    """What the schedule counts, from the start of the phase. One that watches the loss counts epochs."""

    @model_validator(mode="after")
    def _buildable(self) -> "ScheduleTable":
        if self.name == "reduce_on_plateau" and self.per == "step":
            raise ValueError('reduce_on_plateau watches the loss of epochs. Set per = "epoch"')
        self.build(0.1, 10, float)
        return self

    def build(self, learning_rate: float, length: int, metric: Callable[[int], float]) -> Schedule:
        """The scratch schedule for a phase of that many epochs or steps; `metric` is the loss after every epoch.

        Raises ValueError.
        """
        own = signature(SCHEDULES[self.name]).parameters
        numbers = {key: tuple(value) if isinstance(value, list) else value for key, value in (self.model_extra or {}).items()}
        for name in RATES & set(own):
            numbers.setdefault(name, own[name].default / own["learning_rate"].default * learning_rate)
        if self.name in ENDING:
            numbers.setdefault("steps", max(length, 2))
        watching = {"metric": metric} if self.name == "reduce_on_plateau" else {}
        try:
            schedule = SCHEDULES[self.name](learning_rate, **numbers, **watching)
            schedule.rate(0)
        except (TypeError, ArithmeticError) as error:
            given = ", ".join(f"{key} = {value}" for key, value in (self.model_extra or {}).items()) or "nothing"
            names = ", ".join(SCHEDULES[self.name]().settings) or "none"
            raise ValueError(f"{self.name} cannot be made of {given}. Its numbers are: {names}") from error
        return schedule


class TrainingTable(_Table):
    """How long, in which batches, and at which precision."""

    epochs: Positive = 3
    batch_size: Any = 32
    """A number of images, a share of all images such as 0.02, or "all"."""
    order: Literal["shuffled", "file"] = "shuffled"
    """Shuffled anew every epoch, or as in the file."""
    updates_per_batch: Positive = 1
    train_above: float | None = None
    """Batches whose loss is not above this are left out."""
    seed: Annotated[int, Field(ge=0)] = 0
    generator: Literal["pcg64", "legacy"] = "pcg64"
    """Legacy is the stream of `numpy.random.seed`, from which the parameters and then the dropout masks are drawn."""
    dtype: Literal["float32", "float64", "both"] = "both"
    starts_exact_in: Literal["float32", "float64"] = "float32"
    """In which precision pixels and initial parameters are exact; float64 only to meet figures that somebody else printed."""
    metrics: tuple[Literal[METRICS], ...] = ("layers",)  # type: ignore[valid-type]
    """What the record of an epoch holds beside losses and accuracies on validation and test images; see METRICS."""

    @field_validator("batch_size", mode="before")
    @classmethod
    def _countable(cls, value: Any) -> Any:
        if value == "all" or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
            return value
        if isinstance(value, float) and 0 < value < 1:
            return value
        given = json.dumps(value, default=str)
        raise ValueError(f'{given} does not fit; it should be a number of images, a share such as 0.02, or "all"')


class PhaseTable(_Table):
    """A part of the training, after the phases before it: what it leaves out is as in the tables above it."""

    title: str = ""
    keep_optimizer_state: bool = True
    """Whether the optimizer goes on with its moments and its count of steps."""
    epochs: Any = None
    batch_size: Any = None
    order: Any = None
    updates_per_batch: Any = None
    train_above: Any = None
    output: Any = None
    dropout: Any = None
    loss: dict[str, Any] | None = None
    optimizer: dict[str, Any] | None = None
    schedule: dict[str, Any] | None = None

    def over(self, tables: dict[str, Any]) -> dict[str, Any]:
        """The recipe's tables with this phase's entries; one that names a loss, an optimizer or a schedule starts afresh."""
        own = self.model_dump(exclude_none=True, exclude={"title", "keep_optimizer_state"})
        merged = {**tables, "training": dict(tables["training"]), "network": dict(tables["network"]), "phases": []}
        for key, value in own.items():
            if isinstance(value, dict):
                merged[key] = value if "name" in value else {**tables.get(key, {}), **value}
            else:
                merged["network" if key in ("output", "dropout") else "training"][key] = value
        return merged


class Recipe(_Table):
    """A complete description of a run. Everything has a default."""

    title: str = ""
    source: str = ""
    """Where it comes from, for a list of recipes."""
    mistakes: tuple[Literal[MISTAKES], ...] = ()  # type: ignore[valid-type]
    data: DataTable = DataTable()
    network: NetworkTable = NetworkTable()
    loss: LossTable = LossTable()
    optimizer: OptimizerTable = OptimizerTable()
    schedule: ScheduleTable = ScheduleTable()
    training: TrainingTable = TrainingTable()
    phases: tuple[PhaseTable, ...] = ()
    tune: TuneTable = TuneTable()

    @model_validator(mode="after")
    def _consistent(self) -> "Recipe":
        if len(PER_EXAMPLE & set(self.mistakes)) > 1:
            raise ValueError("mistakes: moments are either reset or kept. Name one of moments_per_example and moments_reset")
        if "stale_deltas" in self.mistakes:
            masked = "missing_relu_mask" in self.mistakes and self.network.activation == "relu"
            if (
                len(self.network.hidden) != 1
                or self.network.batch_normalization
                or not (masked or self.network.activations == ("linear",))
            ):
                raise ValueError(
                    "mistakes: stale_deltas is that of one hidden layer, linear or a relu with missing_relu_mask, without batch "
                    "normalization. Set network to that"
                )
        if PER_EXAMPLE & set(self.mistakes) and (
            self.network.batch_normalization or self.network.dropout or self.optimizer.name != "adam"
        ):
            raise ValueError(
                "mistakes: moments per example are Adam's, in a network without dropout and batch normalization. "
                'Set optimizer.name to "adam" and leave out both'
            )
        if self.training.generator == "legacy" and self.training.seed >= 2**32:
            raise ValueError("training.seed: the legacy generator takes seeds below 2^32. Give a smaller one")
        if self.training.generator == "legacy" and self.network.dropout not in (0.0, 0.5):
            raise ValueError("training.generator: the legacy stream keeps every second unit. Set network.dropout to 0 or 0.5")
        return self

    @property
    def stages(self) -> tuple["Recipe", ...]:
        """A recipe without phases for each phase, in their order; this one alone where there are none.

        Raises RecipeError naming the entry of the phase that does not fit.
        """
        if not self.phases:
            return (self,)
        tables = self.model_dump(exclude_none=True)
        stages = []
        for index, phase in enumerate(self.phases):
            try:
                stages.append(Recipe.model_validate(phase.over(tables)))
            except ValidationError as error:
                message = explain("recipe", Recipe, error, f"phases.{index}.").removeprefix("recipe: ")
                message = message.replace(f"phases.{index}.: ", f"phases.{index}: ", 1)
                for table in ("training.", "network."):
                    message = message.replace(f"phases.{index}.{table}", f"phases.{index}.", 1)
                raise RecipeError(message) from error
        return tuple(stages)

    @property
    def epochs(self) -> int:
        """Of all phases together."""
        return sum(stage.training.epochs for stage in self.stages)

    def to_toml(self) -> str:
        """The recipe as a file that `load_recipe` reads back, defaults and overrides written out."""
        tables = self.model_dump(exclude_none=True)
        phases = tables.pop("phases")
        plain = {key: tables.pop(key) for key, value in list(tables.items()) if not isinstance(value, dict)}
        lines = [f"{key} = {_toml_value(value)}" for key, value in plain.items()]
        for name, entries in tables.items():
            lines += ["", f"[{name}]", *(f"{_toml_key(key)} = {_toml_value(value)}" for key, value in entries.items())]
        for phase in phases:
            lines += ["", "[[phases]]", *(f"{key} = {_toml_value(value)}" for key, value in phase.items())]
        return "\n".join(lines) + "\n"

    def model(self, inputs: int, classes: int) -> Model:
        """The scratch model for data of that many pixels and classes; that of the first phase where there are several."""
        if self.phases:
            return self.stages[0].model(inputs, classes)
        table = self.network
        initializer = build_initializer(table.initializer)
        layers: list[Layer] = []
        widths = [inputs, *table.hidden]
        for (fan_in, width), name in zip(itertools.pairwise(widths), table.activations, strict=True):
            activation = ACTIVATIONS[name]
            units = activation.inputs(width)
            layers.append(Dense(fan_in, units, initializer, bias=table.bias))
            if table.batch_normalization:
                layers.append(BatchNormalization(units))
            if name != "linear":
                layers.append(self._with_mistakes(activation))
            if table.dropout:
                without = "missing_dropout_factor" in self.mistakes
                layers.append(DropoutWithoutFactor(table.dropout) if without else Dropout(table.dropout))
        last = ACTIVATIONS[table.output]
        layers.append(Dense(widths[-1], last.inputs(table.outputs or classes), initializer, bias=table.bias))
        if table.output != "linear":
            layers.append(last)
        try:
            loss = LOSSES[self.loss.name](self.loss.reduction)
        except ValueError as error:
            raise RecipeError(f"loss.reduction: {error}") from error
        if self.loss.targets == "indices" and not loss.class_indices:
            raise RecipeError(f'loss.targets: {loss.name} takes no class indices. Use "one_hot" or leave it out.')
        if table.outputs not in (None, classes) and (table.outputs != 1 or classes != 2):
            raise RecipeError(
                f"network.outputs: {table.outputs} cannot tell {classes} classes apart. Leave it out, or keep two classes for 1."
            )
        return Model(inputs, tuple(layers), loss)

    def _with_mistakes(self, activation: Activation) -> Activation:
        missing = "missing_relu_mask" in self.mistakes and activation.name == "relu"
        return without_mask(activation) if missing else activation

    def one_hot(self, model: Model) -> bool:
        """Whether targets are rows of 0 and 1 instead of class indices."""
        return self.loss.targets == "one_hot" or not model.loss.class_indices or model.widths[-1] == 1

    def rows_per_batch(self, rows: int) -> int:
        """Batch size for that many training images."""
        size = self.training.batch_size
        return rows if size == "all" else size if isinstance(size, int) else max(1, round(size * rows))

    def build_optimizer(self, convention: Convention) -> Optimizer:
        """The scratch optimizer in that convention."""
        return self.optimizer.build(convention)

    def training_optimizer(self, convention: Convention) -> Optimizer:
        """The one that takes the steps: moments that are kept per example leave plain gradient descent to the backend."""
        optimizer = self.build_optimizer(convention)
        return SGD(optimizer.learning_rate, convention=convention) if PER_EXAMPLE & set(self.mistakes) else optimizer

    def convention_of(self, backend_convention: Convention | None) -> Convention:
        """Which convention a backend is judged against: its own, or the one that the recipe names for all."""
        if self.optimizer.convention != "matched":
            chosen: Convention = self.optimizer.convention
            return chosen
        return backend_convention or "paper"


def _toml_key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() else json.dumps(key)


def _toml_value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_toml_key(key)} = {_toml_value(entry)}" for key, entry in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml_value(entry) for entry in value) + "]"
    # Numbers, strings and booleans are written alike in JSON and TOML, floats as Python does.
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def build_initializer(description: Any) -> Initializer:
    """An initializer from its name, or from a table with its name and arguments; raises ValueError."""
    table = {"name": description} if isinstance(description, str) else description
    if not isinstance(table, dict) or not isinstance(table.get("name"), str):
        raise ValueError(
            f'it should be a name, or a table such as {{ name = "normal", standard_deviation = 0.1 }}, not {description}'
        )
    name = table["name"]
    table = {key: value for key, value in table.items() if key != "name"}
    for key, value in table.items():
        # Draws are rounded to float32, so nothing beyond its range makes sense.
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= LARGEST:
            raise ValueError(f"{key} = {value} is not a number between {-LARGEST:.0e} and {LARGEST:.0e}")
    if name not in INITIALIZERS:
        raise ValueError(f'there is no initializer "{name}"{nearest(str(name), list(INITIALIZERS))}')
    try:
        return INITIALIZERS[name](**table)
    except TypeError as error:
        raise ValueError(f"{name} does not take these arguments: {', '.join(table) or 'none'}") from error


def built_in_recipes() -> dict[str, Path]:
    """The recipes that come with backproof, by name."""
    return {path.stem: path for path in sorted(BUILT_IN.glob("*.toml"))}


def load_recipe(name_or_path: str | Path | Recipe = "default", overrides: dict[str, Any] | None = None) -> Recipe:
    """Read a built-in recipe by name, or a TOML file by path; `overrides` replace entries of its tables.

    A Recipe is taken as it is, but for the overrides: a dictionary by entry for a table, a value for `mistakes` or `title`.
    Raises RecipeError naming the file, the entry, the allowed values and the nearest right spelling.
    """
    if isinstance(name_or_path, Recipe):
        return validate("recipe", name_or_path.model_dump(exclude_none=True), overrides)
    path = built_in_recipes().get(str(name_or_path), Path(name_or_path))
    try:
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        hint = nearest(str(name_or_path), list(built_in_recipes()))
        raise RecipeError(
            f'there is no recipe "{name_or_path}"{hint} Give the path of a TOML file or one of: '
            f"{', '.join(built_in_recipes())}."
        ) from error
    except IsADirectoryError as error:
        raise RecipeError(f"{path}: it is a folder. Give the TOML file in it.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: it cannot be read as text ({error}). Give a TOML file in UTF-8.") from error
    return parse_recipe(path.name, content, overrides)


def parse_recipe(name: str, toml: str, overrides: dict[str, Any] | None = None) -> Recipe:
    """The recipe in a text; `name` stands in errors."""
    try:
        return validate(name, tomllib.loads(toml), overrides)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{name}: it is not valid TOML: {error}.") from error


def validate(name: str, content: dict[str, Any], overrides: dict[str, Any] | None = None) -> Recipe:
    """The recipe of these tables, its phases checked too."""
    for table, entries in (overrides or {}).items():
        if not isinstance(entries, dict):
            content[table] = entries
        elif isinstance(content.setdefault(table, {}), dict):
            content[table].update(entries)
    try:
        recipe = Recipe.model_validate(content)
    except ValidationError as error:
        raise RecipeError(explain(name, Recipe, error)) from error
    try:
        _ = recipe.stages
    except RecipeError as error:
        raise RecipeError(f"{name}: {error}") from error
    return recipe
