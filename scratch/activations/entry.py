"""What an activation is: a forward rule, its derivative, and everything that tests and reports want to know about the two."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

import numpy as np

from scratch.arrays import Array, Convention, Work

Rule: TypeAlias = Callable[[Array, Array, Work], None]
"""(z, a, work): write a."""
DerivativeRule: TypeAlias = Callable[[Array, Array, Array, Array, Work], None]
"""(z, a, da, dz, work): write dz."""

NONZERO = (-30.0, -3.0, -0.5, -1e-3, 1e-3, 0.5, 3.0, 30.0)
SAMPLES = (*NONZERO, 0.0)

BISHOP = "C. M. Bishop, Pattern Recognition and Machine Learning (2006)"


@dataclass(frozen=True)
class Activation:
    """An activation and its derivative.

    `forward(z, a, work)` writes a; `backward(z, a, da, dz, work)` writes dz. Neither allocates or keeps anything (but see
    `scratch/activations/error_function.py`).
    """

    name: str
    formula: str
    derivative: str
    source: str
    rule: Rule
    derivative_rule: DerivativeRule
    kinks: tuple[float, ...] = ()
    """Inputs at which the derivative jumps; every framework chooses its own value there."""
    disputed: tuple[float, ...] = ()
    """Those of them where the frameworks choose different ones: comparisons stay away from these."""
    joints: tuple[float, ...] = ()
    """Inputs at which only a higher derivative jumps, so that a central difference is off by its step."""
    samples: tuple[float, ...] = SAMPLES
    """Inputs that tests visit beside random ones: the kinks, but for the disputed ones, and whatever else is particular."""
    settings: Mapping[str, float] = field(default_factory=dict)
    """The entry's own numbers, by the names that the formula has; a framework's row gets them as arguments."""
    variants: Mapping[Convention, "Activation"] = field(default_factory=dict)
    """What a framework computes under this name where that is not the formula above."""
    halves: bool = False
    """Whether it takes twice as many inputs as it gives outputs."""
    overflows: bool = False
    """Whether large inputs give infinity, as the formula has it."""
    parameters: ClassVar[Mapping[str, tuple[int, ...]]] = {}
    state: ClassVar[Mapping[str, tuple[int, ...]]] = {}

    def in_convention(self, convention: Convention | None) -> "Activation":
        """The formula as that convention has it; the paper's for None."""
        return self.variants.get(convention or "paper", self)

    def units(self, inputs: int) -> int:
        """Number of outputs for that many inputs: the same, or half of them; raises ValueError for half of an odd number."""
        if self.halves and inputs % 2:
            raise ValueError(
                f"{self.name}: it halves its inputs, but the layer before has {inputs} outputs. Give an even number."
            )
        return inputs // 2 if self.halves else inputs

    def inputs(self, units: int) -> int:
        """Number of inputs for that many outputs."""
        return 2 * units if self.halves else units

    def forward(self, parameters: Mapping[str, Array], x: Array, y: Array, work: Work) -> None:
        """Write y = f(x)."""
        self.rule(x, y, work)

    def backward(
        self,
        parameters: Mapping[str, Array],
        x: Array,
        y: Array,
        dy: Array,
        gradients: Mapping[str, Array],
        dx: Array | None,
        work: Work,
    ) -> None:
        """Write dx = J(x)^T dy; nothing where dx is not asked for."""
        if dx is not None:
            self.derivative_rule(x, y, dy, dx, work)


def spare(work: Work, name: str) -> Array:
    """A buffer beside `work.like`, of its shape."""
    return work.buffer(name, *work.like.shape)


def rounded(number: float) -> float:
    """The number after a detour through float32, as some frameworks take theirs."""
    return float(np.float32(number))
