"""What a loss is: terms and their derivative from a rule, weighted and divided in one place.

Symbols: z is the network's output (batch, units); y the target, of the same shape, or (batch,) class indices where the loss takes
them; dz = dL/dz; w_n the weight of row n, 1 where none is given. A rule writes the derivative of its terms into dz and returns
the terms. A loss is then
    L = sum_n w_n sum_k term_nk / divisor
with the `divisor` of a named reduction. Dividing by a whole number, rather than multiplying by its rounded inverse, keeps the
result exact at every precision.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from scratch.arrays import Array, Convention, Scalar, Work

Terms: TypeAlias = Any
"""An array, (batch, units) or (batch, 1). NumPy's types say of an expression of our arrays that it is anything."""

Rule = Callable[..., Terms]
"""rule(z, y, dz, work, **settings) writes dz (batch, units) and returns the terms, (batch, units) or (batch, 1). It may overwrite
`work`; the terms may be one of its buffers."""

REDUCTIONS: dict[str, Callable[[float, int], float]] = {
    "mean": lambda rows, terms: rows * terms,
    "batchmean": lambda rows, terms: rows,
    "half_batchmean": lambda rows, terms: 2 * rows,
    "sum": lambda rows, terms: 1,
}
"""Divisor by reduction: over all terms, over the rows only, over the rows with a factor 1/2, none."""

WEIGHT_DIVISORS = ("count", "weights")
"""What a weighted mean counts as the number of rows: the rows, or the sum of their weights."""

OUTPUTS = (
    "real",
    "vector",
    "positive",
    "nonnegative",
    "probability",
    "distribution",
    "log_distribution",
    "mean_and_variance",
)
"""What z may be: any numbers; the same but no row of zeros; above 0; not below 0; each between 0 and 1; rows of probabilities that
sum to one; their logarithms; means in the first half of the units and variances in the second."""

TARGETS = ("real", "vector", "nonzero", "nonnegative", "count", "binary", "sign", "one_hot", "distribution", "index")
"""What y may be; "count" is 0, 1, 2, ..., "binary" 0 or 1, "sign" -1 or 1, "one_hot" rows with a single 1, "index" (batch,)."""


@dataclass(frozen=True)
class Loss:
    """A loss with its reduction and settings. `value_and_gradient(z, y, dz, work)` writes dz and returns the value."""

    name: str
    formula: str
    """Of one term: per element nk, or per row n where `per_row`."""
    derivative: str
    """Of that term."""
    source: str
    rule: Rule
    outputs: str = "real"
    """One of OUTPUTS."""
    targets: str = "real"
    """One of TARGETS."""
    reductions: tuple[str, ...] = ("mean", "batchmean", "sum")
    """Those that it has."""
    reduction: str = "mean"
    weight_divisor: str = "count"
    """One of WEIGHT_DIVISORS."""
    ignored_index: int | None = None
    """Rows with this class index count for nothing, neither above nor below the fraction bar."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The loss's own numbers, by the names that the formula has; the rule and a framework's row get them as arguments."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """What differs from the defaults, by the name of the setting."""
    per_row: bool = False
    """One term per row instead of one per element: "mean" then divides by the number of rows."""
    class_indices: bool = False
    """Whether y may be (batch,) integers."""
    halves: bool = False
    """Whether y has half as many columns as z."""
    kinks: str = ""
    """Where the derivative jumps or is not defined, in words."""
    detached: bool = False
    """Whether the value is bounded and the derivative taken as if it were not, so that it is not the value's there."""
    variants: Mapping[Convention, Mapping[str, Any]] = field(default_factory=dict)
    """What a framework computes under this name where that is not the formula above: the fields that differ."""

    @property
    def classifies(self) -> bool:
        """Whether a network's outputs, whatever they are, can be judged by classes: as indices or as rows of 0 and 1."""
        rows = ("real", "vector", "nonnegative", "count", "binary", "one_hot", "distribution")
        return self.outputs in ("real", "vector") and not self.halves and (self.class_indices or self.targets in rows)

    def configured(
        self, reduction: str = "mean", *, weight_divisor: str = "count", ignored_index: int | None = None, **settings: Any
    ) -> "Loss":
        """This loss with another reduction and other settings; raises ValueError for what it does not have.

        "mean" is over all elements, or over the rows where the loss has one term per row; "batchmean" is summed over the units
        and averaged over the rows, "half_batchmean" the same with the textbook's factor 1/2; "sum" is over everything.
        """
        if reduction not in self.reductions:
            raise ValueError(f'{self.name}: there is no reduction "{reduction}". Choose one of {", ".join(self.reductions)}.')
        if weight_divisor not in WEIGHT_DIVISORS:
            raise ValueError(f'{self.name}: weight_divisor is "{weight_divisor}". Choose one of {", ".join(WEIGHT_DIVISORS)}.')
        if ignored_index is not None and not self.class_indices:
            raise ValueError(f"{self.name}: it takes no class indices, so none can be ignored. Leave ignored_index out.")
        for name, value in settings.items():
            self._check(name, value)
        defaults = {**self.settings, "ignored_index": None, "weight_divisor": "count"}
        asked = {**settings, "ignored_index": ignored_index, "weight_divisor": weight_divisor}
        return replace(
            self,
            reduction=reduction,
            weight_divisor=weight_divisor,
            ignored_index=ignored_index,
            settings={**self.settings, **settings},
            given={name: value for name, value in asked.items() if value != defaults[name]},
        )

    def in_convention(self, convention: Convention) -> "Loss":
        """The loss as that convention has it."""
        changes = self.variants.get(convention)
        return replace(self, **changes, variants={}) if changes else self

    def divisor(self, rows: float, units: int) -> float:
        """By how much the sum over all terms is divided; `rows` is a number of rows or the sum of their weights."""
        return REDUCTIONS[self.reduction](rows, 1 if self.per_row else units // 2 if self.halves else units)

    def terms(self, z: Array, y: Array, dz: Array, work: Work) -> Terms:
        """Write the derivative of the terms into dz and return the terms: neither weighted nor divided."""
        return self.rule(z, y, dz, work, **self.settings)

    def value_and_gradient(self, z: Array, y: Array, dz: Array, work: Work, weights: Array | None = None) -> Scalar:
        """Write dz (batch, units) and return the loss, a scalar of z's precision. `weights` are one number per row."""
        kept = None
        if self.ignored_index is not None and y.ndim == 1:
            kept = y != self.ignored_index
            y = np.where(kept, y, 0)
        terms = self.terms(z, y, dz, work)
        if kept is not None or weights is not None:
            shares = np.ones_like(z, shape=(len(z), 1))
            if weights is not None:
                np.copyto(shares[:, 0], weights, casting="same_kind")
            if kept is not None:
                np.multiply(shares[:, 0], kept, out=shares[:, 0])
            terms = terms * shares
            np.multiply(dz, shares, out=dz)
            divisor = self.divisor(self._rows(y, shares, kept), z.shape[1])
        elif self.weight_divisor == "weights" and self.settings.get("class_weights") is not None:
            divisor = self.divisor(self._rows(y, np.ones_like(z, shape=(len(z), 1)), None), z.shape[1])
        else:
            divisor = self.divisor(*z.shape)
        np.divide(dz, divisor, out=dz)
        return np.add.reduce(terms, axis=None) / divisor

    def _rows(self, y: Array, shares: Array, kept: Array | None) -> Scalar:
        """What a mean counts as the number of rows. Class weights enter it with class indices only, as in PyTorch."""
        if self.weight_divisor == "count":
            return len(y) if kept is None else int(kept.sum())
        weights = shares[:, 0]
        class_weights = self.settings.get("class_weights")
        if class_weights is not None and y.ndim == 1:
            weights = weights * np.asarray(class_weights)[y]
        total = np.add.reduce(weights)
        return float(total) if shares.dtype.itemsize <= 8 else total

    def _check(self, name: str, value: Any) -> None:
        if name not in self.settings:
            known = ", ".join(self.settings) or "none"
            raise ValueError(f'{self.name}: there is no setting "{name}". It has: {known}.')
        if isinstance(value, tuple):
            right, allowed = all(np.isfinite(value)) and min(value) >= 0, "finite numbers that are not negative"
        elif name in ("delta", "beta") and self.outputs == "real":
            right, allowed = 0 < value < np.inf, "a number above 0"
        elif name == "label_smoothing":
            right, allowed = 0 <= value < 1, "a number from 0 to below 1"
        elif name == "power":
            right, allowed = value in (1, 2), "1 or 2"
        else:
            right, allowed = value is None or 0 <= value < np.inf, "a finite number that is not negative"
        if not right:
            raise ValueError(f"{self.name}: {name} = {value} is not possible. Give {allowed}.")
