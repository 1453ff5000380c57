"""Optimizers: a few in-place operations on the flat parameter vector, in the convention of the paper or of a framework.

An optimizer is a frozen description; what changes during training is in its `OptimizerState`. `init` makes the state,
`update` takes one step. Frameworks that compute something else than the paper get a named convention, never a tolerance:
each convention is a set of independent choices, so that a comparison can tell which of them causes a difference.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np

from scratch.arrays import Array, Scalar, scalar_type

Convention = Literal["paper", "torch", "keras"]
CONVENTIONS: tuple[Convention, ...] = ("paper", "torch", "keras")

CHUNK = 65_536
"""Elements per pass: an update of more than half a million parameters runs chunk by chunk, to stay in the cache."""


@dataclass
class OptimizerState:
    """What an optimizer remembers: the number of steps taken and one vector per slot."""

    parameters: Array
    gradients: Array
    slots: dict[str, Array]
    step: int = 0
    chunks: list[tuple[Array, ...]] = field(default_factory=list, repr=False)
    """Views (parameters, gradients, *slots, *temporaries) of one chunk each."""

    @classmethod
    def zeros(cls, parameters: Array, gradients: Array, slots: tuple[str, ...], temporaries: int) -> "OptimizerState":
        """All slots zero, bound to the two vectors that `update` reads and writes."""
        vectors = {name: np.zeros_like(parameters) for name in slots}
        size = parameters.size if parameters.size <= 8 * CHUNK else CHUNK
        buffers = [np.empty_like(parameters, shape=(size,)) for _ in range(temporaries)]
        chunks = []
        for start in range(0, parameters.size, size or 1):
            part = slice(start, min(start + size, parameters.size))
            views = [vector[part] for vector in (parameters, gradients, *vectors.values())]
            chunks.append((*views, *(buffer[: part.stop - part.start] for buffer in buffers)))
        return cls(parameters, gradients, vectors, chunks=chunks)

    def load(self, slots: Mapping[str, Array], step: int) -> None:
        """Take over saved slots and their step count."""
        for name, vector in self.slots.items():
            vector[...] = slots[name]
        self.step = step


class Optimizer(Protocol):
    """What every optimizer offers."""

    @property
    def name(self) -> str:
        """What the optimizer is called, in lower case."""
        ...

    @property
    def convention(self) -> Convention:
        """Whose formula it follows."""
        ...

    @property
    def effective_choices(self) -> "Choices":
        """In which of its choices it departs from the paper."""
        ...

    def init(self, parameters: Array, gradients: Array) -> OptimizerState:
        """The state before the first step, bound to those two vectors."""
        ...

    def update(self, state: OptimizerState) -> None:
        """One step: reads `state.gradients`, changes `state.parameters` and the slots in place."""
        ...


@dataclass(frozen=True)
class Choices:
    """The independent choices in which implementations of one optimizer differ. All False is the paper."""

    float32_coefficients: bool = False
    epsilon_hat: bool = False


CHOICES: dict[str, str] = {
    "epsilon_hat": "epsilon's place: Keras adds epsilon to sqrt(v), the paper's \"epsilon hat\"; Algorithm 1 of the paper "
    "and PyTorch add it to sqrt(v / (1 - beta_2^t)), where it weighs sqrt(1 - beta_2^t) times as much",
    "float32_coefficients": "Keras's float32-rounded betas or momentum: on TensorFlow, Keras casts a Python number through float32 on its "
    "way to the variable's precision, the betas in beta^t and the momentum alike, even for float64 variables "
    "(0.999 becomes 0.9990000128746)",
}
"""What each choice means, in a sentence."""


@dataclass(frozen=True)
class SGD:
    """Gradient descent, with momentum mu and Nesterov's form of it where asked for.

    paper, keras: v = mu v - eta g;  p += v            Nesterov: p += mu v - eta g
    torch:        v = mu v + g;      p -= eta v        Nesterov: p -= eta (g + mu v)

    The two differ only when the learning rate eta changes between steps: torch's v does not carry the rate. In the
    "keras" convention mu is rounded to float32 first.
    Sources: B. Polyak (1964), equation 9; I. Sutskever et al., On the importance of initialization and momentum (2013),
    equations 1 to 4, the Nesterov form in the variable of Y. Bengio et al. (2012), equation 7.
    """

    learning_rate: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False
    convention: Convention = "paper"
    choices: Choices | None = None
    """Overrides the convention's choices, one by one."""

    def __post_init__(self) -> None:
        _check(self.convention, "sgd", learning_rate=self.learning_rate)
        if not 0 <= self.momentum < 1:
            raise ValueError(f"sgd.momentum: {self.momentum} is not in [0, 1). Common values are 0 and 0.9.")
        if self.nesterov and self.momentum == 0:
            raise ValueError("sgd.nesterov: without momentum there is nothing to look ahead with. Set momentum, say 0.9.")

    @property
    def name(self) -> str:
        """sgd, momentum or nesterov."""
        return "nesterov" if self.nesterov else "momentum" if self.momentum else "sgd"

    @cached_property
    def effective_choices(self) -> Choices:
        """The convention's choices, as far as they matter here."""
        return self.choices or Choices(float32_coefficients=self.convention == "keras" and self.momentum > 0)

    def init(self, parameters: Array, gradients: Array) -> OptimizerState:
        """One slot, the velocity v, where there is momentum."""
        return OptimizerState.zeros(parameters, gradients, ("velocity",) if self.momentum else (), temporaries=1)

    def update(self, state: OptimizerState) -> None:
        """One step of the formulas above."""
        state.step += 1
        real = scalar_type(state.parameters.dtype)
        eta = real(self.learning_rate)
        mu = real(float(np.float32(self.momentum)) if self.effective_choices.float32_coefficients else self.momentum)
        for chunk in state.chunks:
            if not self.momentum:
                p, g, t = chunk
                np.multiply(g, eta, out=t)
                np.subtract(p, t, out=p)
                continue
            p, g, v, t = chunk
            if self.convention == "torch":
                np.multiply(v, mu, out=v)
                np.add(v, g, out=v)
                if self.nesterov:
                    np.multiply(v, mu, out=t)
                    np.add(t, g, out=t)
                    np.multiply(t, eta, out=t)
                else:
                    np.multiply(v, eta, out=t)
                np.subtract(p, t, out=p)
            else:
                np.multiply(g, eta, out=t)
                np.multiply(v, mu, out=v)
                np.subtract(v, t, out=v)
                if self.nesterov:
                    np.subtract(p, t, out=p)
                    np.multiply(v, mu, out=t)
                    np.add(p, t, out=p)
                else:
                    np.add(p, v, out=p)


@dataclass(frozen=True)
class Adam:
    """Adam (D. Kingma, J. Ba, Adam: A Method for Stochastic Optimization (2015), Algorithm 1).

    m = beta_1 m + (1 - beta_1) g;  v = beta_2 v + (1 - beta_2) g^2
    torch: p -= eta / (1 - beta_1^t) m / (sqrt(v) / sqrt(1 - beta_2^t) + epsilon), Algorithm 1 to the letter
    paper: p -= alpha_t m / (sqrt(v) + epsilon sqrt(1 - beta_2^t)), alpha_t = eta sqrt(1 - beta_2^t) / (1 - beta_1^t):
           the same in the efficient order at the end of the paper's section 2
    keras: p -= alpha_t m / (sqrt(v) + epsilon): epsilon in the place of that section's "epsilon hat"; the betas in beta^t
           are rounded to float32 first, and alpha_t is computed in the precision of the parameters

    Operations come in the order in which the framework has them. Keras is met bit for bit in float64; PyTorch fuses
    multiplications and additions, so that single roundings differ.
    """

    learning_rate: float = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    convention: Convention = "paper"
    choices: Choices | None = None
    """Overrides the convention's choices, one by one."""
    name: str = field(default="adam", init=False)

    def __post_init__(self) -> None:
        _check(self.convention, "adam", learning_rate=self.learning_rate, epsilon=self.epsilon)
        for beta in ("beta_1", "beta_2"):
            if not 0 <= getattr(self, beta) < 1:
                raise ValueError(f"adam.{beta}: {getattr(self, beta)} is not in [0, 1). The paper uses 0.9 and 0.999.")

    @cached_property
    def effective_choices(self) -> Choices:
        """The convention's choices."""
        keras = self.convention == "keras"
        return self.choices or Choices(float32_coefficients=keras, epsilon_hat=keras)

    def init(self, parameters: Array, gradients: Array) -> OptimizerState:
        """Two slots, the first and second moments m and v."""
        return OptimizerState.zeros(parameters, gradients, ("m", "v"), temporaries=2)

    def bias_corrections(self, t: int, dtype: np.dtype[Any]) -> tuple[Scalar, Scalar]:
        """1 - beta_1^t and sqrt(1 - beta_2^t) for step t = 1, 2, ... and parameters of that dtype."""
        if self.effective_choices.float32_coefficients:
            # Keras computes the powers in the precision of the variable.
            real: Callable[[float], Scalar] = dtype.type
            beta_1, beta_2 = real(float(np.float32(self.beta_1))), real(float(np.float32(self.beta_2)))
        else:
            real = scalar_type(dtype)
            beta_1, beta_2 = real(self.beta_1), real(self.beta_2)
        return 1 - beta_1 ** real(t), (1 - beta_2 ** real(t)) ** real(0.5)

    def update(self, state: OptimizerState) -> None:
        """One step of the formulas above: twelve or thirteen passes over the vector."""
        state.step += 1
        dtype = state.parameters.dtype
        real = scalar_type(dtype)
        first, root = self.bias_corrections(state.step, dtype)
        eta, epsilon, beta_1, beta_2 = (real(x) for x in (self.learning_rate, self.epsilon, self.beta_1, self.beta_2))
        one_minus_beta_1, one_minus_beta_2 = 1 - beta_1, 1 - beta_2
        hat = self.effective_choices.epsilon_hat
        literal = self.convention == "torch" and not hat
        alpha = eta / first if literal else type(first)(eta) * root / first
        if not (hat or literal):
            epsilon = epsilon * root
        for p, g, m, v, s, t in state.chunks:
            if self.convention == "paper":
                np.multiply(g, one_minus_beta_1, out=t)
                np.multiply(m, beta_1, out=m)
                np.add(m, t, out=m)
            else:
                # Both frameworks interpolate, PyTorch from the nearer end.
                np.subtract(g, m, out=t)
                if self.convention == "torch" and self.beta_1 <= 0.5:
                    np.multiply(t, beta_1, out=t)
                    np.subtract(g, t, out=m)
                else:
                    np.multiply(t, one_minus_beta_1, out=t)
                    np.add(m, t, out=m)
            if self.convention == "keras":
                np.square(g, out=t)
                np.subtract(t, v, out=t)
                np.multiply(t, one_minus_beta_2, out=t)
            else:
                np.multiply(g, one_minus_beta_2, out=t)
                np.multiply(t, g, out=t)
                np.multiply(v, beta_2, out=v)
            np.add(v, t, out=v)
            np.sqrt(v, out=t)
            if literal:
                np.divide(t, root, out=t)
            np.add(t, epsilon, out=t)
            np.multiply(m, alpha, out=s)
            np.divide(s, t, out=s)
            np.subtract(p, s, out=p)


def _check(convention: str, optimizer: str, **not_negative: float) -> None:
    if convention not in CONVENTIONS:
        raise ValueError(f'{optimizer}.convention: there is no "{convention}". Choose one of {", ".join(CONVENTIONS)}.')
    for name, value in not_negative.items():
        if not value >= 0:
            raise ValueError(f"{optimizer}.{name}: {value} is not a number of 0 or more.")
