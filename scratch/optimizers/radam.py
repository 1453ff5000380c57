"""RAdam: Adam whose first steps are plain momentum, until the second moment can be trusted."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from scratch.arrays import Scalar, scalar_type
from scratch.optimizers.adam import Adam
from scratch.optimizers.base import OptimizerState
from scratch.optimizers.moments import mix


@dataclass(frozen=True)
class RAdam(Adam):
    """RAdam (L. Liu et al., On the Variance of the Adaptive Learning Rate and Beyond (2020), Algorithm 2).

    m and v as in Adam;  m_hat = m / (1 - beta_1^t);  v_hat = v / (1 - beta_2^t)
    rho_inf = 2 / (1 - beta_2) - 1;  rho_t = rho_inf - 2 t beta_2^t / (1 - beta_2^t)
    where rho_t > 4: r_t = sqrt((rho_t - 4) (rho_t - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho_t))
                     p -= eta r_t m_hat / (sqrt(v_hat) + epsilon), where the paper has epsilon = 0
    elsewhere:       p -= eta m_hat

    torch, optax: rectified where rho_t > 5;  torch: epsilon beside sqrt(v), in the place of Adam's "epsilon hat"
    """

    name = "radam"
    temporaries = 0
    departures = {
        "torch": frozenset({"threshold_of_five", "epsilon_hat"}),
        "optax": frozenset({"threshold_of_five"}),
    }

    def rectification(self, t: int, dtype: np.dtype[Any]) -> Scalar | None:
        """r_t, or None where the variance of the second moment is not tractable yet."""
        real = scalar_type(dtype)
        beta_2 = real(self.beta_2)
        rho_inf = 2 / (1 - beta_2) - 1
        rho = rho_inf - 2 * t * beta_2 ** real(t) / (1 - beta_2 ** real(t))
        if rho <= (5 if "threshold_of_five" in self.effective_choices else 4):
            return None
        return ((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)) ** real(0.5)

    def advance(self, state: OptimizerState) -> None:
        """One step of the formulas above."""
        dtype = state.parameters.dtype
        real = scalar_type(dtype)
        eta, epsilon, beta_1, beta_2 = (real(x) for x in (self.learning_rate, self.epsilon, self.beta_1, self.beta_2))
        first, root = self.bias_corrections(state.step, dtype)
        r = self.rectification(state.step, dtype)
        for p, g, m, v in state.chunks:
            mix(m, g, beta_1)
            mix(v, g * g, beta_2)
            if r is None:
                p -= m * (eta / first)
            elif "epsilon_hat" in self.effective_choices:
                p -= m * (eta / first * r) / ((np.sqrt(v) + epsilon) / root)
            else:
                p -= m * (eta / first * r) / (np.sqrt(v) / root + epsilon)
