"""Adadelta: steps in the units of the parameters."""

from dataclasses import dataclass

import numpy as np

from scratch.optimizers.base import Optimizer, OptimizerState


@dataclass(frozen=True)
class Adadelta(Optimizer):
    """Adadelta (M. Zeiler, ADADELTA: An Adaptive Learning Rate Method (2012), Algorithm 1).

    v = rho v + (1 - rho) g^2
    d = sqrt(u + epsilon) / sqrt(v + epsilon) g
    u = rho u + (1 - rho) d^2
    p -= eta d

    All frameworks have this formula. The paper has no learning rate: eta = 1.
    """

    learning_rate: float = 1.0
    rho: float = 0.9
    epsilon: float = 1e-6
    name = "adadelta"
    temporaries = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_share("rho")
        if not self.epsilon > 0:
            raise ValueError("adadelta.epsilon: without epsilon the first step is zero, and all others. Set it, say 1e-6.")

    @property
    def slots(self) -> tuple[str, ...]:
        """The running means v of squared gradients and u of squared steps."""
        return "v", "u"

    def advance(self, state: OptimizerState) -> None:
        """One step of the formulas above."""
        eta, rho, epsilon = (self.coefficient(x, state) for x in (self.learning_rate, self.rho, self.epsilon))
        for p, g, v, u in state.chunks:
            v *= rho
            v += np.square(g) * (1 - rho)
            d = np.sqrt(u + epsilon) / np.sqrt(v + epsilon) * g
            u *= rho
            u += np.square(d) * (1 - rho)
            p -= d * eta
