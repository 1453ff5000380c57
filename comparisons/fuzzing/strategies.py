"""Hypothesis strategies for operations, networks, batches and edge values. All numbers are exact in float32."""

import itertools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from scratch.activations import ACTIVATIONS, Activation
from scratch.arrays import Array
from scratch.initializers import he_normal, normal
from scratch.layers import Dense, Layer
from scratch.losses import LOSSES, Loss, cases, softmax_cross_entropy
from scratch.model import Model
from scratch.optimizers import OPTIMIZERS, VARIANTS

ROWS, WIDTH = 2, 4
"""One shape for all, since frameworks compile anew for every other one."""
STEPS = 4

TINY, HUGE = 2.0**-149, float(np.finfo(np.float32).max)
EDGES = (
    0.0,
    -0.0,
    TINY,
    -TINY,
    2.0**-126,
    1e-20,
    2.0**-24,
    0.5,
    1.0,
    -1.0,
    2.0,
    20.0,
    88.0,
    -88.0,
    104.0,
    1e4,
    -1e4,
    1e10,
    HUGE,
    -HUGE,
)
"""Values at which implementations go wrong: signed zeros, subnormal and smallest normal numbers, where exp overflows."""


def numbers(*, largest: float = HUGE, non_finite: bool = False) -> st.SearchStrategy[float]:
    """Numbers of every size that float32 has, edge values more often; infinities and NaN where asked for."""
    edges = [edge for edge in EDGES if abs(edge) <= largest]
    floats = st.floats(-largest, largest, width=32)
    usual = st.floats(-8, 8, width=32) if largest >= 8 else floats
    special = [st.sampled_from([np.inf, -np.inf, np.nan])] if non_finite else []
    return st.one_of(usual, floats, st.sampled_from(edges), *special)


def arrays(
    rows: int = ROWS, columns: int = WIDTH, elements: st.SearchStrategy[float] | None = None
) -> st.SearchStrategy[Array]:
    """Arrays (rows, columns) in float32."""
    values = st.lists(elements or numbers(), min_size=rows * columns, max_size=rows * columns)
    return values.map(lambda drawn: np.array(drawn, np.float32).reshape(rows, columns))


@dataclass(frozen=True)
class Case:
    """One input of one operation: enough to run it on every backend."""

    kind: str
    name: str
    """Of the operation; for a network, its layers' names."""
    setting: int = 0
    """Which of the listed cases of a loss or variants of an optimizer."""
    arrays: dict[str, Array] = field(default_factory=dict)
    """What goes in: inputs, targets, cotangents, gradients, parameters; float32, or int64 for class indices."""

    def to_dict(self) -> dict[str, Any]:
        """As plain data; infinities and NaN as Python writes them."""
        plain = {name: {"dtype": str(array.dtype), "values": array.tolist()} for name, array in self.arrays.items()}
        return {"kind": self.kind, "name": self.name, "setting": self.setting, "arrays": plain}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Case":
        """From what `to_dict` gave."""
        arrays = {name: np.array(array["values"], array["dtype"]) for name, array in data["arrays"].items()}
        return cls(data["kind"], data["name"], data["setting"], arrays)


@st.composite
def activation_cases(draw: st.DrawFn, name: str | None = None) -> Case:
    """An activation at numbers of every size, with a cotangent of usual ones."""
    name = name or draw(st.sampled_from(sorted(ACTIVATIONS)))
    width = ACTIVATIONS[name].units(WIDTH)
    z = draw(arrays(elements=numbers(non_finite=True)))
    return Case("activation", name, 0, {"z": z, "cotangent": draw(arrays(ROWS, width, numbers(largest=4)))})


@st.composite
def loss_cases(draw: st.DrawFn, name: str | None = None) -> Case:
    """A loss at outputs and targets from its domains."""
    name = name or draw(st.sampled_from(sorted(LOSSES)))
    listed = cases(name)
    setting = draw(st.integers(0, len(listed) - 1))
    return Case("loss", name, setting, draw(loss_arrays(listed[setting])))


@st.composite
def optimizer_cases(draw: st.DrawFn, name: str | None = None) -> Case:
    """A few gradients of every size for one optimizer."""
    name = name or draw(st.sampled_from(sorted(OPTIMIZERS)))
    setting = draw(st.integers(0, len(VARIANTS.get(name, []))))
    size = numbers(largest=1e10)
    return Case(
        "optimizer",
        name,
        setting,
        {"gradients": draw(arrays(STEPS, WIDTH, size)), "parameters": draw(arrays(1, WIDTH, numbers(largest=1e4)))},
    )


@st.composite
def networks(draw: st.DrawFn, layers: int = 3) -> Model:
    """Dense layers with any activations between them, and the cross-entropy of logits."""
    widths = draw(st.lists(st.integers(1, 5), min_size=2, max_size=layers + 1))
    chosen: list[Layer] = []
    for fan_in, fan_out in itertools.pairwise(widths):
        chosen.append(Dense(fan_in, fan_out, he_normal(), normal(0.3), bias=draw(st.booleans())))
        chosen.append(draw(st.sampled_from([entry for entry in ACTIVATIONS.values() if not entry.halves])))
    return Model(widths[0], tuple(chosen), softmax_cross_entropy())
