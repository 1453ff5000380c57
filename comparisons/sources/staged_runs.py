"""The runs of source 000 that its report shares: every backend and seed, and what the network was after every epoch of one."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from comparisons.datasets import Dataset
from comparisons.recipe import Recipe, load_recipe
from comparisons.sources.easy_batches import Snapshot
from comparisons.sources.reproduction import Settings
from comparisons.trainer import Trainer
from scratch.arrays import Array

STAGED, SECOND = "000-staged", "000-second-attempt"
COMMAND = "backproof reproduce 000"
SEEDS = 3
SHARE = 0.02
"""Of the images in a batch, as told."""


@dataclass(frozen=True)
class Moment:
    """A network after an epoch."""

    record: dict[str, Any]
    snapshot: Snapshot
    """With the logits as its outputs, whatever the stage trains."""


@dataclass
class Study:
    """The runs, which the parts of the reproduction share."""

    settings: Settings
    data: Dataset
    runs: dict[str, list[list[dict[str, Any]]]] = field(default_factory=dict)
    """The records of every epoch, one list per seed, by backend."""
    moments: dict[str, list[Moment]] = field(default_factory=dict)
    """Those of the first seed's run in NumPy, by recipe."""
    absent: list[str] = field(default_factory=list)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Those of every figure that depends on chance."""
        return tuple(range(1 if self.settings.quick else self.settings.seeds or SEEDS))

    @property
    def size(self) -> int:
        """Images in a batch of the told share."""
        return max(2, round(SHARE * len(self.data.train_labels)))

    @cached_property
    def images(self) -> Array:
        """Of the training, (images, pixels), in float32."""
        return self.data.train_images.astype(np.float32)

    @cached_property
    def targets(self) -> Array:
        """(images, classes) of 0 and 1, in float32."""
        return np.eye(self.data.classes, dtype=np.float32)[self.data.train_labels]

    def recipe(self, name: str) -> Recipe:
        """As it is, or with one epoch of each phase."""
        recipe = load_recipe(name)
        if not self.settings.quick:
            return recipe
        phases = [{**phase.model_dump(exclude_none=True), "epochs": 1} for phase in recipe.phases]
        return load_recipe(recipe, {"phases": phases})

    def train(self, name: str, backend: str, seed: int) -> list[dict[str, Any]]:
        """The records of one run; NumPy's first seed leaves its moments too."""
        recipe = load_recipe(self.recipe(name), {"training": {"seed": seed}})
        trainer = Trainer(recipe, backend=backend, data=self.data)
        kept: list[Moment] = []
        # The logits' model has the parameters of all stages: a sigmoid and a dropout layer have none.
        logits = recipe.stages[1].model(self.data.train_images.shape[1], self.data.classes)

        def after(record: dict[str, Any]) -> None:
            kept.append(Moment(record, Snapshot(logits, trainer.twin.parameters(), trainer.twin.state())))
            self.settings.progress(f"000: {name}, {trainer.backend.title}, seed {seed}", record["epoch"], trainer.epochs)

        trainer.run(after)
        if backend == "numpy" and seed == 0:
            self.moments[name] = kept
        return trainer.history

    def moment(self, name: str, phase: int) -> Moment:
        """The last one of a phase."""
        return [moment for moment in self.moments[name] if moment.record["phase"] == phase][-1]
