"""Where all that is random in a run comes from: initial parameters, the order of the images, dropout masks."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from scratch.arrays import Array
from scratch.layers import Dropout
from scratch.model import Model

MASK_STREAM = 2
"""Added to the seed of what draws masks, so that it is no stream that something else draws from."""


def draw_masks(model: Model, rows: int, seed: int, step: int) -> Mapping[str, Array]:
    """The dropout masks of a step; they depend on nothing but the seed and the step."""
    if not any(isinstance(layer, Dropout) for layer in model.layers):
        return {}
    return model.draw_masks(np.random.default_rng((seed, MASK_STREAM, step)), rows)


class Randomness:
    """The random streams of one run. `state` is all that a later process needs to go on with them."""

    def __init__(self, seed: int, generator: str = "pcg64") -> None:
        self.seed = seed
        self._legacy = np.random.RandomState(seed) if generator == "legacy" else None
        self._order = np.random.default_rng(seed)

    def parameters(self, model: Model, exact_in: str) -> Array:
        """The initial parameters, drawn before anything else."""
        # RandomState has the methods that initializers call.
        rng: Any = self._legacy if self._legacy is not None else np.random.default_rng(self.seed)
        with np.errstate(over="ignore"):
            return model.initialize(rng, exact_in)

    def batches(self, rows: int, size: int, order: str = "shuffled") -> list[Any]:
        """What picks each batch of the next epoch out of the images; the last partial batch is kept."""
        starts = range(0, rows, size)
        if order == "file":
            return [slice(start, min(start + size, rows)) for start in starts]
        rng: Any = self._legacy if self._legacy is not None else self._order
        shuffled = rng.permutation(rows)
        return [shuffled[start : start + size] for start in starts]

    def masks(self, model: Model, rows: int, step: int) -> Mapping[str, Array]:
        """The dropout masks of a step; the legacy stream draws them with `randint(2)`, so that half of the units are kept."""
        if self._legacy is None:
            return draw_masks(model, rows, self.seed, step)
        return {
            name: self._legacy.randint(2, size=(rows, units))
            for name, layer, units in zip(model.layer_names, model.layers, model.widths[1:], strict=True)
            if isinstance(layer, Dropout)
        }

    @property
    def state(self) -> dict[str, Any]:
        """The state of the streams, in numbers, strings and lists."""
        if self._legacy is None:
            return {"order": self._order.bit_generator.state}
        name, keys, *rest = self._legacy.get_state(legacy=True)
        return {"legacy": [name, [int(key) for key in keys], *rest]}

    @state.setter
    def state(self, state: Mapping[str, Any]) -> None:
        if self._legacy is None:
            self._order.bit_generator.state = state["order"]
        else:
            name, keys, *rest = state["legacy"]
            self._legacy.set_state((name, np.array(keys, dtype=np.uint32), *rest))
