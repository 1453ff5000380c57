"""Adamax: Adam with the largest gradient in place of the root of the mean square."""

from dataclasses import dataclass

import numpy as np

from scratch.arrays import scalar_type
from scratch.optimizers.adam import Adam
from scratch.optimizers.base import OptimizerState
from scratch.optimizers.moments import mix


@dataclass(frozen=True)
class Adamax(Adam):
    """Adamax (D. Kingma, J. Ba, Adam: A Method for Stochastic Optimization (2015), Algorithm 2).

    m = beta_1 m + (1 - beta_1) g
    paper, keras: u = max(beta_2 u, |g|);            p -= eta / (1 - beta_1^t) m / (u + epsilon); the paper has epsilon = 0
    torch, optax: u = max(beta_2 u, |g| + epsilon);  p -= eta / (1 - beta_1^t) m / u
    """

    name = "adamax"
    temporaries = 0
    departures = {
        "torch": frozenset({"epsilon_in_maximum"}),
        "keras": frozenset({"float32_coefficients"}),
        "optax": frozenset({"epsilon_in_maximum"}),
    }

    @property
    def slots(self) -> tuple[str, ...]:
        """The first moment m and the infinity norm u."""
        return "m", "u"

    def advance(self, state: OptimizerState) -> None:
        """One step of the formulas above."""
        dtype = state.parameters.dtype
        real = scalar_type(dtype)
        eta, epsilon, beta_1, beta_2 = (real(x) for x in (self.learning_rate, self.epsilon, self.beta_1, self.beta_2))
        first, _ = self.bias_corrections(state.step, dtype)
        inside = "epsilon_in_maximum" in self.effective_choices
        for p, g, m, u in state.chunks:
            mix(m, g, beta_1)
            np.maximum(u * beta_2, np.abs(g) + epsilon if inside else np.abs(g), out=u)
            p -= m * eta / ((u if inside else u + epsilon) * first)
