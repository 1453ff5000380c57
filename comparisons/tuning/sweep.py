"""A sweep from beginning to end: sets, tasks, workers, what is kept, and the tables that come of it."""

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from comparisons.datasets import Dataset
from comparisons.recipe import Recipe, load_recipe
from comparisons.tuning.sets import HyperparameterSet, hyperparameter_sets
from comparisons.tuning.store import Store, TuneError
from comparisons.tuning.tasks import STACKED, Row, data_of, plan
from comparisons.tuning.workers import on_a_cluster, on_this_machine

Progress = Callable[[int, int, int], None]
"""Called with the runs that are done, their number, and how many of them were found done."""


@dataclass
class Sweep:
    """Everything that `tune` found."""

    recipe: Recipe
    sets: list[HyperparameterSet]
    seeds: int
    rows: list[Row] = field(default_factory=list)
    found: int = 0
    """Runs that an earlier sweep in the same folder had done."""
    stacked: int = 0
    """Runs that were planned side by side with others."""
    tested: int = 0
    """Test images, on which accuracies are measured."""
    seconds: float = 0.0
    workers: str = ""
    """Who worked on it, in words."""
    interrupted: bool = False

    @property
    def planned(self) -> int:
        """Number of runs."""
        return len(self.sets) * self.seeds

    @property
    def paths(self) -> list[str]:
        """The entries that are searched."""
        return list(self.recipe.tune.space)

    @property
    def judge(self) -> str:
        """The column that decides which is best: the cost on images that no later figure rests on, where the recipe keeps some."""
        return "validation_cost" if self.recipe.data.validation else "cost"

    def runs(self) -> pd.DataFrame:
        """A row per run: its set, the values of that set, its seed, cost and accuracy on the test images."""
        values = {point.number: {path: _cell(value) for path, value in point.values.items()} for point in self.sets}
        rows = [{"set": row["set"], **values[row["set"]], **row} for row in self.rows]
        columns = ["set", *self.paths, "seed", "cost", "accuracy"]
        frame = pd.DataFrame(rows, columns=list(dict.fromkeys([*columns, *(key for row in rows for key in row)])))
        numbers = [name for name in frame if name.endswith(("cost", "accuracy"))]
        frame[numbers] = frame[numbers].astype(float)
        return frame.sort_values(["set", "seed"], ignore_index=True)

    def table(self) -> pd.DataFrame:
        """A row per set, best first: the lowest cost with its seed and accuracy, and mean and spread over the seeds.

        The spread is the standard deviation of a sample; runs that diverged are counted and left out of both.
        """
        rows = []
        for number, runs in self.runs().groupby("set"):
            finite = runs[np.isfinite(runs[self.judge])]
            best = finite.loc[finite[self.judge].idxmin()] if len(finite) else None
            row: dict[str, Any] = {"set": number, **{path: runs.iloc[0][path] for path in self.paths}}
            for name in dict.fromkeys([self.judge, "cost", "accuracy"]):
                row[f"best_{name}"] = float("nan") if best is None else best[name]
            row["best_seed"] = None if best is None else int(best["seed"])
            for name in dict.fromkeys([self.judge, "cost", "accuracy"]):
                row[f"mean_{name}"], row[f"spread_{name}"] = finite[name].mean(), finite[name].std(ddof=1)
            rows.append(row | {"runs": len(runs), "diverged": len(runs) - len(finite)})
        if not rows:
            return pd.DataFrame()
        table = pd.DataFrame(rows).astype({"best_seed": "Int64"})
        return table.sort_values([f"best_{self.judge}", "set"], ignore_index=True, na_position="last")

    def write(self, folder: Path) -> None:
        """Both tables as CSV and Parquet. Raises OSError."""
        for name, frame in (("sets", self.table()), ("runs", self.runs())):
            frame.to_csv(folder / f"{name}.csv", index=False)
            frame.to_parquet(folder / f"{name}.parquet", index=False)


def tune(
    recipe: str | Path | Recipe,
    *,
    seeds: int | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    folder: Path,
    data_dir: str | Path | None = None,
    overrides: dict[str, Any] | None = None,
    progress: Progress = lambda *_: None,
) -> Sweep:
    """Train every set of a recipe's `[tune]` table from every seed.

    What is done is kept in the folder, and not done again by a later call for the same sweep. Ctrl-C ends it early and keeps what
    is done. Raises RecipeError, DataError, TuneError.
    """
    chosen = load_recipe(recipe, overrides)
    seeds = chosen.tune.seeds if seeds is None else seeds
    folder_of_data = None if data_dir is None else str(Path(data_dir).resolve())
    data = data_of(chosen, folder_of_data)
    sets = hyperparameter_sets(chosen.tune)
    tasks = plan(chosen, sets, seeds, data, folder_of_data)
    workers = workers or _cores()
    who = f"the cluster at {cluster}" if cluster else f"{workers} process{'es' if workers > 1 else ''}"
    stacked = sum(len(task.runs) for task in tasks if task.stacked)
    sweep = Sweep(chosen, sets, seeds, stacked=stacked, tested=len(data.test_labels), workers=who)
    store = Store(folder, _identity(chosen, seeds, data))
    start = time.perf_counter()
    try:
        left = [task for task in tasks if task.number not in store.done]
        sweep.found = sum(len(rows) for rows in store.done.values())
        done = sweep.found
        progress(done, sweep.planned, sweep.found)
        if left:
            for task, rows in on_a_cluster(left, cluster) if cluster else on_this_machine(left, workers):
                store.save(task.number, rows)
                done += len(rows)
                progress(done, sweep.planned, sweep.found)
    except KeyboardInterrupt:
        sweep.interrupted = True
    finally:
        store.close()
    sweep.seconds = time.perf_counter() - start
    sweep.rows = [row for number in sorted(store.done) for row in store.done[number]]
    return sweep


def _identity(recipe: Recipe, seeds: int, data: Dataset) -> dict[str, Any]:
    """All that decides the numbers of a sweep, and which runs each of its numbered tasks holds."""
    tables = recipe.model_dump(mode="json", exclude={"title", "source"})
    return {
        **tables,
        "seeds": seeds,
        "images": [len(data.train_images), len(data.test_images), data.checksum],
        "stacked": STACKED,
        "versions": {"backproof": version("backproof"), "numpy": np.__version__, "machine": platform.machine()},
    }


def _cores() -> int:
    """Those that this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cell(value: Any) -> Any:
    """A value as a table has it: lists as text, such as 16-16."""
    return "-".join(map(str, value)) if isinstance(value, list | tuple) else value


__all__ = ["Sweep", "TuneError", "tune"]
