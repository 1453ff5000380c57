"""The ledger in words and in JSON: what the terminal, the page and the Markdown all say."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, get_args

from comparisons.ledger import Difference, Kind
from comparisons.reproducing import Outcome, Reproduced
from reports.derivations_text import listed

SYMBOLS = {"same": "✓", "differs": "✗", "late": "?", "skipped": "–"}
TITLES: dict[Kind, str] = {
    "activation": "Activations",
    "layer": "Layers",
    "loss": "Losses",
    "optimizer": "Optimizers",
    "schedule": "Schedules",
    "initializer": "Initializers",
    "runtime": "Run time",
}
FRAMEWORKS = {"keras": "Keras", "tensorflow": "TensorFlow", "torch": "PyTorch", "jax": "JAX", "numpy": "NumPy"}
"""How a framework writes itself; the others write themselves as their modules are called."""
TRACKERS = {
    "keras": "keras-team/keras",
    "keras-hub": "keras-team/keras-hub",
    "tensorflow": "tensorflow/tensorflow",
    "pytorch": "pytorch/pytorch",
    "jax": "jax-ml/jax",
    "optax": "google-deepmind/optax",
}
"""Where the threads of `reports` are on GitHub."""


def grouped(entries: Iterable[Difference]) -> dict[Kind, list[Difference]]:
    """The entries by kind, in the order in which a network is built; kinds without any are left out."""
    entries = list(entries)
    groups: dict[Kind, list[Difference]] = {kind: [one for one in entries if one.kind == kind] for kind in get_args(Kind)}
    return {kind: group for kind, group in groups.items() if group}


def paragraphs(text: str) -> list[str]:
    """Prose without the line breaks of its file. A blank line ends a paragraph; an indented line or a list's item is one."""
    found: list[str] = []
    fresh = True
    for line in text.strip("\n").splitlines():
        own = line.startswith((" ", "- "))
        if line.strip() and (fresh or own):
            found.append(line.rstrip())
        elif line.strip():
            found[-1] += f" {line.strip()}"
        fresh = not line.strip() or line.startswith(" ")
    return found


def facts(entry: Difference) -> list[tuple[str, str]]:
    """What is said about an entry beside what each side computes, in the order in which one asks."""
    return [("how large", entry.size), ("the paper", entry.paper), ("to align", entry.align)]


def sources(entry: Difference) -> list[tuple[str, str]]:
    """(framework, file and function)."""
    return [(FRAMEWORKS.get(name, name), place) for name, place in entry.sources.items()]


def link(report: str) -> str | None:
    """The address of a report such as keras#17391."""
    found = re.fullmatch(r"([\w-]+)#(\d+)", report)
    return f"https://github.com/{TRACKERS[found[1]]}/issues/{found[2]}" if found and found[1] in TRACKERS else None


def outcome_sentence(outcome: Outcome) -> str:
    """What became of one reproducer, in a sentence without its prints."""
    if outcome.state == "skipped":
        return f"not run here: {outcome.reason}"
    if outcome.state == "late":
        return f"not known: {outcome.reason}"
    if outcome.state == "same":
        return "prints the same here"
    return f"ends with {outcome.reason}" if outcome.reason else "prints something else here"


def count(reproduced: Reproduced) -> str:
    """How many reproducers print what the ledger says, and with what versions."""
    ran = len(reproduced.outcomes) - len(reproduced.names("skipped"))
    if not ran:
        return "No reproducer could be run."
    whom = f" with {listed([f'{FRAMEWORKS.get(name, name)} {text}' for name, text in reproduced.versions.items()])}"
    same = len(reproduced.names("same"))
    parts = [f"{same} of {ran} reproducers print the same{whom}."]
    if late := reproduced.names("late"):
        parts.append(f"Too late: {listed(late)}.")
    if skipped := reproduced.names("skipped"):
        parts.append(f"Skipped: {len(skipped)}.")
    return " ".join(parts)


def to_json(entries: Sequence[Difference], reproduced: Reproduced | None = None) -> dict[str, Any]:
    """The entries with all fields and, where the reproducers were run, what became of each."""
    plain = [entry.model_dump(mode="json") for entry in entries]
    if reproduced is None:
        return {"entries": plain}
    for entry in plain:
        outcome = reproduced.outcomes.get(entry["name"])
        run = {"state": outcome.state, "printed": outcome.printed, "reason": outcome.reason or None} if outcome else None
        entry["run"] = run
    return {"entries": plain, "versions": reproduced.versions, "interrupted": reproduced.interrupted}
