"""What a reproduction of a source system holds: claims with their figures, curves, audits, pictures and answers."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from comparisons.datasets import Dataset
from comparisons.derivations.files import Checked, check_files
from comparisons.trained import ModelFileError
from comparisons.trainer import Trainer

DERIVATIONS = Path(__file__).parent / "derivations"
PRINTED = Path(__file__).parent / "printed"
SAVE_EVERY = 30.0
"""Seconds after which a run is kept as it is."""

Progress = Callable[[str, int, int], None]
"""Called with the stage, the steps done and their number."""


@dataclass(frozen=True)
class Settings:
    """How a source is run again."""

    data_dir: Path | None = None
    """The folder of MNIST's files; None asks BACKPROOF_MNIST."""
    backends: Sequence[str] = ("numpy", "torch", "keras", "jax")
    seeds: int | None = None
    """Number of seeds for figures that depend on chance; None is each source's own."""
    quick: bool = False
    """A few epochs and one seed of everything: minutes become seconds, and claims that need the whole run are left open."""
    progress: Progress = lambda *_: None
    keep: Path | None = None
    """A folder that keeps the runs of `trained`, so that one that was stopped goes on, and one that is done is not repeated."""


@dataclass(frozen=True)
class Claim:
    """One figure of a source, beside ours."""

    what: str
    printed: str
    """As the source printed or told it."""
    found: str
    """Ours, with its spread over seeds where there is one."""
    holds: bool | None
    """Whether the figure is reached; None where it is left open."""
    criterion: str
    """What has to be so for it to hold, in a sentence."""
    command: str
    """What makes our figure, to be typed as it is."""
    seeds: tuple[int, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Curve:
    """A column of a source over its epochs, printed and found again: one line per name."""

    title: str
    x: str
    y: str
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    """(x, y) by name, such as "printed", "NumPy", "PyTorch", "mended"."""
    command: str
    note: str = ""


@dataclass(frozen=True)
class Picture:
    """A plotly figure as its JSON, with what one sees in it."""

    title: str
    figure: Mapping[str, Any]
    command: str
    note: str = ""


@dataclass(frozen=True)
class Answer:
    """A question that a source left open, answered by measurement."""

    question: str
    answer: str
    table: pd.DataFrame
    command: str


@dataclass
class Reproduction:
    """Everything about one source; a report is made from it alone."""

    source: str
    """000, 001, ..."""
    title: str
    summary: str
    """What was found, in a few sentences."""
    recipes: tuple[str, ...]
    claims: list[Claim] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    """Printed rows beside reproduced ones, by title."""
    audits: list[Checked] = field(default_factory=list)
    """Its derivations, checked and annotated."""
    answers: list[Answer] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    material: dict[str, Any] = field(default_factory=dict)
    """What `reports` draws pictures of, by name; not part of the saved results."""
    data: str = ""
    """Where the digits came from."""
    seconds: float = 0.0
    interrupted: bool = False


Part = tuple[str, Callable[[Reproduction], None]]
"""A part of a reproduction: its name, and what adds it."""


def run_parts(result: Reproduction, parts: Sequence[Part], progress: Progress) -> Reproduction:
    """Add one part after another. Ctrl-C leaves out what is not done yet, and the result says that it was interrupted."""
    began = time.perf_counter()
    try:
        for done, (name, add) in enumerate(parts):
            progress(f"{result.source}: {name}", done, len(parts))
            add(result)
            progress(f"{result.source}: {name}", len(parts), len(parts))  # no longer worked on
    except KeyboardInterrupt:
        result.interrupted = True
    result.seconds = time.perf_counter() - began
    return result


def trained(
    settings: Settings,
    recipe: str,
    name: str,
    *,
    backend: str = "numpy",
    overrides: dict[str, Any] | None = None,
    data: Dataset | None = None,
    measure: Callable[[Trainer], Mapping[str, Any]] = lambda _: {},
) -> Trainer:
    """Train a recipe to its end; `name` tells the run from others in the progress and in `settings.keep`.

    What `measure` finds after an epoch is added to that epoch's record.
    """
    path = settings.keep / f"{name.replace(', ', '-').replace(' ', '-')}.safetensors" if settings.keep else None
    trainer = None
    if path is not None and path.exists():
        try:
            trainer = Trainer.resume(path, recipe, data_dir=settings.data_dir, backend=backend, overrides=overrides, data=data)
        except ModelFileError:
            trainer = None  # what is kept there is of another recipe or of other images, and is written over
    if trainer is None:
        trainer = Trainer(recipe, data_dir=settings.data_dir, backend=backend, overrides=overrides, data=data)
    saved = time.monotonic()
    settings.progress(name, trainer.epoch, trainer.epochs)
    while trainer.epoch < trainer.epochs:
        trainer.run_epoch().update(measure(trainer))
        settings.progress(name, trainer.epoch, trainer.epochs)
        if path is not None and (trainer.epoch == trainer.epochs or time.monotonic() - saved > SAVE_EVERY):
            path.parent.mkdir(parents=True, exist_ok=True)
            trainer.save(path)
            saved = time.monotonic()
    return trainer


def audited(*names: str) -> list[Checked]:
    """The derivation files of those names, checked one by one."""
    return [check_files([DERIVATIONS / f"{name}.py"]) for name in names]


def printed(source: str) -> pd.DataFrame:
    """What a source printed, its numbers as strings with all their digits."""
    return pd.read_csv(PRINTED / f"{source}.csv", dtype=str)
