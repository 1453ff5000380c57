"""Which forms of every loss are worth comparing: its reductions, settings, targets, weights and edges."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from scratch.arrays import Array
from scratch.losses.base import Loss
from scratch.losses.registry import LOSSES
from scratch.losses.sampling import sample

UNITS = 4
_CLASS_WEIGHTS = (0.3, 1.0, 2.0, 1.7)

SETTINGS: dict[str, tuple[dict[str, Any], ...]] = {
    "huber": ({"delta": 0.3},),
    "smooth_l1": ({"beta": 0.3},),
    "binary_cross_entropy": ({"label_smoothing": 0.1}, {"positive_weight": 2.3}),
    "binary_focal": ({"gamma": 1.5}, {"alpha": 0.3}),
    "multi_label_soft_margin": ({"class_weights": _CLASS_WEIGHTS},),
    "softmax_cross_entropy": (
        {"label_smoothing": 0.1},
        {"class_weights": _CLASS_WEIGHTS},
        {"class_weights": _CLASS_WEIGHTS, "weight_divisor": "weights"},
        {"class_weights": _CLASS_WEIGHTS, "label_smoothing": 0.1, "weight_divisor": "weights"},
        {"class_weights": _CLASS_WEIGHTS, "ignored_index": 2, "weight_divisor": "weights"},
        {"ignored_index": 2},
    ),
    "sparse_cross_entropy_on_probabilities": ({"ignored_index": 2},),
    "negative_log_likelihood": (
        {"class_weights": _CLASS_WEIGHTS},
        {"class_weights": _CLASS_WEIGHTS, "weight_divisor": "weights"},
        {"ignored_index": 2},
    ),
    "categorical_focal": ({"gamma": 1.5, "alpha": 1.0},),
    "multi_margin": ({"power": 2}, {"margin": 0.3}, {"class_weights": _CLASS_WEIGHTS}),
    "tversky": ({"alpha": 0.3, "beta": 0.7},),
}
"""Settings beside the defaults, by loss."""


@dataclass(frozen=True)
class Case:
    """A loss in one form, with what goes into it."""

    loss: Loss
    indices: bool = False
    """Class indices as targets, not rows."""
    weighted: bool = False
    """With sample weights."""
    edges: bool = False

    @property
    def label(self) -> str:
        """What tells the case from the loss's others, such as "mean, indices, ignored_index = 2"."""
        said = ["indices" if self.indices else "", "weighted" if self.weighted else "", "edges" if self.edges else ""]
        return ", ".join(
            [self.loss.reduction, *filter(None, said), *(f"{name} = {value}" for name, value in self.loss.given.items())]
        )

    def sample(self, rng: np.random.Generator, batch: int, units: int = UNITS) -> tuple[Array, Array, Array | None]:
        """Outputs, targets and, where it is weighted, weights (batch,) between 0 and 3: all exact in float32."""
        z, y = sample(self.loss, rng, batch, units, indices=self.indices, edges=self.edges)
        return z, y, rng.integers(0, 25, batch).astype(np.float32) / 8 if self.weighted else None


def cases(name: str) -> tuple[Case, ...]:
    """The cases of a loss. Class weights are for `UNITS` units."""
    make = LOSSES[name]
    plain = make()
    kinds = [False] * (plain.targets != "index") + [True] * plain.class_indices
    found = [Case(make(reduction), indices) for reduction in plain.reductions for indices in kinds]
    for indices in kinds:
        found += [Case(make(weight_divisor=divisor), indices, weighted=True) for divisor in ("count", "weights")]
        found.append(Case(plain, indices, edges=True))
    for settings in SETTINGS.get(name, ()):
        of_indices = [True] if "ignored_index" in settings else kinds
        found += [Case(make(**settings), indices) for indices in of_indices]
        if "ignored_index" in settings:
            weighted = {**settings, "weight_divisor": "weights"}
            found += [Case(make(**settings), True, weighted=True), Case(make(**weighted), True, weighted=True)]
    return tuple({_key(case): case for case in found}.values())


def _key(case: Case) -> str:
    return repr([getattr(case, entry.name) for entry in fields(case)])
