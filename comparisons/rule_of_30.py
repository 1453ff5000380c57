"""The rule of 30: a difference of two accuracies is trusted once it moves 30 examples, and not before.

At 3,000 examples a whole per cent is 30 of them and counts, half a per cent is 15 and does not.
"""

from dataclasses import dataclass

TRUSTED = 30
"""Examples that have to move. The standard error of a difference is about the square root of the number of examples on which the
two disagree: 30 net moves out of 100 disagreements are three of them, out of 200 about two."""


@dataclass(frozen=True)
class Moved:
    """What lies between two accuracies on the same examples."""

    examples: int
    right: tuple[int, int]
    """How many the first and the second get right."""

    @property
    def moved(self) -> int:
        """By how many examples the second is ahead; negative where it is behind."""
        return self.right[1] - self.right[0]

    @property
    def trusted(self) -> bool:
        """Whether that is enough of them."""
        return abs(self.moved) >= TRUSTED

    @property
    def needed(self) -> float:
        """The smallest difference of accuracies that would be trusted with that many examples."""
        return TRUSTED / self.examples

    def sentence(self, first: str = "the first", second: str = "the second") -> str:
        """What to make of it."""
        right = f"{second} gets {self.right[1]:,} of {self.examples:,} right and {first} {self.right[0]:,}"
        if self.moved == 0:
            return f"{right}: no difference."
        count = f"{abs(self.moved):,} example{'s' if abs(self.moved) > 1 else ''}"
        if self.trusted:
            return f"{right}: {count} moved, {TRUSTED} or more, so the difference can be trusted."
        if self.needed > 1:
            return f"{right}: {count} moved, and with so few examples no difference can be trusted; it takes {TRUSTED}."
        return (
            f"{right}: {count} moved, fewer than {TRUSTED}, so the difference may be chance. "
            f"With {self.examples:,} examples it takes {100 * self.needed:.2g} points."
        )


def rule_of_30(first: float, second: float, examples: int) -> Moved:
    """How many of the examples moved between two accuracies, shares of right answers on the same examples.

    A rounded accuracy, such as 0.951 of 10,000, stands for the nearest whole number of examples. Raises ValueError for what is not
    an accuracy, NaN among it.
    """
    if examples < 1:
        raise ValueError(f"{examples} examples cannot be counted. Give the number on which both accuracies were measured.")
    for accuracy in (first, second):
        if not 0 <= accuracy <= 1:
            raise ValueError(f"{accuracy} is not an accuracy. Give the share of right answers, from 0 to 1.")
    return Moved(examples, (round(first * examples), round(second * examples)))
