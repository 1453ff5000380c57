"""Lion: the sign of a momentum."""

from dataclasses import dataclass, field

import numpy as np

from scratch.optimizers.base import Optimizer, OptimizerState
from scratch.optimizers.moments import mix


@dataclass(frozen=True)
class Lion(Optimizer):
    """Lion (X. Chen et al., Symbolic Discovery of Optimization Algorithms (2023), Algorithm 2).

    p -= eta sign(beta_1 m + (1 - beta_1) g);  m = beta_2 m + (1 - beta_2) g
    The paper's weight decay is decoupled, eta wd p. In the "keras" convention both betas are rounded to float32.
    """

    learning_rate: float = 0.0001
    beta_1: float = 0.9
    beta_2: float = 0.99
    decoupled: bool = field(default=True, kw_only=True)
    name = "lion"
    temporaries = 0
    departures = {"keras": frozenset({"float32_coefficients"})}

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_share("beta_1", "beta_2")

    @property
    def slots(self) -> tuple[str, ...]:
        """The momentum m."""
        return ("m",)

    def advance(self, state: OptimizerState) -> None:
        """One step of the formulas above."""
        eta = self.coefficient(self.learning_rate, state)
        beta_1, beta_2 = (self.rounded_coefficient(beta, state) for beta in (self.beta_1, self.beta_2))
        for p, g, m in state.chunks:
            p -= np.sign(m * beta_1 + g * (1 - beta_1)) * eta
            mix(m, g, beta_2)
