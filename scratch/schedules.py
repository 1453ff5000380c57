"""Learning rate schedules: the rate of step t = 0, 1, 2, ..., as a plain function of t."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from scratch.arrays import Array


@dataclass(frozen=True)
class Schedule:
    """A schedule that starts at `learning_rate`. `rate(t)` is the rate with which step t (from 0) is taken."""

    name: str
    formula: str
    source: str
    learning_rate: float
    rate: Callable[[int], float]
    settings: Mapping[str, float] = field(default_factory=dict)
    """The entry's own numbers, by the names that the formula has."""

    def rates(self, steps: int) -> Array:
        """The rates of the first steps, (steps,), in float64."""
        return np.array([self.rate(step) for step in range(steps)])


def constant(learning_rate: float = 0.1) -> Schedule:
    """Always the same."""
    return Schedule(
        name="constant",
        formula="eta_t = eta",
        source="definition",
        learning_rate=learning_rate,
        rate=lambda t: learning_rate,
    )


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": constant,
}
"""Every schedule by name; the values are called with the schedule's own arguments and `convention`."""
