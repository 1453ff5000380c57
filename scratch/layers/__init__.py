"""Layers: what they compute, what they differentiate, which parameters and which state they have.

To add one, write its class in a file of its own, with formula, derivative and source, and a line in `LAYERS`; tests and
`backproof verify` find it there. Symbols: x is the input, y the output, dy = dL/dy the cotangent, dx = dL/dx.
"""

from collections.abc import Callable

from scratch.initializers import he_normal, normal
from scratch.layers.base import Layer, Stateful, Trainable
from scratch.layers.batch_normalization import BatchNormalization
from scratch.layers.dense import Dense
from scratch.layers.dropout import Dropout
from scratch.layers.embedding import Embedding
from scratch.layers.normalization import (
    GroupNormalization,
    LayerNormalization,
    Normalization,
    RMSNormalization,
    UnitNormalization,
)
from scratch.layers.prelu import PReLU
from scratch.layers.regularizers import Regularizer


def _two(inputs: int) -> int:
    """Two groups where each gets two units or more, one otherwise."""
    return 2 if inputs >= 4 and inputs % 2 == 0 else 1


LAYERS: dict[str, Callable[[int], Layer]] = {
    "dense": lambda inputs: Dense(inputs, 4, he_normal(), normal(0.3)),
    "dropout": lambda inputs: Dropout(0.5),
    "batch_normalization": lambda inputs: BatchNormalization(inputs),
    "layer_normalization": lambda inputs: LayerNormalization(inputs),
    "group_normalization": lambda inputs: GroupNormalization(inputs, groups=_two(inputs)),
    "rms_normalization": lambda inputs: RMSNormalization(inputs),
    "unit_normalization": lambda inputs: UnitNormalization(),
    "embedding": lambda inputs: Embedding(10, 3),
    "prelu": lambda inputs: PReLU(inputs),
}
"""Every layer by name: how one is made for that many inputs, with typical settings."""

VARIANTS: dict[str, dict[str, Callable[[int], Layer]]] = {
    "dense": {
        "no bias": lambda inputs: Dense(inputs, 4, he_normal(), bias=False),
        "one output": lambda inputs: Dense(inputs, 1, he_normal(), normal(0.3)),
    },
    "dropout": {
        "rate 0": lambda inputs: Dropout(0.0),
        "rate 0.1": lambda inputs: Dropout(0.1),
    },
    "batch_normalization": {
        "no scale": lambda inputs: BatchNormalization(inputs, scale=False),
        "no offset": lambda inputs: BatchNormalization(inputs, offset=False),
        "neither": lambda inputs: BatchNormalization(inputs, scale=False, offset=False),
        "epsilon 0.001": lambda inputs: BatchNormalization(inputs, epsilon=1e-3),
        "momentum 0.99": lambda inputs: BatchNormalization(inputs, momentum=0.99),
        "momentum 0": lambda inputs: BatchNormalization(inputs, momentum=0.0),
    },
    "layer_normalization": {
        "no scale": lambda inputs: LayerNormalization(inputs, scale=False),
        "no offset": lambda inputs: LayerNormalization(inputs, offset=False),
        "neither": lambda inputs: LayerNormalization(inputs, scale=False, offset=False),
        "epsilon 0.001": lambda inputs: LayerNormalization(inputs, epsilon=1e-3),
    },
    "group_normalization": {
        "no scale": lambda inputs: GroupNormalization(inputs, scale=False, groups=_two(inputs)),
        "no offset": lambda inputs: GroupNormalization(inputs, offset=False, groups=_two(inputs)),
        "one group": lambda inputs: GroupNormalization(inputs, groups=1),
        "a group per unit": lambda inputs: GroupNormalization(inputs, groups=inputs),
        "epsilon 0.001": lambda inputs: GroupNormalization(inputs, 1e-3, groups=_two(inputs)),
    },
    "rms_normalization": {
        "no scale": lambda inputs: RMSNormalization(inputs, scale=False),
        "epsilon 1e-6": lambda inputs: RMSNormalization(inputs, epsilon=1e-6),
    },
    "unit_normalization": {
        "epsilon 0.5": lambda inputs: UnitNormalization(0.5),
    },
    "embedding": {
        "one number each": lambda inputs: Embedding(10, 1),
    },
    "prelu": {
        "slope 0": lambda inputs: PReLU(inputs, 0.0),
        "slope above 1": lambda inputs: PReLU(inputs, 1.5),
    },
}
"""Further settings worth verifying, by the layer's name and their own."""

REGULARIZERS: dict[str, Regularizer] = {
    "l1": Regularizer(l1=0.01),
    "l2": Regularizer(l2=0.01),
    "l1_l2": Regularizer(l1=0.02, l2=0.03),
}
"""Every penalty by name, with typical settings."""

__all__ = [
    "LAYERS",
    "REGULARIZERS",
    "VARIANTS",
    "BatchNormalization",
    "Dense",
    "Dropout",
    "Embedding",
    "GroupNormalization",
    "Layer",
    "LayerNormalization",
    "Normalization",
    "PReLU",
    "RMSNormalization",
    "Regularizer",
    "Stateful",
    "Trainable",
    "UnitNormalization",
]
