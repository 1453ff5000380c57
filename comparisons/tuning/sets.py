"""From a recipe's `[tune]` table to the sets of hyperparameters that are tried, and each set's recipe."""

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from comparisons.recipe import Recipe, RecipeError, load_recipe
from comparisons.tuning.table import Range, TuneTable


@dataclass(frozen=True)
class HyperparameterSet:
    """One point of the search."""

    number: int
    """From 1."""
    values: dict[str, Any]
    """By the entry's path."""

    def recipe(self, base: Recipe) -> Recipe:
        """The recipe with these values; raises RecipeError naming the set's entry that does not fit."""
        overrides: dict[str, dict[str, Any]] = {}
        for path, value in self.values.items():
            table, entry = path.split(".")
            overrides.setdefault(table, {})[entry] = value
        try:
            return load_recipe(base, overrides)
        except RecipeError as error:
            raise RecipeError(f"tune.space: {str(error).removeprefix('recipe: ')}") from error


def hyperparameter_sets(table: TuneTable) -> list[HyperparameterSet]:
    """All combinations of the lists, the last entry changing fastest; or as many as `sets` says, drawn with the table's seed."""
    if table.search == "grid":
        lists = [choices for choices in table.space.values() if not isinstance(choices, Range)]
        points = [dict(zip(table.space, values, strict=True)) for values in itertools.product(*lists)]
    else:
        rng = np.random.default_rng(table.seed)
        points = [{path: draw(choices, rng) for path, choices in table.space.items()} for _ in range(table.sets)]
    return [HyperparameterSet(number, values) for number, values in enumerate(points, start=1)]


def draw(choices: tuple[Any, ...] | Range, rng: np.random.Generator) -> Any:
    """One of the values, or a number between the bounds; whole numbers include both bounds."""
    if not isinstance(choices, Range):
        return choices[int(rng.integers(len(choices)))]
    # Every whole number is the middle of an interval of its own.
    low, high = (choices.low - 0.5, choices.high + 0.5) if choices.integer else (choices.low, choices.high)
    if choices.log:
        low = max(low, choices.low / 2)
        number = math.exp(rng.uniform(math.log(low), math.log(high)))
    else:
        number = float(rng.uniform(low, high))
    return int(min(max(round(number), choices.low), choices.high)) if choices.integer else number
