"""Activations: each entry holds a forward rule and its derivative side by side, and is itself a layer.

To add one, write its two rules and one `Activation(...)` entry at the bottom; tests and reports find it there.
Symbols: z is the input, a the output, da = dL/da the cotangent, dz = dL/dz the result, all of shape (batch, units).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from scratch.arrays import Array, Convention, Work


@dataclass(frozen=True)
class Activation:
    """An activation and its derivative.

    `forward(z, a, work)` writes a; `backward(z, a, da, dz, work)` writes dz. Neither allocates or keeps anything.
    """

    name: str
    formula: str
    derivative: str
    source: str
    rule: Callable[[Array, Array, Work], None]
    derivative_rule: Callable[[Array, Array, Array, Array, Work], None]
    kinks: tuple[float, ...] = ()
    """Inputs at which the derivative jumps; every framework chooses its own value there."""
    samples: tuple[float, ...] = (-30.0, -3.0, -0.5, -1e-3, 0.0, 1e-3, 0.5, 3.0, 30.0)
    """Inputs that tests visit beside random ones."""
    settings: Mapping[str, float] = field(default_factory=dict)
    """The entry's own numbers, by the names that the formula has; a framework's row gets them as arguments."""
    variants: Mapping[Convention, "Activation"] = field(default_factory=dict)
    """What a framework computes under this name where that is not the formula above."""
    halves: bool = False
    """Whether it takes twice as many inputs as it gives outputs."""
    parameters: ClassVar[Mapping[str, tuple[int, ...]]] = {}
    state: ClassVar[Mapping[str, tuple[int, ...]]] = {}

    def in_convention(self, convention: Convention) -> "Activation":
        """The formula as that convention has it."""
        return self.variants.get(convention, self)

    def units(self, inputs: int) -> int:
        """Number of outputs for that many inputs: the same, or half of them; raises ValueError for half of an odd number."""
        if self.halves and inputs % 2:
            raise ValueError(
                f"{self.name}: it halves its inputs, but the layer before has {inputs} outputs. Give an even number."
            )
        return inputs // 2 if self.halves else inputs

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


def _linear(z: Array, a: Array, work: Work) -> None:
    np.copyto(a, z)


def _linear_derivative(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
    np.copyto(dz, da)


def _relu(z: Array, a: Array, work: Work) -> None:
    np.maximum(z, work.zeros, out=a)


def _relu_derivative(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
    # a is never negative, so its sign is the mask 1[z > 0], already in the right precision.
    np.sign(a, out=work.like)
    np.multiply(da, work.like, out=dz)


def _sigmoid(z: Array, a: Array, work: Work) -> None:
    # exp(min(z, 0)) / (1 + exp(-|z|)) is the formula without overflow and without cancellation on either side.
    np.absolute(z, out=work.like)
    np.negative(work.like, out=work.like)
    np.exp(work.like, out=work.like)
    np.add(work.like, 1, out=work.like)
    np.minimum(z, work.zeros, out=a)
    np.exp(a, out=a)
    np.divide(a, work.like, out=a)


def _sigmoid_derivative(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
    np.subtract(1, a, out=work.like)
    np.multiply(work.like, a, out=work.like)
    np.multiply(da, work.like, out=dz)


def _tanh(z: Array, a: Array, work: Work) -> None:
    np.tanh(z, out=a)


def _tanh_derivative(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
    np.square(a, out=work.like)
    np.subtract(1, work.like, out=work.like)
    np.multiply(da, work.like, out=dz)


def _softmax(z: Array, a: Array, work: Work) -> None:
    np.maximum.reduce(z, axis=1, keepdims=True, out=work.row)
    np.subtract(z, work.row, out=a)
    np.exp(a, out=a)
    np.dot(a, work.unit_ones, out=work.row[:, 0])
    np.divide(a, work.row, out=a)


def _softmax_derivative(z: Array, a: Array, da: Array, dz: Array, work: Work) -> None:
    np.multiply(da, a, out=work.like)
    np.dot(work.like, work.unit_ones, out=work.row[:, 0])
    np.subtract(da, work.row, out=dz)
    np.multiply(dz, a, out=dz)


_BISHOP = "C. M. Bishop, Pattern Recognition and Machine Learning (2006)"

_ENTRIES = (
    Activation(
        name="linear",
        formula="a = z",
        derivative="dz = da",
        source=f"{_BISHOP}, section 5.1",
        rule=_linear,
        derivative_rule=_linear_derivative,
    ),
    Activation(
        name="relu",
        formula="a = max(z, 0)",
        derivative="dz = da 1[z > 0]",
        source="V. Nair, G. Hinton, Rectified Linear Units Improve Restricted Boltzmann Machines (2010), section 2",
        rule=_relu,
        derivative_rule=_relu_derivative,
        kinks=(0.0,),
    ),
    Activation(
        name="sigmoid",
        formula="a = 1 / (1 + exp(-z))",
        derivative="dz = da a (1 - a)",
        source=f"{_BISHOP}, equations 4.59 and 4.88",
        rule=_sigmoid,
        derivative_rule=_sigmoid_derivative,
    ),
    Activation(
        name="tanh",
        formula="a = (exp(z) - exp(-z)) / (exp(z) + exp(-z))",
        derivative="dz = da (1 - a^2)",
        source=f"{_BISHOP}, equations 5.59 and 5.60",
        rule=_tanh,
        derivative_rule=_tanh_derivative,
    ),
    Activation(
        name="softmax",
        formula="a_k = exp(z_k) / sum_j exp(z_j)",
        derivative="dz_k = a_k (da_k - sum_j da_j a_j)",
        source=f"{_BISHOP}, equations 4.104 and 4.106",
        rule=_softmax,
        derivative_rule=_softmax_derivative,
    ),
)

ACTIVATIONS: dict[str, Activation] = {entry.name: entry for entry in _ENTRIES}
"""Every activation by name."""
