"""Yogi and AdaBelief: Adam with another estimate of how much the gradient varies."""

from dataclasses import dataclass

import numpy as np

from scratch.arrays import scalar_type
from scratch.optimizers.adam import Adam
from scratch.optimizers.base import OptimizerState
from scratch.optimizers.moments import mix


@dataclass(frozen=True)
class Yogi(Adam):
    """Yogi (M. Zaheer et al., Adaptive Methods for Nonconvex Optimization (2018), Algorithm 2).

    m = beta_1 m + (1 - beta_1) g;  v = v - (1 - beta_2) sign(v - g^2) g^2, from v = `initial`
    p -= eta m / (sqrt(v) + epsilon)
    optax: p -= eta m / (1 - beta_1^t) / (sqrt(v / (1 - beta_2^t)) + epsilon), from m = v = `initial`
    """

    learning_rate: float = 0.01
    epsilon: float = 1e-3
    initial: float = 1e-6
    name = "yogi"
    temporaries = 0
    departures = {"optax": frozenset({"bias_correction", "filled_first_moment"})}

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_not_negative("initial")

    def fill(self, state: OptimizerState) -> None:
        """The first moments of all."""
        real = scalar_type(state.parameters.dtype)
        state.slots["v"][...] = real(self.initial)
        if "filled_first_moment" in self.effective_choices:
            state.slots["m"][...] = real(self.initial)

    def advance(self, state: OptimizerState) -> None:
        """One step of the formulas above."""
        dtype = state.parameters.dtype
        real = scalar_type(dtype)
        eta, epsilon, beta_1, beta_2 = (real(x) for x in (self.learning_rate, self.epsilon, self.beta_1, self.beta_2))
        first, root = real(1.0), real(1.0)
        if "bias_correction" in self.effective_choices:
            first, root = self.bias_corrections(state.step, dtype)
        for p, g, m, v in state.chunks:
            mix(m, g, beta_1)
            square = g * g
            v -= np.sign(v - square) * square * (1 - beta_2)
            p -= m * (eta / first) / (np.sqrt(v) / root + epsilon)


@dataclass(frozen=True)
class AdaBelief(Adam):
    """AdaBelief (J. Zhuang et al., AdaBelief Optimizer (2020), Algorithm 2).

    m = beta_1 m + (1 - beta_1) g;  s = beta_2 s + (1 - beta_2) (g - m)^2 + epsilon
    p -= eta m / (1 - beta_1^t) / (sqrt(s / (1 - beta_2^t)) + epsilon)
    """

    epsilon: float = 1e-16
    name = "adabelief"
    temporaries = 0
    departures = {}

    @property
    def slots(self) -> tuple[str, ...]:
        """The mean m, and the variance s around it."""
        return "m", "s"

    def advance(self, state: OptimizerState) -> None:
        """One step of the formulas above."""
        dtype = state.parameters.dtype
        real = scalar_type(dtype)
        eta, epsilon, beta_1, beta_2 = (real(x) for x in (self.learning_rate, self.epsilon, self.beta_1, self.beta_2))
        first, root = self.bias_corrections(state.step, dtype)
        for p, g, m, s in state.chunks:
            mix(m, g, beta_1)
            mix(s, np.square(g - m), beta_2)
            s += epsilon
            p -= m * (eta / first) / (np.sqrt(s) / root + epsilon)
