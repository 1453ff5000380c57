"""A campaign: operation after operation on every backend, until the time is over; it goes on where it stopped."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings

from backends import Backend, BackendUnavailable, NotOffered, load_backend
from comparisons.fuzzing.judging import Finding, examine, simplest
from comparisons.fuzzing.reproducers import reproducer
from comparisons.fuzzing.strategies import Case, activation_cases, loss_cases, optimizer_cases
from comparisons.ledger import Difference, explanations
from comparisons.verification.matrix import VerifyError
from scratch.activations import ACTIVATIONS
from scratch.losses import LOSSES
from scratch.optimizers import OPTIMIZERS

STRATEGIES: dict[str, tuple[Callable[[str], Any], Sequence[str], int]] = {
    "activation": (activation_cases, list(ACTIVATIONS), 60),
    "loss": (loss_cases, list(LOSSES), 60),
    "optimizer": (optimizer_cases, list(OPTIMIZERS), 15),
}
"""Strategy, names and examples per round, by kind."""

Progress = Callable[["Campaign", str, float], None]
"""Called with the campaign, what is tried next, and the share of the time that is over."""


@dataclass
class Campaign:
    """What has been tried and found so far."""

    rounds: int = 0
    cases: dict[str, int] = field(default_factory=dict)
    """Number of cases by backend."""
    seconds: float = 0.0
    findings: dict[str, Finding] = field(default_factory=dict)
    """By signature."""
    missing: set[str] = field(default_factory=set)
    """Operations that a backend does not offer."""
    skipped: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False

    def explained(self, finding: Finding) -> list[Difference]:
        """The ledger's entries about it."""
        case = finding.case
        return explanations(f"{case.kind}/{case.name}/{finding.backend}/fuzz/{finding.property}: {finding.symptom}")


def fuzz(
    minutes: float,
    *,
    backends: Sequence[str] = ("torch", "keras", "jax"),
    folder: Path | None = None,
    progress: Progress | None = None,
    names: Sequence[str] = (),
) -> Campaign:
    """Try random cases for so many minutes; every distinct finding is shrunk and kept, with a program that shows it.

    With a folder, an earlier campaign in it goes on: what it has found is not found again, and its random numbers are not
    drawn again. Ctrl-C ends it early and keeps what is found. Raises VerifyError where no backend is left.
    """
    loaded: dict[str, Backend] = {}
    campaign = load(folder)
    campaign.skipped = {}
    for name in dict.fromkeys(backends):
        try:
            loaded[name] = load_backend(name)
        except BackendUnavailable as error:
            campaign.skipped[name] = str(error)
    if not loaded:
        raise VerifyError(f"no backend is left: {' '.join(campaign.skipped.values()) or 'none was named.'}")
    start, before = time.monotonic(), campaign.seconds
    over = start + 60 * minutes
    try:
        for kind, name, backend in _targets(campaign.rounds, list(loaded), names):
            if time.monotonic() >= over:
                break
            if progress:
                progress(campaign, f"{kind}/{name}/{backend}", (time.monotonic() - start) / (60 * minutes))
            _round(campaign, kind, name, loaded[backend])
            campaign.rounds += 1
            campaign.seconds = before + time.monotonic() - start
            save(campaign, folder)
    except KeyboardInterrupt:
        campaign.interrupted = True
    campaign.seconds = before + time.monotonic() - start
    save(campaign, folder)
    return campaign


def _targets(skip: int, backends: Sequence[str], names: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Operations in random orders, again and again; the first `skip` are behind us."""
    everything = [
        (kind, name, backend)
        for kind, (_, listed, _) in STRATEGIES.items()
        for name in listed
        for backend in backends
        if not names or name in names or kind in names
    ]
    if not everything:
        raise VerifyError(f"nothing to fuzz is called {', '.join(names)}. Kinds are {', '.join(STRATEGIES)}.")
    number = 0
    while True:
        order = np.random.default_rng(number).permutation(len(everything))
        for index in order:
            number += 1
            if number > skip:
                yield everything[index]


class _Found(Exception):
    """A finding that is new; Hypothesis shrinks what raises it."""


def _round(campaign: Campaign, kind: str, name: str, backend: Backend) -> None:
    """A few dozen cases of one operation on one backend; at most one new finding, shrunk."""
    place = f"{kind}/{name}/{backend.name}"
    if place in campaign.missing:
        return
    strategy, _, examples = STRATEGIES[kind]
    new: list[Finding] = []

    @seed(campaign.rounds)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(strategy(name))
    def attempt(case: Case) -> None:
        campaign.cases[backend.name] = campaign.cases.get(backend.name, 0) + 1
        found = examine(case, backend)
        if found is None or found.signature in campaign.findings or (new and found.signature != new[-1].signature):
            return
        new.append(found)
        raise _Found

    try:
        attempt()
    except NotOffered:
        campaign.missing.add(place)
    except _Found:
        smallest = simplest(new[-1], backend)
        campaign.findings[smallest.signature] = smallest


def save(campaign: Campaign, folder: Path | None) -> None:
    """Write the state and, for every finding, its program, so that a kill at any moment leaves the last state whole."""
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for index, finding in enumerate(campaign.findings.values(), start=1):
        path = folder / f"finding_{index:03}.py"
        if not path.exists():
            path.write_text(reproducer(finding), encoding="utf-8")
    state = {
        "rounds": campaign.rounds,
        "cases": campaign.cases,
        "seconds": campaign.seconds,
        "missing": sorted(campaign.missing),
        "findings": [
            {
                "case": finding.case.to_dict(),
                "backend": finding.backend,
                "property": finding.property,
                "symptom": finding.symptom,
                "expected": finding.expected,
                "found": finding.found,
            }
            for finding in campaign.findings.values()
        ],
    }
    partial = folder / "campaign.json.part"
    partial.write_text(json.dumps(state, indent=1), encoding="utf-8")
    partial.replace(folder / "campaign.json")


def load(folder: Path | None) -> Campaign:
    """The campaign that a folder holds; a new one where it holds none. Raises VerifyError for a file that is none."""
    path = None if folder is None else folder / "campaign.json"
    if path is None or not path.exists():
        return Campaign()
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        found = [Finding(**{**data, "case": Case.from_dict(data["case"])}) for data in state["findings"]]
        return Campaign(
            state["rounds"],
            state["cases"],
            state["seconds"],
            {finding.signature: finding for finding in found},
            set(state["missing"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise VerifyError(
            f"{path} holds no campaign ({error}). Choose another folder with --out, or delete the file."
        ) from error
