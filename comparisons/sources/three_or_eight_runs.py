"""The runs of source 004 that the parts of its reproduction share, and what it told and printed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from comparisons.datasets import Dataset
from comparisons.recipe import load_recipe
from comparisons.sources.reproduction import Settings, trained
from comparisons.trained import TrainedModel
from comparisons.trainer import Trainer
from comparisons.training import classify
from scratch.arrays import Array

NETWORK, LOGISTIC = "004-three-or-eight", "004-logistic"
CLASSES = (8, 3)
IMAGES = {"training": 11_982, "test": 1_984}
PROGRAMS = {NETWORK: "mlp_784_100_100_2_1", LOGISTIC: "logistic_784_1"}
SEEDS = 5
QUICK = 2
"""Epochs of a quick run."""
COMMAND = "backproof reproduce 004"


@dataclass(frozen=True)
class Run:
    """What one training left."""

    history: list[dict[str, Any]]
    """The records of its epochs; the first seed of the network has the losses of its batches, too."""
    trained: TrainedModel
    right: Mapping[str, int]
    """How many training and test images it gets right at the end."""

    @property
    def accuracy(self) -> float:
        """On training and test images together."""
        return sum(self.right.values()) / sum(IMAGES.values())

    def column(self, key: str) -> Array:
        """An entry of the records, (epochs,)."""
        values: Array = np.array([record[key] for record in self.history], dtype=np.float64)
        return values


@dataclass
class Study:
    """The runs, which the parts of the reproduction share."""

    settings: Settings
    data: Dataset
    printed: pd.DataFrame
    runs: dict[str, list[Run]] = field(default_factory=lambda: {NETWORK: [], LOGISTIC: []})
    """One per seed."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """Those of every figure that depends on chance."""
        return tuple(range(1 if self.settings.quick else self.settings.seeds or SEEDS))

    @property
    def epochs(self) -> int:
        """Of every run that is not cut short."""
        return QUICK if self.settings.quick else load_recipe(NETWORK).epochs

    def column(self, recipe: str, name: str) -> Array:
        """A printed column, (epochs,)."""
        rows = self.printed[self.printed["program"] == PROGRAMS[recipe]]
        values: Array = rows[name].astype(float).to_numpy()
        return values

    def train(
        self,
        recipe: str,
        seed: int,
        stage: str,
        *,
        backend: str = "numpy",
        epochs: int | None = None,
        tables: Mapping[str, Any] | None = None,
    ) -> Run:
        """One training, called `stage` in the progress; `tables` are overrides of the recipe."""
        epochs = min(epochs or self.epochs, self.epochs)
        overrides = {**(tables or {}), "training": {"seed": seed, "epochs": epochs}}
        name = f"{stage}, seed {seed}, {epochs} epochs"
        measure = _batch_losses if (recipe, stage, seed) == (NETWORK, NETWORK, 0) else lambda _: {}
        trainer = trained(self.settings, recipe, name, backend=backend, overrides=overrides, data=self.data, measure=measure)
        if trainer.recipe.loss.reduction == "sum":  # comparable with a mean again
            for record in trainer.history:
                record["loss"] *= record["batches"] / len(trainer.data.train_labels)
        right = {}
        parts = {
            "training": (trainer.data.train_images, trainer.data.train_labels),
            "test": (trainer.data.test_images, trainer.data.test_labels),
        }
        for part, (images, labels) in parts.items():
            output = trainer.twin.predict(images.astype(trainer.dtype))
            right[part] = int((classify(trainer.model, output) == labels).sum())
        return Run(trainer.history, trainer.trained(), right)


def _batch_losses(trainer: Trainer) -> dict[str, list[float]]:
    """For the picture of them."""
    return {"batch_losses": trainer.batch_losses}


def threes_and_eights(data: Dataset) -> Dataset:
    """The images of the two classes alone, so that a run per seed does not copy all ten."""
    train, test = np.isin(data.train_labels, CLASSES), np.isin(data.test_labels, CLASSES)
    return replace(
        data,
        train_images=data.train_images[train],
        train_labels=data.train_labels[train],
        test_images=data.test_images[test],
        test_labels=data.test_labels[test],
    )
