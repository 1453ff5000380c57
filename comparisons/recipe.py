"""Recipes: what to train, as a TOML file that is checked before anything runs."""

import difflib
import itertools
import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from comparisons.datasets import DATASETS
from scratch.activations import ACTIVATIONS
from scratch.initializers import INITIALIZERS, Initializer
from scratch.layers import Dense, Layer
from scratch.losses import LOSSES, REDUCTIONS
from scratch.model import Model
from scratch.optimizers import CONVENTIONS, OPTIMIZERS, Convention, Optimizer

BUILT_IN = Path(__file__).parent / "recipes"
COMPARED_OPTIMIZERS = ("sgd", "momentum", "nesterov", "adam")
"""Those that every comparison replays; a recipe may train with any."""

LARGEST = 1e38
Positive = Annotated[int, Field(ge=1)]


class RecipeError(Exception):
    """The recipe cannot be used. The message says where, what is wrong and what would be right."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataTable(_Table):
    """Which digits."""

    name: Literal[DATASETS] = "mnist-5k"  # type: ignore[valid-type]


class NetworkTable(_Table):
    """The layers between the pixels and the classes."""

    hidden: tuple[Positive, ...] = (16, 16)
    activation: Literal[tuple(ACTIVATIONS)] = "relu"  # type: ignore[valid-type]
    output: Literal[tuple(ACTIVATIONS)] = "linear"  # type: ignore[valid-type]
    initializer: Any = "he_normal"
    """A name, or a table with a name and the initializer's own numbers."""
    bias: bool = True

    @field_validator("initializer")
    @classmethod
    def _buildable(cls, value: Any) -> Any:
        build_initializer(value)
        return value


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
    beta_1: Annotated[float, Field(ge=0, lt=1)] | None = None
    beta_2: Annotated[float, Field(ge=0, lt=1)] | None = None
    epsilon: Annotated[float, Field(ge=0, le=LARGEST)] | None = None
    convention: Literal[("matched", *CONVENTIONS)] = "matched"  # type: ignore[valid-type]


class TrainingTable(_Table):
    """How long, and at which precision."""

    epochs: Positive = 3
    batch_size: Positive = 32
    seed: Annotated[int, Field(ge=0)] = 0
    dtype: Literal["float32", "float64", "both"] = "both"


class Recipe(_Table):
    """A complete description of a run. Everything has a default."""

    title: str = ""
    data: DataTable = DataTable()
    network: NetworkTable = NetworkTable()
    loss: LossTable = LossTable()
    optimizer: OptimizerTable = OptimizerTable()
    training: TrainingTable = TrainingTable()

    def to_toml(self) -> str:
        """The recipe as a file that `load_recipe` reads back, defaults and overrides written out."""
        tables = self.model_dump(exclude_none=True)
        lines = [f"title = {json.dumps(tables.pop('title'), ensure_ascii=False)}"]
        for name, entries in tables.items():
            lines += ["", f"[{name}]", *(f"{key} = {_toml_value(value)}" for key, value in entries.items())]
        return "\n".join(lines) + "\n"

    def model(self, inputs: int, classes: int) -> Model:
        """The scratch model for data of that many pixels and classes."""
        initializer = build_initializer(self.network.initializer)
        widths = [inputs, *self.network.hidden, classes]
        layers: list[Layer] = []
        for index, (fan_in, fan_out) in enumerate(itertools.pairwise(widths)):
            last = index == len(widths) - 2
            activation = ACTIVATIONS[self.network.output if last else self.network.activation]
            layers.append(Dense(fan_in, activation.inputs(fan_out), initializer, bias=self.network.bias))
            if not (last and activation.name == "linear"):
                layers.append(activation)
        try:
            loss = LOSSES[self.loss.name](self.loss.reduction)
        except ValueError as error:
            raise RecipeError(f"loss.reduction: {error}") from error
        if self.loss.targets == "indices" and not loss.class_indices:
            raise RecipeError(f'loss.targets: {loss.name} takes no class indices. Use "one_hot" or leave it out.')
        return Model(inputs, tuple(layers), loss)

    def one_hot(self, model: Model) -> bool:
        """Whether targets are rows of 0 and 1 instead of class indices."""
        return self.loss.targets == "one_hot" or not model.loss.class_indices

    def build_optimizer(self, convention: Convention) -> Optimizer:
        """The scratch optimizer in that convention."""
        return build_optimizer(self.optimizer, convention)

    def convention_of(self, backend_convention: Convention | None) -> Convention:
        """Which convention a backend is judged against: its own, or the one that the recipe names for all."""
        if self.optimizer.convention != "matched":
            chosen: Convention = self.optimizer.convention
            return chosen
        return backend_convention or "paper"


def _toml_value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml_value(entry)}" for key, entry in value.items()) + " }"
    # Numbers, strings, booleans and lists of them are written alike in JSON and TOML, floats as Python does.
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def build_optimizer(table: OptimizerTable, convention: Convention) -> Optimizer:
    """The scratch optimizer that a table describes, in that convention; numbers that it leaves out are the optimizer's own."""
    numbers = table.model_dump(exclude={"name", "convention"}, exclude_none=True)
    return OPTIMIZERS[table.name](**numbers, convention=convention)


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
        raise ValueError(f'there is no initializer "{name}"{_nearest(str(name), list(INITIALIZERS))}')
    try:
        return INITIALIZERS[name](**table)
    except TypeError as error:
        raise ValueError(f"{name} does not take these arguments: {', '.join(table) or 'none'}") from error


def built_in_recipes() -> dict[str, Path]:
    """The recipes that come with backproof, by name."""
    return {path.stem: path for path in sorted(BUILT_IN.glob("*.toml"))}


def load_recipe(name_or_path: str | Path | Recipe = "default", overrides: dict[str, dict[str, Any]] | None = None) -> Recipe:
    """Read a built-in recipe by name, or a TOML file by path; `overrides` replace entries of its tables.

    A Recipe is taken as it is, but for the overrides.

    Raises RecipeError naming the file, the entry, the allowed values and the nearest right spelling.
    """
    if isinstance(name_or_path, Recipe):
        return _validated("recipe", name_or_path.model_dump(exclude_none=True), overrides)
    path = built_in_recipes().get(str(name_or_path), Path(name_or_path))
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        hint = _nearest(str(name_or_path), list(built_in_recipes()))
        raise RecipeError(
            f'there is no recipe "{name_or_path}"{hint} Give the path of a TOML file or one of: '
            f"{', '.join(built_in_recipes())}."
        ) from error
    except IsADirectoryError as error:
        raise RecipeError(f"{path}: it is a folder. Give the TOML file in it.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: it cannot be read as text ({error}). Give a TOML file in UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path}: it is not valid TOML: {error}.") from error
    return _validated(path.name, content, overrides)


def _validated(name: str, content: dict[str, Any], overrides: dict[str, dict[str, Any]] | None) -> Recipe:
    for table, entries in (overrides or {}).items():
        if isinstance(content.setdefault(table, {}), dict):
            content[table].update(entries)
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise RecipeError(_explain(name, error)) from error


def _explain(file: str, error: ValidationError) -> str:
    """The first problem as one line with its path; the number of further ones after it."""
    details = error.errors()
    first = details[0]
    location = [str(part) for part in first["loc"]]
    where = ".".join(location)
    if first["type"] == "extra_forbidden":
        table: Any = Recipe
        for part in location[:-1]:
            table = table.model_fields[part].annotation
        allowed = list(table.model_fields)
        message = f"there is no such entry{_nearest(location[-1], allowed)} Allowed: {', '.join(allowed)}."
    elif first["type"] == "literal_error":
        allowed = [part.strip("' ") for part in first["ctx"]["expected"].replace(" or ", ", ").split(", ")]
        given = json.dumps(first["input"], default=str)
        message = f"{given} is not known{_nearest(str(first['input']), allowed)} Allowed: {', '.join(allowed)}."
    else:
        reason = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        if first["type"] == "less_than_equal":
            reason = f"at most {first['ctx']['le']:g}"
        given = json.dumps(first["input"], default=str)
        kind = "" if first["type"] == "value_error" else f"{given} does not fit; it should be "
        message = f"{kind}{reason}".rstrip(".") + "."
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return f"{file}: {where}: {message}{more}"


def _nearest(word: str, allowed: list[str]) -> str:
    """A question with the nearest right spelling, or a full stop."""
    close = difflib.get_close_matches(word.lower(), allowed, n=1)
    return f'; did you mean "{close[0]}"?' if close else "."
