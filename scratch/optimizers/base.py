"""What all optimizers share: their state on the flat vector, conventions and choices, decay, clipping and averaging.

An optimizer is a frozen description; what changes during training is in its `OptimizerState`. `init` makes the state,
`update` takes one step. Frameworks that compute something else than the paper get a named convention, never a tolerance:
each convention is a set of independent choices, so that a comparison can tell which of them causes a difference.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, TypeAlias

import numpy as np

from scratch.arrays import CONVENTIONS, Array, Convention, Scalar, scalar_type

Choices: TypeAlias = frozenset[str]
"""Names of the independent choices in which a formula departs from the paper; empty is the paper."""

CHUNK = 65_536
"""Elements per pass: an update of more than half a million parameters runs chunk by chunk, to stay in the cache."""


@dataclass
class OptimizerState:
    """What an optimizer remembers: the number of steps taken, one vector per slot, and single numbers."""

    parameters: Array
    gradients: Array
    slots: dict[str, Array]
    numbers: dict[str, Scalar] = field(default_factory=dict)
    step: int = 0
    chunks: list[tuple[Array, ...]] = field(default_factory=list, repr=False)
    """Views (parameters, gradients, *slots, *temporaries) of one chunk each, for rules that work element by element."""
    arrays: list[tuple[Array, ...]] = field(default_factory=list, repr=False)
    """Views (parameters, gradients, *slots) of one parameter each, in its shape, for rules that look at whole arrays."""

    @classmethod
    def zeros(
        cls,
        parameters: Array,
        gradients: Array,
        slots: Sequence[str] = (),
        temporaries: int = 0,
        shapes: Sequence[tuple[int, ...]] = (),
    ) -> "OptimizerState":
        """All slots zero, bound to the two vectors that `update` reads and writes.

        `shapes` are those of the parameters in the vector; without them the vector is one parameter.
        """
        vectors = {name: np.zeros_like(parameters) for name in slots}
        size = parameters.size if parameters.size <= 8 * CHUNK else CHUNK
        buffers = [np.empty_like(parameters, shape=(size,)) for _ in range(temporaries)]
        chunks = []
        for start in range(0, parameters.size, size or 1):
            part = slice(start, min(start + size, parameters.size))
            views = [vector[part] for vector in (parameters, gradients, *vectors.values())]
            chunks.append((*views, *(buffer[: part.stop - part.start] for buffer in buffers)))
        arrays, start = [], 0
        for shape in shapes or [parameters.shape]:
            part = slice(start, start + int(np.prod(shape)))
            arrays.append(tuple(vector[part].reshape(shape) for vector in (parameters, gradients, *vectors.values())))
            start = part.stop
        return cls(parameters, gradients, vectors, chunks=chunks, arrays=arrays)

    def saved(self) -> dict[str, Array]:
        """Copies of all slots, and the numbers as arrays of shape (1,) in float64 or better, by name."""
        slots = {name: slot.copy() for name, slot in self.slots.items()}
        # Beside float32 vectors they are kept in double precision: rounded, a restored run would have other bits.
        wide = self.parameters if self.parameters.dtype.itemsize > 8 else np.zeros(1)
        return slots | {name: np.full_like(wide, number, shape=(1,)) for name, number in self.numbers.items()}

    def load(self, saved: Mapping[str, Array], step: int) -> None:
        """Take over what `saved` gave, and the step count that belongs to it."""
        for name, vector in self.slots.items():
            vector[...] = saved[name]
        wide = self.parameters.dtype.itemsize > 8
        for name in self.numbers:
            self.numbers[name] = saved[name][0] if wide else float(saved[name][0])
        self.step = step


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """What every optimizer has beside its own numbers.

    `weight_decay` (wd) adds wd p to the gradient, which is the gradient of the L2 penalty wd/2 |p|^2; `decoupled` (I.
    Loshchilov, F. Hutter, Decoupled Weight Decay Regularization (2019)) takes eta wd p off the parameters instead, before
    the step. Clipping comes before both: every element to [-v, v], every parameter's norm to n, or the norm of all to n
    (R. Pascanu, T. Mikolov, Y. Bengio, On the difficulty of training recurrent neural networks (2013), Algorithm 1).
    `average_decay` d keeps a running mean of the parameters in the slot "average", a = d a + (1 - d) p after each step,
    from a_0 = p_0 (A. Tarvainen, H. Valpola, Mean teachers are better role models (2017)).
    A subclass has `learning_rate`, `slots`, `advance`, and what it computes in its docstring.
    """

    learning_rate: float = field(default=0.01, kw_only=False)
    weight_decay: float = 0.0
    decoupled: bool = False
    clip_value: float | None = None
    clip_norm: float | None = None
    clip_global_norm: float | None = None
    average_decay: float | None = None
    convention: Convention = "paper"
    choices: Choices | None = None
    """Overrides the convention's choices."""

    name: ClassVar[str]
    temporaries: ClassVar[int] = 2
    """How many scratch vectors `advance` finds behind the slots in every chunk."""
    departures: ClassVar[Mapping[Convention, Choices]] = {}
    """The choices of every convention that is not the paper's."""

    def __post_init__(self) -> None:
        if self.convention not in CONVENTIONS:
            raise ValueError(
                f'{self.name}.convention: there is no "{self.convention}". Choose one of {", ".join(CONVENTIONS)}.'
            )
        self.check_not_negative("learning_rate", "weight_decay")
        if sum(limit is not None for limit in (self.clip_value, self.clip_norm, self.clip_global_norm)) > 1:
            raise ValueError(f"{self.name}: only one of clip_value, clip_norm and clip_global_norm can be set.")
        for limit in ("clip_value", "clip_norm", "clip_global_norm"):
            if getattr(self, limit) is not None and not getattr(self, limit) > 0:
                raise ValueError(f"{self.name}.{limit}: {getattr(self, limit)} is not above 0. Leave it out to clip nothing.")
        if self.average_decay is not None:
            self.check_share("average_decay")

    def check_not_negative(self, *fields: str) -> None:
        """Raise ValueError for the first of these fields that is not a number of 0 or more."""
        for name in fields:
            if not getattr(self, name) >= 0:
                raise ValueError(f"{self.name}.{name}: {getattr(self, name)} is not a number of 0 or more.")

    def check_share(self, *fields: str) -> None:
        """Raise ValueError for the first of these fields that is not in [0, 1)."""
        for name in fields:
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(
                    f"{self.name}.{name}: {getattr(self, name)} is not in [0, 1). Common values are 0.9 and 0.999."
                )

    @cached_property
    def effective_choices(self) -> Choices:
        """In which of its choices it departs from the paper, as far as its settings let them matter."""
        return self.own_choices() | self._shared_choices() if self.choices is None else self.choices

    def own_choices(self) -> Choices:
        """The convention's choices in the rule itself."""
        return self.departures.get(self.convention, frozenset())

    def _shared_choices(self) -> Choices:
        """The convention's choices in decay, clipping and averaging."""
        torch, keras = self.convention == "torch", self.convention == "keras"
        chosen = {
            "clip_margin": torch and (self.clip_norm is not None or self.clip_global_norm is not None),
            "float32_coefficients": keras and not exact_in_float32(self.weight_decay),
            "average_of_steps": (torch or keras) and self.average_decay is not None,
        }
        return frozenset(name for name, holds in chosen.items() if holds)

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the vectors that it keeps."""
        return ()

    def init(self, parameters: Array, gradients: Array, shapes: Sequence[tuple[int, ...]] = ()) -> OptimizerState:
        """The state before the first step, bound to those two vectors."""
        state = OptimizerState.zeros(parameters, gradients, self.slots, self.temporaries, shapes)
        if self.average_decay is not None:
            state.slots["average"] = parameters.copy()
        self.fill(state)
        return state

    def fill(self, state: OptimizerState) -> None:
        """Give slots that do not start at zero, and numbers, their first values."""

    def update(self, state: OptimizerState) -> None:
        """One step: reads `state.gradients`, which it may overwrite, and changes parameters, slots and numbers in place."""
        state.step += 1
        self._clip(state)
        self._decay(state)
        self.advance(state)
        self._average(state)

    def advance(self, state: OptimizerState) -> None:
        """The rule itself, for gradients that are clipped and decayed; `state.step` counts from 1."""
        raise NotImplementedError

    def coefficient(self, value: float, state: OptimizerState) -> Scalar:
        """A hyperparameter in the precision in which it meets the state's arrays."""
        return scalar_type(state.parameters.dtype)(value)

    def rounded_coefficient(self, value: float, state: OptimizerState) -> Scalar:
        """A coefficient that Keras rounds to float32 on its way to the variable's precision."""
        rounds = "float32_coefficients" in self.effective_choices
        return self.coefficient(float(np.float32(value)) if rounds else value, state)

    def _clip(self, state: OptimizerState) -> None:
        if self.clip_value is not None:
            np.clip(state.gradients, -self.clip_value, self.clip_value, out=state.gradients)
        if self.clip_norm is not None:
            for _, g, *_ in state.arrays:
                self._shorten(g, self.clip_norm, state)
        if self.clip_global_norm is not None:
            self._shorten(state.gradients, self.clip_global_norm, state)

    def _shorten(self, g: Array, limit: float, state: OptimizerState) -> None:
        """Scale g in place so that its Euclidean norm, to which PyTorch adds a margin, is at most `limit`."""
        largest = np.maximum.reduce(np.abs(g), axis=None, initial=0)
        if largest == 0:
            return
        # The squares of an exploding gradient overflow where the gradient does not.
        norm = largest * np.sqrt(np.add.reduce(np.square(g / largest), axis=None))
        if "clip_margin" in self.effective_choices:
            norm = norm + self.coefficient(1e-6, state)
        if norm > limit:
            g *= self.coefficient(limit, state) / norm

    def _decay(self, state: OptimizerState) -> None:
        if not self.weight_decay:
            return
        p, decay = state.parameters, self.rounded_coefficient(self.weight_decay, state)
        if not self.decoupled:
            state.gradients += p * decay
        elif self.convention == "torch":
            p *= 1 - self.coefficient(self.learning_rate, state) * decay
        else:
            p -= p * decay * self.coefficient(self.learning_rate, state)

    def _average(self, state: OptimizerState) -> None:
        if self.average_decay is None:
            return
        decay, average = self.coefficient(self.average_decay, state), state.slots["average"]
        if state.step == 1 and "average_of_steps" in self.effective_choices:
            average[...] = state.parameters
        else:
            average *= decay
            average += state.parameters * (1 - decay)


def exact_in_float32(value: float) -> bool:
    """Whether rounding to float32 leaves the number as it is."""
    return float(np.float32(value)) == value


Factory: TypeAlias = Callable[..., Optimizer]
"""Makes an optimizer from its own numbers and those of `Optimizer`, all of which have defaults."""
