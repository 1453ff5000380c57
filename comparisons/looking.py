"""Looking at a trained network: what it gets wrong, what its first layer has learned, how its units answer; numbers only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np

from comparisons.activity import Activity, activities, forward, gradient_norms, parameter_sums
from comparisons.datasets import DataError, load_dataset
from comparisons.recipe import Recipe
from comparisons.rule_of_30 import Moved, rule_of_30
from comparisons.trained import TrainedModel, shares
from comparisons.training import classify, targets
from scratch.arrays import Array, Work
from scratch.layers import Dense
from scratch.model import Workspace

MEASURED = 1000
"""Images on which layers and gradients are measured, as during training."""
SHOWN = 2000
"""Points of the plane that are shown, taken evenly from all."""
GRID = 81
"""Places along each side of the plane at which its probabilities are computed."""


@dataclass(frozen=True)
class Mistake:
    """An image that the network gets wrong."""

    index: int
    """Its row among the images looked at."""
    image: Array
    """(side, side) in [0, 1], dark is 0"""
    label: int
    answer: int
    probability: float
    """Of the answer."""
    of_label: float
    """Of the right answer."""
    loss: float
    """Of this image alone."""


@dataclass(frozen=True)
class Plane:
    """The two units of a last hidden layer, as coordinates."""

    labels: tuple[int, ...]
    """What each column of the probabilities stands for."""
    points: Array
    """(points, 2)"""
    classes: Array
    """(points,), places in `labels`"""
    probabilities: Array
    """(points, classes)"""
    x: Array
    """(columns,)"""
    y: Array
    """(rows,)"""
    grid: Array
    """(rows, columns, classes): the network's probabilities at (x, y)"""


@dataclass(frozen=True)
class Look:
    """Everything that the page, the terminal and the JSON show."""

    recipe: Recipe
    source: str
    """Where the images are from."""
    labels: tuple[int, ...]
    widths: tuple[int, ...]
    """Inputs, and the units of every dense layer."""
    confusion: Array
    """(label, answer): numbers of images, in the order of `labels`"""
    loss: float
    """The model's own loss, the mean over images of what each has alone; without penalties."""
    mistakes: tuple[Mistake, ...]
    """Those with the highest loss, worst first."""
    kernels: Array
    """(units, rows, columns): the first dense layer's kernel, one picture per unit; (units, 1, inputs) for no square."""
    layers: tuple[str, ...]
    """The names of all layers, in their order."""
    activities: Mapping[str, Activity]
    """On the first 1,000 images, by layer."""
    gradient_norms: Mapping[str, float]
    """Of the loss of the first 1,000 images, by layer."""
    sums: tuple[float, float]
    """Of all kernels' entries and of all biases'."""
    history: Sequence[Mapping[str, Any]]
    """The records of the epochs."""
    plane: Plane | None
    """Where the last hidden layer has two units."""
    moved: Mapping[tuple[str, str], Moved]
    """The rule of 30 for pairs of accuracies, by what the two are."""

    @property
    def images(self) -> int:
        """Number of images looked at."""
        return int(self.confusion.sum())

    @property
    def right(self) -> int:
        """Number of right answers."""
        return int(np.trace(self.confusion))

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return self.right / self.images

    @property
    def title(self) -> str:
        """The recipe's, or its widths."""
        return self.recipe.title or "-".join(map(str, self.widths))


def look_at_file(path: str | Path, data: str | None = None, data_dir: str | Path | None = None) -> Look:
    """Look at a saved model with the test images of its recipe, or with those of another data set.

    Raises ModelFileError and DataError.
    """
    trained = TrainedModel.load(path)
    table = trained.recipe.data
    dataset = load_dataset(data or table.name, data_dir)
    as_trained = dataset.name == table.name
    # Scaled to [0, 1] here: the model brings its images to its own scale.
    some = dataset.select(classes=trained.labels, test=table.test if as_trained else None)
    return look(trained, some.test_images, some.test_labels, f"{dataset.name} from {dataset.source}", as_trained=as_trained)


def look(
    trained: TrainedModel, images: Array, classes: Array, source: str = "", most: int = 24, as_trained: bool = True
) -> Look:
    """Look at a model with images (rows, pixels) in [0, 1] and their classes (rows,), places in `trained.labels`.

    `most` is the number of mistakes that are kept. `as_trained` says that these are the test images of the training, whose
    accuracies can then be counted in images. Raises DataError for images that are not of the model's size, and for a model that
    gives no finite numbers.
    """
    model = trained.model
    if images.ndim != 2 or images.shape[1] != model.inputs:
        raise DataError(
            f"the model takes images of {_size(model.inputs)} pixels, and these have {_size(images.shape[-1])}. "
            "Look at it with the data that it was trained with."
        )
    if len(images) == 0:
        raise DataError("there are no images to look at. Give a data set that holds the model's classes.")
    z = trained.outputs(images)
    if not np.isfinite(z).all():
        raise DataError(
            "the model's outputs are not finite numbers, so its training has diverged. Train it again with a lower learning rate."
        )
    answers, probabilities, losses = classify(model, z), shares(model, z), row_losses(trained, z, classes)
    confusion = np.zeros((len(trained.labels),) * 2, dtype=np.int64)
    np.add.at(confusion, (classes, answers), 1)
    wrong = np.flatnonzero(answers != classes)
    worst = wrong[np.argsort(-losses[wrong], kind="stable")][:most]
    pictures = _pictures(images)

    def _mistake(index: int) -> Mistake:
        answer, right = answers[index], classes[index]
        return Mistake(
            index=int(index),
            image=pictures[index],
            label=trained.labels[right],
            answer=trained.labels[answer],
            probability=float(probabilities[index, answer]),
            of_label=float(probabilities[index, right]),
            loss=float(losses[index]),
        )

    first = next(layer for layer in model.layers if isinstance(layer, Dense))
    kernel = next(view for path, view in model.views(trained.parameters).items() if path.endswith(".kernel"))
    some, of_some = trained.scaled(images[:MEASURED]), classes[:MEASURED]
    return Look(
        recipe=trained.recipe,
        source=source,
        labels=tuple(trained.labels),
        widths=(model.inputs, *(layer.outputs for layer in model.layers if isinstance(layer, Dense))),
        confusion=confusion,
        loss=float(losses.mean()),
        mistakes=tuple(_mistake(index) for index in worst),
        kernels=_pictures(kernel.T.astype(np.float64)) if first.inputs == model.inputs else np.empty((0, 1, 1)),
        layers=model.layer_names,
        activities=activities(model, trained.parameters, trained.state, some),
        gradient_norms=gradient_norms(model, _gradients(trained, some, of_some)),
        sums=parameter_sums(model, trained.parameters),
        history=trained.history,
        plane=plane(trained, images, classes),
        moved=_moved(trained.history, len(images)) if as_trained else {},
    )


def row_losses(trained: TrainedModel, z: Array, classes: Array) -> Array:
    """The loss of every row of outputs z alone, (rows,): what a batch of this one would have, without penalties."""
    loss = trained.model.loss
    terms = loss.terms(z, _targets(trained, classes), np.empty_like(z), Work.empty(z, *z.shape))
    return np.asarray(np.sum(terms, axis=1) / loss.divisor(1, z.shape[1]), dtype=np.float64)


def plane(trained: TrainedModel, images: Array, classes: Array) -> Plane | None:
    """The plane of a last hidden layer with two units, with some of the images in it; None for other models.

    Around the points a twentieth of their extent is added on every side.
    """
    model = trained.model
    last = max(index for index, layer in enumerate(model.layers) if isinstance(layer, Dense))
    if last == 0 or model.widths[last] != 2:
        return None
    shown = np.unique(np.linspace(0, len(images) - 1, min(SHOWN, len(images))).round().astype(int))
    steps = list(forward(model, trained.parameters, trained.state, trained.scaled(images[shown])))
    points = steps[last].x
    low, high = points.min(axis=0).astype(np.float64), points.max(axis=0).astype(np.float64)
    margin = np.maximum((high - low) / 20, 1e-3)  # units that are dead for all images leave a plane without extent
    x, y = (np.linspace(low[axis] - margin[axis], high[axis] + margin[axis], GRID) for axis in (0, 1))
    everywhere = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    *_, behind = forward(model, trained.parameters, trained.state, everywhere, first=last)
    return Plane(
        labels=tuple(trained.labels),
        points=points.astype(np.float64),
        classes=classes[shown],
        probabilities=shares(model, steps[-1].y),
        x=x,
        y=y,
        grid=shares(model, behind.y).reshape(GRID, GRID, -1),
    )


def _pictures(rows: Array) -> Array:
    """Rows of pixels as squares, (rows, side, side); as single lines where they are none."""
    pixels = rows.shape[1]
    side = isqrt(pixels)
    return rows.reshape(-1, side, side) if side * side == pixels else rows.reshape(-1, 1, pixels)


def _gradients(trained: TrainedModel, scaled: Array, classes: Array) -> Array:
    """Of the loss with its penalties, in inference: without dropout, and with running statistics."""
    gradients = np.zeros_like(trained.parameters)
    workspace = Workspace(trained.model, trained.parameters, gradients, len(scaled), trained.state)
    np.copyto(workspace.input, scaled, casting="same_kind")
    workspace.forward(training=False)
    workspace.loss(_targets(trained, classes))
    workspace.backward(penalty=True)
    return gradients


def _targets(trained: TrainedModel, classes: Array) -> Array:
    """As the loss takes them."""
    model = trained.model
    return targets(classes, model.widths[-1], trained.recipe.stages[-1].one_hot(model), trained.dtype)


def _moved(history: Sequence[Mapping[str, Any]], images: int) -> dict[tuple[str, str], Moved]:
    """Which accuracies of the training stand side by side: neighbouring epochs, the best one, the ends of phases."""
    found = [record for record in history if record.get("test_accuracy") is not None]
    if len(found) < 2:
        return {}
    last, before, best = found[-1], found[-2], max(found, key=lambda record: record["test_accuracy"])
    ends = {record.get("phase", 0): record for record in found}
    pairs = [(_epoch(before), before, _epoch(last), last), (_epoch(best), best, _epoch(last), last)]
    for (phase, end), (next_phase, next_end) in zip(list(ends.items())[:-1], list(ends.items())[1:], strict=True):
        pairs.append((f"the end of phase {phase + 1}", end, f"that of phase {next_phase + 1}", next_end))
    return {
        (first, second): rule_of_30(one["test_accuracy"], other["test_accuracy"], images)
        for first, one, second, other in pairs
        if one is not other
    }


def _epoch(record: Mapping[str, Any]) -> str:
    return f"epoch {record['epoch']}"


def _size(pixels: int) -> str:
    side = isqrt(pixels)
    return f"{side} x {side}" if side * side == pixels else str(pixels)
