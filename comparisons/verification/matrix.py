"""Running the matrix: which tasks there are, one after the other, each saved when it is done and not run twice."""

import contextlib
import difflib
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from backends import Backend, BackendUnavailable, NotOffered, backend_names, load_backend
from comparisons.ledger import Difference, explanations
from comparisons.verification.cells import KINDS, RIGHT, Cell, Effort, Task, fits
from comparisons.verification.initializers import initializer_cells
from comparisons.verification.losses import loss_cells
from comparisons.verification.networks import activation_cells, layer_cells
from comparisons.verification.optimizers import optimizer_cells
from comparisons.verification.schedules import schedule_cells
from scratch.activations import ACTIVATIONS
from scratch.initializers import INITIALIZERS
from scratch.layers import LAYERS
from scratch.losses import LOSSES
from scratch.optimizers import OPTIMIZERS
from scratch.schedules import SCHEDULES

REGISTRIES: dict[str, Mapping[str, Any]] = {
    "activation": ACTIVATIONS,
    "layer": LAYERS,
    "loss": LOSSES,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "initializer": INITIALIZERS,
}
RUNNERS: dict[str, Callable[[Task, Backend, Effort], Iterator[Cell]]] = {
    "activation": activation_cells,
    "layer": layer_cells,
    "loss": loss_cells,
    "optimizer": optimizer_cells,
    "schedule": schedule_cells,
    "initializer": initializer_cells,
}
HOUSE = Path(__file__).resolve().parent.parent.parent
Progress = Callable[[Task | None, int, int], None]
"""Called with the task that comes next, the tasks done and their number."""


class VerifyError(Exception):
    """Nothing could be verified. The message says why and what to do."""


@dataclass
class Matrix:
    """Everything that `verify` found."""

    versions: dict[str, str]
    backends: dict[str, str]
    """Names, with what to call them in a sentence."""
    cells: list[Cell] = field(default_factory=list)
    gaps: dict[str, str] = field(default_factory=dict)
    """Tasks that a backend does not offer, with the reason."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Backends that could not be loaded."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Of every task that was run, not taken from an earlier run."""
    unsaved: str = ""
    """Why results could not be kept in the folder; empty where they are."""
    interrupted: bool = False

    def explained(self, cell: Cell) -> list[Difference]:
        """The ledger's entries for a cell that is not right."""
        return [] if cell.verdict in RIGHT else explanations(cell.place, cell.causes, cell.errors)

    @property
    def open(self) -> list[Cell]:
        """Cells that are wrong or inconclusive, and that no entry of the ledger explains."""
        return [cell for cell in self.cells if cell.verdict not in RIGHT and not self.explained(cell)]


def plan(names: Sequence[str], backends: Sequence[str]) -> list[Task]:
    """The tasks whose kind, name or kind/name fits one of the names or patterns; all, where there is none."""
    entries = [(kind, name) for kind, registry in REGISTRIES.items() for name in registry]
    chosen = []
    for kind, name in entries:
        if not names or any(fits(pattern, kind, name) for pattern in names):
            chosen += [Task(kind, name, backend) for backend in backends]
    for pattern in names:
        if not any(fits(pattern, kind, name) for kind, name in entries):
            known = sorted({*KINDS, *(name for _, name in entries)})
            close = difflib.get_close_matches(pattern, known, n=3)
            hint = f"did you mean {' or '.join(close)}?" if close else f"kinds are {', '.join(KINDS)}."
            raise VerifyError(f'nothing is called "{pattern}"; {hint}')
    return chosen


def verify(
    names: Sequence[str] = (),
    *,
    backends: Sequence[str] = ("numpy", "torch", "keras", "jax"),
    effort: Effort | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Matrix:
    """Put every chosen entry on every backend on the ladder.

    With a folder, what is done is kept in it, task by task, and taken from it the next time, as long as backproof's own files
    and the frameworks are the same. Ctrl-C ends it early and keeps what is done. Raises VerifyError.
    """
    effort = effort or Effort()
    tell = progress or (lambda *_: None)
    loaded: dict[str, Backend] = {}
    skipped: dict[str, str] = {}
    tasks = plan(names, list(dict.fromkeys(backends)))
    for name in backends:
        if name not in backend_names():
            close = difflib.get_close_matches(name, backend_names(), n=1)
            hint = f'; did you mean "{close[0]}"?' if close else "."
            raise VerifyError(f'there is no backend "{name}"{hint} Choose from {", ".join(backend_names())}.')
    for name in dict.fromkeys(backends):
        try:
            loaded[name] = load_backend(name)
        except BackendUnavailable as error:
            skipped[name] = str(error)
    if not loaded:
        raise VerifyError(f"no backend is left: {' '.join(skipped.values()) or 'none was named.'}")
    versions = {key: value for backend in loaded.values() for key, value in backend.versions().items()}
    result = Matrix(versions, {name: backend.title for name, backend in loaded.items()}, skipped=skipped)
    store = Store(folder)
    under = {name: circumstances(backend, effort) for name, backend in loaded.items()}
    tasks = [task for task in tasks if task.backend in loaded]
    try:
        for done, task in enumerate(tasks):
            tell(task, done, len(tasks))
            record = store.find(task, under[task.backend])
            if record is None:
                start = time.perf_counter()
                record = run(task, loaded[task.backend], effort)
                result.seconds[str(task)] = time.perf_counter() - start
                result.unsaved = result.unsaved or store.save(task, under[task.backend], record)
            if record["gap"]:
                result.gaps[str(task)] = record["gap"]
            result.cells += [Cell.from_dict(data) for data in record["cells"]]
        tell(None, len(tasks), len(tasks))
    except KeyboardInterrupt:
        result.interrupted = True
    return result


def run(task: Task, backend: Backend, effort: Effort) -> dict[str, Any]:
    """The cells of one task as plain data, or why there are none."""
    reason = backend.gaps.get(f"{task.kind}/{task.name}", "")
    cells: list[Cell] = []
    if not reason:
        try:
            with np.errstate(all="ignore"):  # what is not finite is told by the verdicts
                cells = list(RUNNERS[task.kind](task, backend, effort))
        except NotOffered as error:
            reason = str(error)
        except Exception as error:  # a backend fails in any way it likes, and the other tasks must not suffer from it
            why = f"it failed: {type(error).__name__}: {error}"
            cells = [Cell(task.kind, task.name, task.backend, backend.convention or "paper", "run", "inconclusive", reason=why)]
    return {"gap": reason, "cells": [cell.to_dict() for cell in cells]}


@cache
def sources() -> str:
    """A digest of backproof's own files: what was computed by other code is not taken over."""
    digest = hashlib.sha256()
    for room in ("scratch", "backends", "comparisons"):
        for path in sorted((HOUSE / room).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


class Store:
    """What is done, a line of JSON per task with a digest of the circumstances; lines of other circumstances are left alone."""

    def __init__(self, folder: Path | None) -> None:
        self.path = None if folder is None else folder / "cells.jsonl"
        self._known: dict[tuple[str, str], dict[str, Any]] = {}
        if self.path is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab"):
                pass
            lines = self.path.read_bytes().decode("utf-8", errors="replace").splitlines()
        except OSError as error:
            raise VerifyError(f"{self.path} cannot be written: {error.strerror}. Choose another folder with --out.") from error
        for line in lines:
            with contextlib.suppress(ValueError, KeyError, TypeError):  # the line that a kill cut short
                record = json.loads(line)
                self._known[record["task"], record["under"]] = record

    def find(self, task: Task, under: str) -> dict[str, Any] | None:
        """What that task gave under these circumstances."""
        return self._known.get((str(task), under))

    def save(self, task: Task, under: str, record: dict[str, Any]) -> str:
        """Append what one task gave; returns why that failed, if it did."""
        if self.path is None:
            return ""
        try:
            with self.path.open("a", encoding="utf-8") as file:
                # A line that a kill cut short must not swallow this one.
                file.write("\n" + json.dumps({"task": str(task), "under": under, **record}) + "\n")
        except OSError as error:
            return f"{self.path} cannot be written any more: {error.strerror}. The results are complete, but not kept."
        return ""


def circumstances(backend: Backend, effort: Effort) -> str:
    """A digest of everything that decides a backend's cells: versions, the effort, our own files and the backend's."""
    package = type(backend).__module__.split(".")[0]
    spec = find_spec(package)
    folders = list(spec.submodule_search_locations or []) if spec else []
    own = (
        sorted(path for folder in folders for path in Path(folder).rglob("*.py")) or [Path(spec.origin)]
        if spec and spec.origin
        else []
    )
    digest = hashlib.sha256(sources().encode())
    for path in own:
        digest.update(path.read_bytes())
    reference = {name: version(name) for name in ("numpy", "numpy-quaddtype")}
    digest.update(json.dumps([backend.versions(), reference, vars(effort)], sort_keys=True).encode())
    return digest.hexdigest()[:16]
