"""A campaign: operation after operation on every backend, until the time is over; it goes on where it stopped."""

import contextlib
import difflib
import itertools
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings

from backends import Backend, BackendUnavailable, NotOffered, load_backend
from comparisons.fuzzing.cases import STRATEGIES, Case
from comparisons.fuzzing.findings import Finding
from comparisons.fuzzing.judging import examine
from comparisons.fuzzing.reproducers import reproducer
from comparisons.fuzzing.shrinking import simplest
from comparisons.ledger import Difference, explanations
from comparisons.verification.cells import fits
from comparisons.verification.matrix import sources

STATE = "campaign.json"
Target = tuple[str, str, str]
"""Kind, name and backend."""
Progress = Callable[["Campaign", str, float], None]
"""Called with the campaign, what is tried next, and the seconds that are over."""


class FuzzError(Exception):
    """Nothing could be fuzzed. The message says why and what to do."""


@dataclass
class Campaign:
    """What has been tried and found so far."""

    rounds: int = 0
    """How many there were; a round is a few dozen cases of one operation on one backend, drawn from its number as the seed."""
    cases: dict[str, int] = field(default_factory=dict)
    """Number of cases by backend."""
    seconds: float = 0.0
    findings: dict[str, Finding] = field(default_factory=dict)
    """By signature, in the order in which they were found."""
    missing: set[str] = field(default_factory=set)
    """Operations that a backend does not offer, as kind/name/backend."""
    circumstances: dict[str, Any] = field(default_factory=dict)
    """Versions of the backends by their names, and a digest of backproof's own files."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Backends that could not be loaded."""
    interrupted: bool = False

    def explained(self, finding: Finding) -> list[Difference]:
        """The ledger's entries about it."""
        return explanations(finding.signature)

    @property
    def open(self) -> list[Finding]:
        """Findings that no entry of the ledger explains."""
        return [finding for finding in self.findings.values() if not self.explained(finding)]


def fuzz(
    minutes: float,
    *,
    names: Sequence[str] = (),
    backends: Sequence[str] = ("torch", "keras", "jax"),
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Campaign:
    """Try random cases for so many minutes; every distinct finding is shrunk and kept, with a program that shows it.

    With a folder, an earlier campaign in it goes on: its random numbers are not drawn again, and what it has found is not found
    again. Where backproof or a framework has changed since, what no longer shows is dropped. Ctrl-C ends the campaign early and
    keeps what is found. Raises FuzzError.
    """
    campaign = load(folder)
    plan(names, list(backends))
    loaded: dict[str, Backend] = {}
    for name in dict.fromkeys(backends):
        try:
            loaded[name] = load_backend(name)
        except BackendUnavailable as error:
            campaign.skipped[name] = str(error)
    if not loaded:
        raise FuzzError(f"no backend is left: {' '.join(campaign.skipped.values()) or 'none was named.'}")
    start, before = time.monotonic(), campaign.seconds
    try:
        _look_again(campaign, loaded)
        for kind, name, backend in _targets(campaign.rounds, plan(names, list(loaded))):
            campaign.seconds = before + time.monotonic() - start
            save(campaign, folder)
            if (over := time.monotonic() - start) >= 60 * minutes:
                break
            if f"{kind}/{name}/{backend}" not in campaign.missing:
                if progress:
                    progress(campaign, f"{kind}/{name}/{backend}", over)
                _round(campaign, kind, name, loaded[backend])
            campaign.rounds += 1
    except KeyboardInterrupt:
        campaign.interrupted = True
        save(campaign, folder)
    return campaign


def plan(names: Sequence[str], backends: Sequence[str]) -> list[Target]:
    """What to fuzz: everything whose kind, name or kind/name fits one of the names or patterns; all, where there is none."""
    entries = [(kind, name) for kind, (_, listed, _) in STRATEGIES.items() for name in listed]
    for pattern in names:
        if not any(fits(pattern, kind, name) for kind, name in entries):
            close = difflib.get_close_matches(pattern, {*STRATEGIES, *(name for _, name in entries)}, n=3)
            hint = f"did you mean {' or '.join(sorted(close))}?" if close else f"kinds are {', '.join(STRATEGIES)}."
            raise FuzzError(f'nothing to fuzz is called "{pattern}"; {hint}')
    chosen = [entry for entry in entries if not names or any(fits(pattern, *entry) for pattern in names)]
    return [(kind, name, backend) for kind, name in chosen for backend in backends]


def _targets(skip: int, targets: Sequence[Target]) -> Iterator[Target]:
    """All targets in one random order after the other, without end; the first `skip` are behind us."""
    first = skip // len(targets)
    for turn in itertools.count(first):
        order = np.random.default_rng(turn).permutation(len(targets))
        for place in order[skip % len(targets) if turn == first else 0 :]:
            yield targets[place]


def _round(campaign: Campaign, kind: str, name: str, backend: Backend) -> None:
    """Cases of one operation on one backend; what they show for the first time is shrunk and kept."""
    strategy, _, examples = STRATEGIES[kind]
    new: dict[str, Finding] = {}
    tried = 0

    @seed(campaign.rounds)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy(name))
    def attempt(case: Case) -> None:
        nonlocal tried
        with contextlib.suppress(NotOffered):  # some settings are missing, or the whole operation
            known = {*campaign.findings, *new}
            new.update({one.signature: one for one in examine(case, backend, known) if one.signature not in known})
            tried += 1

    if f"{kind}/{name}" not in backend.gaps:
        attempt()
    if not tried:
        campaign.missing.add(f"{kind}/{name}/{backend.name}")
    campaign.cases[backend.name] = campaign.cases.get(backend.name, 0) + tried
    campaign.findings |= {signature: simplest(finding, backend) for signature, finding in new.items()}


def _look_again(campaign: Campaign, loaded: Mapping[str, Backend]) -> None:
    """Keep what a campaign of other circumstances has found only where it still shows."""
    now = {"sources": sources()} | {name: backend.versions() for name, backend in loaded.items()}
    before, campaign.circumstances = campaign.circumstances, campaign.circumstances | now
    for signature, finding in list(campaign.findings.items()):
        changed = before.get("sources") != now["sources"] or before.get(finding.backend) != now.get(finding.backend)
        if (
            changed
            and finding.backend in loaded
            and signature not in {found.signature for found in examine(finding.case, loaded[finding.backend])}
        ):
            del campaign.findings[signature]
    if before.get("sources") != now["sources"]:
        campaign.missing.clear()


def program_of(finding: Finding) -> str:
    """The name of the file with its program."""
    words = finding.signature.replace("/fuzz/", "/").replace("= -", "= minus ").lower()
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-") + ".py"


def save(campaign: Campaign, folder: Path | None) -> None:
    """Write the state and a program for every finding; a kill at any moment leaves the last state whole. Raises FuzzError."""
    if folder is None:
        return
    state = {
        "rounds": campaign.rounds,
        "cases": campaign.cases,
        "seconds": campaign.seconds,
        "missing": sorted(campaign.missing),
        "circumstances": campaign.circumstances,
        "findings": [finding.to_dict() for finding in campaign.findings.values()],
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        programs = {program_of(finding): finding for finding in campaign.findings.values()}
        for name, finding in programs.items():
            _write(folder / name, reproducer(finding))
        _write(folder / STATE, json.dumps(state, indent=1, allow_nan=False) + "\n")
    except OSError as error:
        raise FuzzError(f"{folder} cannot be written: {error.strerror}. Choose another folder with --out.") from error


def forget(folder: Path) -> None:
    """Remove the campaign that a folder holds, and its programs; whatever else is in it stays. Raises FuzzError."""
    try:
        campaign = load(folder)
    except FuzzError:  # it is none, and will be none in another way
        campaign = Campaign()
    try:
        for finding in campaign.findings.values():
            (folder / program_of(finding)).unlink(missing_ok=True)
        (folder / STATE).unlink(missing_ok=True)
    except OSError as error:
        raise FuzzError(f"{folder} cannot be emptied: {error.strerror}. Choose another folder with --out.") from error


def _write(path: Path, text: str) -> None:
    """All of it or nothing."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    partial = path.with_name(f"{path.name}.part")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def load(folder: Path | None) -> Campaign:
    """The campaign that a folder holds; a new one where it holds none. Raises FuzzError for a file that is none."""
    path = None if folder is None else folder / STATE
    if path is None or not path.exists():
        return Campaign()
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        found = [Finding.from_dict(data) for data in state.pop("findings")]
        by_signature = {finding.signature: finding for finding in found}
        return Campaign(**{**state, "missing": set(state["missing"])}, findings=by_signature)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        said = f"{type(error).__name__}: {error}"
        raise FuzzError(f"{path} holds no campaign ({said}). Choose another folder with --out, or use --fresh.") from error
