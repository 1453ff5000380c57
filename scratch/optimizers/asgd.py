"""Averaged stochastic gradient descent: train with falling rates, use the mean."""

from dataclasses import dataclass

import numpy as np

from scratch.arrays import Scalar
from scratch.optimizers.base import Optimizer, OptimizerState


@dataclass(frozen=True)
class ASGD(Optimizer):
    """Averaged SGD (B. Polyak, A. Juditsky, Acceleration of Stochastic Approximation by Averaging (1992)).

    p = (1 - lambda eta_t) p - eta_t g,   eta_t = eta / (1 + lambda eta (t - 1))^alpha
    averaged += mu_t (p - averaged),      mu_t = 1 / max(1, t - 1 - start): the mean of the parameters after step `start`

    The rates are those of W. Xu, Towards Optimal One Pass Large Scale Learning with Averaged SGD (2011); the alpha is what
    he calls c, lambda is `decay`.
    torch: eta_t and mu_t are rounded to float32
    """

    decay: float = 1e-4
    alpha: float = 0.75
    start: float = 1e6
    name = "asgd"
    temporaries = 0
    departures = {"torch": frozenset({"float32_rates"})}

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_not_negative("decay", "alpha", "start")

    @property
    def slots(self) -> tuple[str, ...]:
        """The mean of the parameters."""
        return ("averaged",)

    def rates(self, t: int, state: OptimizerState) -> tuple[Scalar, Scalar]:
        """eta_t and mu_t for step t = 1, 2, ..."""
        # PyTorch computes them in float64 and keeps them in a float32 tensor.
        rounds = "float32_rates" in self.effective_choices
        eta, decay, alpha, start, one = (
            x if rounds else self.coefficient(x, state) for x in (self.learning_rate, self.decay, self.alpha, self.start, 1.0)
        )
        eta_t, mu_t = eta / (one + decay * eta * (t - 1)) ** alpha, one / max(one, t - 1 - start)
        if rounds:
            return self.coefficient(float(np.float32(eta_t)), state), self.coefficient(float(np.float32(mu_t)), state)
        return eta_t, mu_t

    def fill(self, state: OptimizerState) -> None:
        """The rates of the first step."""
        state.numbers["eta"], state.numbers["mu"] = self.rates(1, state)

    def advance(self, state: OptimizerState) -> None:
        """One step of the formulas above. The numbers are those of the next step, as PyTorch keeps them."""
        eta, mu = self.rates(state.step, state)
        shrink = 1 - self.coefficient(self.decay, state) * eta
        for p, g, averaged in state.chunks:
            p *= shrink
            p -= g * eta
            if mu == 1:
                averaged[...] = p
            else:
                averaged += (p - averaged) * mu
        state.numbers["eta"], state.numbers["mu"] = self.rates(state.step + 1, state)
