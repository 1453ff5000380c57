"""The ledger: every known difference between the frameworks and from the papers, as data plus prose plus a reproducer.

The entries are TOML files in `differences/`, one per topic. Each is a test as well: its reproducer, which imports only
frameworks, must print what the entry says, so that an entry fails when a framework changes.
"""

import difflib
import tomllib
from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

FOLDER = Path(__file__).parent / "differences"
Kind = Literal["activation", "layer", "loss", "optimizer", "schedule", "initializer", "runtime"]


class LedgerError(Exception):
    """There is no such entry. The message names the nearest ones."""


class Difference(BaseModel):
    """One difference: what, how large, where, who follows the paper, how to align, and five lines that show it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """As in `backproof ledger NAME`: lower case, words joined by hyphens."""
    kind: Kind
    about: tuple[str, ...] = Field(min_length=1)
    """Names of the operations concerned, as in scratch's registries: `backproof ledger adam` finds them."""
    title: str
    """One sentence that says the difference."""
    what: str
    """What each side computes, with formulas."""
    size: str
    """How large, as the reproducer measures it."""
    sources: dict[str, str] = Field(min_length=1)
    """Where in each framework's source, by framework: file and function."""
    paper: str
    """Who follows the paper, and which paper that is; or that there is none."""
    align: str
    """What to write so that both sides agree."""
    reproducer: str
    """A program that imports only frameworks (and NumPy) and prints the difference."""
    prints: str
    """What the reproducer prints, to the letter."""
    choices: tuple[str, ...] = ()
    """The names of scratch's choices for it (`scratch.optimizers.CHOICES`), where there are some."""
    cells: tuple[str, ...] = ()
    """Cells of `backproof verify` in which it shows, as patterns of kind/name/backend/convention/quantity."""
    largest: float | None = None
    """The largest error that it explains, relative, in float64; None for one of any size. A bound keeps another mistake in the same
    place from hiding behind the entry; where a pattern names a framework's own convention there must be one."""
    reports: tuple[str, ...] = ()
    """Where people met it, such as keras#17391."""

    def concerns(self, cell: str) -> bool:
        """Whether it explains what that cell of the matrix shows."""
        return any(fnmatchcase(cell, pattern) for pattern in self.cells)


@cache
def ledger() -> dict[str, Difference]:
    """All entries by name, in the order of the files."""
    entries = {}
    for path in sorted(FOLDER.glob("*.toml")):
        for name, table in tomllib.loads(path.read_text(encoding="utf-8")).items():
            entries[name] = Difference.model_validate({"name": name, **table})
    return entries


def explanations(cell: str, choices: Collection[str] = (), errors: Mapping[str, float] | None = None) -> list[Difference]:
    """The entries that explain what a cell of the matrix shows: by its place, or by choices that the ladder has confirmed."""
    error = max((errors or {}).get(name, 0.0) for name in ("float64", "difference"))
    return [
        entry
        for entry in ledger().values()
        if set(choices) & set(entry.choices)
        or (entry.concerns(cell) and not (entry.largest is not None and error > entry.largest))
    ]


def find(name: str) -> list[Difference]:
    """The entry of that name, or all that concern the operation or kind of that name; raises LedgerError."""
    entries = ledger()
    name = name.lower()
    if name in entries:
        return [entries[name]]
    found = [entry for entry in entries.values() if name == entry.kind or name in entry.about]
    if not found:
        known = sorted({*entries, *(word for entry in entries.values() for word in (entry.kind, *entry.about))})
        close = difflib.get_close_matches(name, known, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "backproof ledger lists them all."
        raise LedgerError(f'the ledger has nothing about "{name}"; {hint}')
    return found
