"""The `[tune]` table of a recipe: which hyperparameters are searched, how, and how often each set is trained."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Range(_Table):
    """Numbers between two bounds, evenly, or evenly on a logarithmic axis; whole ones where asked for."""

    low: float
    high: float
    log: bool = False
    integer: bool = False


Choices: TypeAlias = tuple[Any, ...]
"""The values of an entry that are tried."""

RANGE = "{ low = 0.001, high = 0.1, log = true }"
SEARCHED = ("network", "loss", "optimizer", "schedule", "training")
"""The tables of a recipe whose entries can be searched."""


class TuneTable(_Table):
    """The search, such as `space = { optimizer.learning_rate = [0.001, 0.003], training.batch_size = [32, 64] }`."""

    search: Literal["grid", "random"] = "grid"
    """Every combination of the lists, or `sets` combinations drawn from lists and ranges."""
    sets: Annotated[int, Field(ge=1)] = 50
    """Of a random search."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Decides what a random search draws."""
    seeds: Annotated[int, Field(ge=1)] = 10
    """Every set is trained from the seeds 0, 1, ... A seed decides the initial parameters; the order of the images is that of
    `training.seed` in every run, so that runs can share their batches."""
    space: dict[str, Choices | Range] = {}
    """By the path of the entry in the recipe, such as "optimizer.learning_rate": a list, or a table with low and high."""

    @field_validator("space", mode="before")
    @classmethod
    def _by_path(cls, value: Any) -> Any:
        """TOML reads optimizer.learning_rate = [...] as a table in a table; a path in quotes means the same."""
        if not isinstance(value, Mapping):
            return value
        space = dict(_flat(value))
        for path, choices in space.items():
            table = path.split(".")[0]
            if path.count(".") != 1 or table not in SEARCHED or path == "training.seed":
                raise ValueError(
                    f'"{path}" cannot be searched. Give the path of an entry of {", ".join(SEARCHED)}, such as '
                    "optimizer.learning_rate"
                )
            if isinstance(choices, list | tuple):
                if not choices or any(choices.count(choice) > 1 for choice in choices):
                    raise ValueError(f"{path} = {list(choices)} cannot be searched. List one value or more, each of them once")
            elif isinstance(choices, Mapping):
                _check_range(path, choices)
            else:
                raise ValueError(f"{path} = {choices} is one value. Give a list, or a range such as {RANGE}")
        return space

    @model_validator(mode="after")
    def _grid_of_lists(self) -> "TuneTable":
        ranges = [path for path, choices in self.space.items() if isinstance(choices, Range)]
        if self.search == "grid" and ranges:
            raise ValueError(f'{ranges[0]} is a range, and a grid needs lists. Give a list, or set search = "random"')
        return self


def _flat(tables: Mapping[str, Any], prefix: str = "") -> Any:
    for name, value in tables.items():
        if isinstance(value, Mapping) and not {"low", "high"} & set(value):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _check_range(path: str, table: Mapping[str, Any]) -> None:
    """Raise ValueError for a range that cannot be; said here, where a union of a list and a range would be explained twice."""
    numbers = [table.get(bound) for bound in ("low", "high")]
    whole = all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers)
    flags = all(isinstance(table.get(flag, False), bool) for flag in ("log", "integer"))
    if not whole or not flags or not set(table) <= set(Range.model_fields):
        raise ValueError(f"{path}: a range has the numbers low and high, and log and integer as true or false, such as {RANGE}")
    low, high = table["low"], table["high"]
    if not low < high:
        raise ValueError(f"{path}: low = {low} is not below high = {high}. Exchange them, or list the values")
    if table.get("log") and low <= 0:
        raise ValueError(f"{path}: low = {low} has no logarithm. Give a number above 0, or log = false")
