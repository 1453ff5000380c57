"""LAMB and NovoGrad: steps whose size is set per parameter array, which both papers call a layer."""

from dataclasses import dataclass, field

import numpy as np

from scratch.arrays import Array, Scalar, scalar_type
from scratch.optimizers.adam import Adam
from scratch.optimizers.base import OptimizerState
from scratch.optimizers.moments import mix


def norm(x: Array) -> Scalar:
    """The Euclidean norm of a whole array."""
    return np.sqrt(np.add.reduce(np.square(x), axis=None))


@dataclass(frozen=True)
class LAMB(Adam):
    """LAMB (Y. You et al., Large Batch Optimization for Deep Learning (2020), Algorithm 2, phi the identity).

    m, v as in Adam;  r = m / (1 - beta_1^t) / (sqrt(v / (1 - beta_2^t)) + epsilon) + wd p
    p -= eta |p| / |r| r for every array, where `weight_decay` wd is decoupled; an array of zeros stays where it is

    keras, optax: the ratio |p| / |r| is 1 where either norm is zero
    keras: the decay takes eta wd p off the parameters before the step, and is not in r
    """

    epsilon: float = 1e-6
    decoupled: bool = field(default=True, kw_only=True)
    name = "lamb"
    temporaries = 0
    departures = {
        "keras": frozenset({"ratio_of_one", "decay_outside_ratio", "float32_coefficients"}),
        "optax": frozenset({"ratio_of_one"}),
    }

    def _decay(self, state: OptimizerState) -> None:
        if not self.decoupled or "decay_outside_ratio" in self.effective_choices:
            super()._decay(state)

    def advance(self, state: OptimizerState) -> None:
        """One step of the formulas above."""
        dtype = state.parameters.dtype
        real = scalar_type(dtype)
        eta, epsilon, beta_1, beta_2 = (real(x) for x in (self.learning_rate, self.epsilon, self.beta_1, self.beta_2))
        inside = self.decoupled and "decay_outside_ratio" not in self.effective_choices
        decay = self.rounded_coefficient(self.weight_decay if inside else 0.0, state)
        first, root = self.bias_corrections(state.step, dtype)
        for p, g, m, v in state.arrays:
            mix(m, g, beta_1)
            mix(v, g * g, beta_2)
            r = m / first / (np.sqrt(v) / root + epsilon) + p * decay
            size, length = norm(p), norm(r)
            if size > 0 and length > 0:
                r *= size / length
            elif "ratio_of_one" not in self.effective_choices:
                continue
            p -= r * eta


@dataclass(frozen=True)
class NovoGrad(Adam):
    """NovoGrad (B. Ginsburg et al., Stochastic Gradient Methods with Layer-wise Adaptive Moments (2019), Algorithm 1).

    v = |g|^2 at the first step, then v = beta_2 v + (1 - beta_2) |g|^2: one number for every array, in all its elements
    m = beta_1 m + g / (sqrt(v) + epsilon) + wd p, where `weight_decay` wd is decoupled;  p -= eta m
    """

    learning_rate: float = 0.01
    beta_1: float = 0.95
    beta_2: float = 0.98
    decoupled: bool = field(default=True, kw_only=True)
    name = "novograd"
    temporaries = 0
    departures = {}

    def _decay(self, state: OptimizerState) -> None:
        if not self.decoupled:
            super()._decay(state)

    def advance(self, state: OptimizerState) -> None:
        """One step of the formulas above."""
        real = scalar_type(state.parameters.dtype)
        eta, epsilon, beta_1, beta_2 = (real(x) for x in (self.learning_rate, self.epsilon, self.beta_1, self.beta_2))
        decay = real(self.weight_decay if self.decoupled else 0.0)
        for p, g, m, v in state.arrays:
            square = np.add.reduce(np.square(g), axis=None)
            v[...] = square if state.step == 1 else v * beta_2 + square * (1 - beta_2)
            m *= beta_1
            m += g / (np.sqrt(v) + epsilon) + p * decay
            p -= m * eta
