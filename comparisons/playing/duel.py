"""A duel on test digits: the person guesses first, then the machine, and both are counted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from comparisons.datasets import Dataset
from comparisons.rule_of_30 import Moved
from scratch.arrays import Array

EARLY = 10
"""Digits until a score deserves a sentence on what it is worth."""

Machine = Callable[[Array], tuple[int, Array]]
"""Who plays against the person: the digit that it sees in an image (pixels,), and its probabilities (labels,)."""


@dataclass(frozen=True)
class Round:
    """One digit, with what both said and what it is."""

    truth: int
    person: int
    machine: int
    probabilities: Array
    """(labels,), the machine's."""

    @property
    def person_right(self) -> bool:
        """Whether the person knew it."""
        return self.person == self.truth

    @property
    def machine_right(self) -> bool:
        """Whether the machine knew it."""
        return self.machine == self.truth


class Duel:
    """Deals a data set's test digits in an order that the seed decides, each once before any comes again, and counts."""

    def __init__(self, data: Dataset, machine: Machine, seed: int) -> None:
        self.labels = data.digits
        self.played = self.person = self.machine = 0
        self._data = data
        self._machine = machine
        self._rng = np.random.default_rng(seed)
        self._deck: list[int] = []
        self._dealt = 0
        self.deal()

    @property
    def image(self) -> Array:
        """The digit that lies on the table, (pixels,)."""
        dealt: Array = self._data.test_images[self._dealt]
        return dealt

    def deal(self) -> Array:
        """The next digit, (pixels,)."""
        if not self._deck:
            self._deck = list(self._rng.permutation(len(self._data.test_images)))
        self._dealt = self._deck.pop()
        return self.image

    def guess(self, label: int) -> Round:
        """The person's guess, one of the labels, and after it the machine's; counts both and deals the next digit."""
        answer, probabilities = self._machine(self.image)
        done = Round(self.labels[int(self._data.test_labels[self._dealt])], label, answer, probabilities)
        self.played += 1
        self.person += done.person_right
        self.machine += done.machine_right
        self.deal()
        return done

    def worth(self) -> str:
        """What the score is worth by the rule of 30; empty while it is too early to say."""
        if self.played < EARLY:
            return ""
        sentence = Moved(self.played, (self.person, self.machine)).sentence("you", "the machine")
        return sentence[0].upper() + sentence[1:]


def choices(labels: Sequence[int]) -> str:
    """The labels as one says them: "0 to 9", "3 or 8"."""
    if len(labels) > 2 and list(labels) == list(range(labels[0], labels[-1] + 1)):
        return f"{labels[0]} to {labels[-1]}"
    return " or ".join([", ".join(map(str, labels[:-1])), str(labels[-1])]) if len(labels) > 1 else str(labels[0])
