"""A model with what it takes to play with it: the test digits of its data set, and how a drawing becomes one of them."""

import math
import secrets
from dataclasses import dataclass
from pathlib import Path

from comparisons.datasets import Dataset, load_dataset
from comparisons.playing.drawing import Frame, frame_of
from comparisons.playing.duel import Duel, Machine
from comparisons.trained import TrainedModel


class PlayError(Exception):
    """The model cannot be played with like this. The message is one sentence on what is wrong and one on what to do."""


@dataclass(frozen=True)
class Game:
    """Everything that is decided before the first digit."""

    model: TrainedModel
    title: str
    data: Dataset
    """With the model's labels only, in their order; images in [0, 1]."""
    frame: Frame
    seed: int

    def duel(self, machine: Machine) -> Duel:
        """A duel against that machine; the same seed deals the same digits."""
        return Duel(self.data, machine, self.seed)


def prepare(path: Path, name: str | None = None, data_dir: Path | None = None, seed: int | None = None) -> Game:
    """The game with the model in a file, on the test digits of the named data set or of the model's own; a seed is drawn if need be.

    Raises ModelFileError, DataError, or PlayError where images and model do not fit.
    """
    model = TrainedModel.load(path)
    data = load_dataset(name or model.recipe.data.name, data_dir).select(classes=model.labels)
    inputs, pixels = model.model.inputs, data.test_images.shape[1]
    if pixels != inputs:
        raise PlayError(
            f"the images of {data.name} have {pixels} pixels, but the model takes {inputs}. Choose others with --data."
        )
    frame = frame_of(data.name, math.isqrt(pixels))
    return Game(model, model.recipe.title or path.stem, data, frame, secrets.randbelow(10**6) if seed is None else seed)
