"""The same bits asked in every framework: what each answers, how long it takes, and whether they differ by more than rounding."""

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from backends.interface import BackendUnavailable, NotOffered, Twin
from backends.registry import load_backend
from comparisons.ladder import SEVERITY, UNIT_ROUNDOFF, Ladder, judge, relative_error
from comparisons.playing.duel import Machine
from comparisons.trained import TrainedModel, shares
from comparisons.training import classify
from scratch.arrays import Array

DTYPES = ("float32", "float64")
"""Both are asked, since only the slope between them tells rounding from a mistake; the time is that of float32."""


@dataclass(frozen=True)
class Member:
    """A backend on its way to being asked."""

    name: str
    title: str
    state: Literal["waiting", "loading", "ready", "missing"] = "waiting"
    note: str = ""
    """Why it is missing: one sentence on that and one on what to do."""


@dataclass(frozen=True)
class Answer:
    """What one backend says about one image."""

    name: str
    title: str
    label: int
    """The digit that it sees, in float32."""
    probabilities: Mapping[str, Array]
    """(labels,) by precision."""
    milliseconds: float
    """From the image to the network's output in float32."""


@dataclass(frozen=True)
class Agreement:
    """The two answers that disagree most."""

    pair: tuple[str, str]
    """The backends' titles."""
    ladder: Ladder
    """Their largest difference, relative to the largest probability."""

    def sentence(self) -> str:
        """What that difference is, in multiples of the unit roundoff u."""
        if self.ladder.verdict == "exact":
            return "All answer with the same bits."
        sizes = " and ".join(
            f"{error:.1e} in {dtype} ({error / UNIT_ROUNDOFF[dtype]:.2g} u)" for dtype, error in self.ladder.errors.items()
        )
        verdict = {
            "rounding": "it falls with the precision, so it is rounding.",
            "wrong": "it does not fall with the precision, so one of the two computes something else.",
        }.get(self.ladder.verdict, f"whether that is rounding cannot be told: {self.ladder.reason}.")
        what = "The largest difference lies between {} and {}" if self.ladder.verdict == "rounding" else "{} and {} differ"
        return f"{what.format(*self.pair)}, {sizes}: {verdict}"


class Panel:
    """All backends that are asked about one model. Each is loaded, and then asked, in a thread of the caller's choice."""

    def __init__(self, model: TrainedModel, names: Sequence[str]) -> None:
        self.model = model
        self.members = {name: Member(name, name) for name in names}
        self._twins: dict[str, dict[str, Twin]] = {}

    @property
    def ready(self) -> list[str]:
        """The names of those that can be asked."""
        return [name for name, member in self.members.items() if member.state == "ready"]

    def announce(self, name: str) -> None:
        """Say that this one is being loaded."""
        self.members[name] = replace(self.members[name], state="loading")

    def load(self, name: str) -> Member:
        """Load a backend, give it the model's bits and let it answer once, since first answers take much longer."""
        blank = self.model.scaled(np.zeros((1, self.model.model.inputs)))
        try:
            title = load_backend(name).title
            twins = {dtype: self.model.on(name, dtype) for dtype in DTYPES}
            for dtype, twin in twins.items():
                twin.predict(blank.astype(dtype))
        except (BackendUnavailable, NotOffered) as error:
            return self._missing(name, str(error))
        except Exception as error:  # a third party's backend may fail in any way, and the others go on
            return self._missing(name, f"{name} fails as it starts: {error!r}. Look at it with backproof doctor.")
        self._twins[name] = twins
        self.members[name] = Member(name, title, "ready")
        return self.members[name]

    def _missing(self, name: str, note: str) -> Member:
        self.members[name] = Member(name, name, "missing", note)
        return self.members[name]

    def ask(self, name: str, image: Array) -> Answer:
        """The answer of a backend that is ready to an image (pixels,) in [0, 1]."""
        twins = self._twins[name]
        x = {dtype: self.model.scaled(image[None]).astype(dtype) for dtype in DTYPES}
        start = time.perf_counter()
        outputs = {"float32": twins["float32"].predict(x["float32"])}
        milliseconds = 1000 * (time.perf_counter() - start)
        outputs["float64"] = twins["float64"].predict(x["float64"])
        label = self.model.labels[int(classify(self.model.model, outputs["float32"])[0])]
        probabilities = {dtype: shares(self.model.model, output)[0] for dtype, output in outputs.items()}
        return Answer(name, self.members[name].title, label, probabilities, milliseconds)

    def machine(self, name: str) -> Machine:
        """That backend as the other side of a duel."""

        def see(image: Array) -> tuple[int, Array]:
            answer = self.ask(name, image)
            return answer.label, np.nan_to_num(answer.probabilities["float32"])  # a network that has diverged plays as well

        return see


def agreement(answers: Sequence[Answer]) -> Agreement | None:
    """The pair with the most severe verdict and, among those, the largest difference; None for fewer than two answers."""
    pairs = [
        Agreement(
            (first.title, second.title),
            judge({dtype: relative_error(first.probabilities[dtype], second.probabilities[dtype]) for dtype in DTYPES}),
        )
        for first, second in itertools.combinations(answers, 2)
    ]
    return max(pairs, key=_severity, default=None)


def _severity(pair: Agreement) -> tuple[int, float]:
    return SEVERITY.index(pair.ladder.verdict), pair.ladder.errors["float32"]
