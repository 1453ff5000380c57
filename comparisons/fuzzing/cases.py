"""A case: one input of one operation, exact in float32; and the strategies that draw them."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from comparisons.fuzzing.domains import WEIGHTS, allows, outputs, targets
from comparisons.fuzzing.edges import ROWS, WIDTH, arrays, numbers, with_non_finite
from comparisons.fuzzing.strategies import USUAL
from scratch.activations import ACTIVATIONS
from scratch.arrays import Array
from scratch.layers import Dense, Layer
from scratch.losses import LOSSES, cases, mean_squared_error
from scratch.losses import Case as LossCase
from scratch.model import Model
from scratch.optimizers import OPTIMIZERS, VARIANTS, Optimizer

STEPS = 4
KERNEL = (2, 2)
"""Of the one parameter that optimizers get: a matrix, since some look at its rows and columns."""
LARGEST_GRADIENT, LARGEST_PARAMETER = 1e10, 1e4


@dataclass(frozen=True, eq=False)
class Case:
    """One input of one operation: enough to run it on every backend."""

    kind: str
    name: str
    """Of the operation; of a network, its activation."""
    setting: int = 0
    """Which of the listed forms of a loss or variants of an optimizer."""
    widths: tuple[int, ...] = ()
    """Of a network: of its input and of every dense layer's activation."""
    arrays: Mapping[str, Array] = field(default_factory=dict)
    """What goes in: inputs, targets, cotangents, gradients, parameters; float32, or int64 for class indices."""

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @property
    def finite(self) -> bool:
        """Whether no infinity or NaN goes in."""
        return all(np.isfinite(array).all() for array in self.arrays.values())

    @property
    def allowed(self) -> bool:
        """Whether everything is in its domain."""
        if self.kind == "loss":
            weights = self.arrays.get("weights", np.zeros(0))
            return allows(loss_of(self).loss, self.arrays["z"], self.arrays["y"]) and bool((weights >= 0).all())
        return True

    def to_dict(self) -> dict[str, Any]:
        """As plain data that JSON has, infinities and NaN as text."""
        plain = {name: {"dtype": str(array.dtype), "values": plain_list(array)} for name, array in self.arrays.items()}
        return {"kind": self.kind, "name": self.name, "setting": self.setting, "widths": list(self.widths), "arrays": plain}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Case":
        """From what `to_dict` gave."""
        arrays = {name: np.array(_numbers(array["values"]), array["dtype"]) for name, array in data["arrays"].items()}
        return cls(data["kind"], data["name"], data["setting"], tuple(data["widths"]), arrays)


def plain_list(values: Any) -> Any:
    """Nested lists of numbers, those that are not finite as text."""
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if isinstance(values, list):
        return [plain_list(value) for value in values]
    return values if np.isfinite(values) else str(values)


def _numbers(values: Any) -> Any:
    if isinstance(values, list):
        return [_numbers(value) for value in values]
    return float(values) if isinstance(values, str) else values


def loss_of(case: Case) -> LossCase:
    """The loss that a case is about, and in which form."""
    return cases(case.name)[case.setting]


def optimizer_of(case: Case, convention: str) -> Optimizer:
    """The optimizer that a case is about."""
    settings: Mapping[str, Any] = ({}, *VARIANTS.get(case.name, []))[case.setting]
    return OPTIMIZERS[case.name](convention=convention, **settings)


@st.composite
def activation_cases(draw: st.DrawFn, name: str) -> Case:
    """An activation at numbers of every size, now and then an infinity or NaN, with a cotangent of usual size."""
    z = draw(with_non_finite(arrays()))
    return Case("activation", name, arrays={"z": z, "cotangent": draw(arrays(ROWS, ACTIVATIONS[name].units(WIDTH), USUAL))})


@st.composite
def loss_cases(draw: st.DrawFn, name: str) -> Case:
    """A loss in one of its forms, at outputs, targets and weights from its domains."""
    # The cases with edges differ from others only in what is drawn for them, which here has edges anyway.
    settings = [index for index, case in enumerate(cases(name)) if not case.edges]
    setting = draw(st.sampled_from(settings))
    form = cases(name)[setting]
    given = {"z": draw(outputs(form.loss, ROWS, WIDTH)), "y": draw(targets(form.loss, ROWS, WIDTH, indices=form.indices))}
    if form.weighted:
        given["weights"] = draw(arrays(1, ROWS, WEIGHTS))[0]
    return Case("loss", name, setting, arrays=given)


@st.composite
def optimizer_cases(draw: st.DrawFn, name: str) -> Case:
    """A few gradients of every size for one optimizer in one of its settings."""
    gradients = arrays(STEPS, KERNEL[0] * KERNEL[1], numbers(-LARGEST_GRADIENT, LARGEST_GRADIENT))
    parameters = arrays(*KERNEL, numbers(-LARGEST_PARAMETER, LARGEST_PARAMETER))
    given = {"gradients": draw(gradients).reshape(STEPS, *KERNEL), "parameters": draw(parameters)}
    return Case("optimizer", name, draw(st.integers(0, len(VARIANTS.get(name, [])))), arrays=given)


@st.composite
def network_cases(draw: st.DrawFn, name: str) -> Case:
    """Up to three small dense layers with one activation behind each, at inputs and parameters of usual size.

    Frameworks compile anew for every other shape: one or two units are enough to go wrong.
    """
    widths = tuple(draw(st.lists(st.integers(1, 2), min_size=2, max_size=4)))
    model = network_of(name, widths)
    given = {
        "parameters": draw(arrays(1, model.size, USUAL))[0],
        "x": draw(arrays(ROWS, model.inputs, USUAL)),
        "cotangent": draw(arrays(ROWS, model.widths[-1], USUAL)),
    }
    return Case("network", name, widths=widths, arrays=given)


def network_of(name: str, widths: tuple[int, ...]) -> Model:
    """The network of a case: dense layers with biases, each with the activation behind it."""
    entry = ACTIVATIONS[name]
    layers: list[Layer] = []
    for fan_in, fan_out in itertools.pairwise(widths):
        layers += [Dense(fan_in, entry.inputs(fan_out)), entry]
    return Model(widths[0], tuple(layers), mean_squared_error())


STRATEGIES: dict[str, tuple[Callable[[str], st.SearchStrategy[Case]], list[str], int]] = {
    "activation": (activation_cases, list(ACTIVATIONS), 60),
    "loss": (loss_cases, list(LOSSES), 60),
    "optimizer": (optimizer_cases, list(OPTIMIZERS), 30),
    "network": (network_cases, [name for name, entry in ACTIVATIONS.items() if not entry.overflows], 8),
}
"""By kind: the strategy, the names, and how many cases a round has."""
