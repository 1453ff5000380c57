"""AMSGrad: Adam with a second moment that never falls."""

from dataclasses import dataclass

import numpy as np

from scratch.arrays import scalar_type
from scratch.optimizers.adam import Adam
from scratch.optimizers.base import OptimizerState
from scratch.optimizers.moments import mix


@dataclass(frozen=True)
class AMSGrad(Adam):
    """AMSGrad (S. Reddi, S. Kale, S. Kumar, On the Convergence of Adam and Beyond (2018), Algorithm 2).

    m = beta_1 m + (1 - beta_1) g;  v = beta_2 v + (1 - beta_2) g^2;  v_max = max(v_max, v)
    paper: p -= eta m / (sqrt(v_max) + epsilon), where the paper has epsilon = 0: no bias correction
    torch: p -= eta m / (1 - beta_1^t) / (sqrt(v_max / (1 - beta_2^t)) + epsilon)
    keras: the same, with epsilon beside sqrt(v_max)
    optax: v_max = max(v_max, v / (1 - beta_2^t));  p -= eta m / (1 - beta_1^t) / (sqrt(v_max) + epsilon)
    """

    name = "amsgrad"
    temporaries = 0
    departures = {
        "torch": frozenset({"bias_correction"}),
        "keras": frozenset({"bias_correction", "epsilon_hat", "float32_coefficients"}),
        "optax": frozenset({"bias_correction", "corrected_maximum"}),
    }

    @property
    def slots(self) -> tuple[str, ...]:
        """The moments m and v, and the largest v so far."""
        return "m", "v", "v_max"

    def advance(self, state: OptimizerState) -> None:
        """One step of the formulas above."""
        dtype = state.parameters.dtype
        real = scalar_type(dtype)
        eta, epsilon, beta_1, beta_2 = (real(x) for x in (self.learning_rate, self.epsilon, self.beta_1, self.beta_2))
        first, root = self.bias_corrections(state.step, dtype)
        corrected = "bias_correction" in self.effective_choices
        for p, g, m, v, v_max in state.chunks:
            mix(m, g, beta_1)
            mix(v, g * g, beta_2)
            if "corrected_maximum" in self.effective_choices:
                np.maximum(v_max, v / (root * root), out=v_max)
                denominator = np.sqrt(v_max) + epsilon
            else:
                np.maximum(v_max, v, out=v_max)
                if not corrected:
                    denominator = np.sqrt(v_max) + epsilon
                elif "epsilon_hat" in self.effective_choices:
                    denominator = (np.sqrt(v_max) + epsilon) / root
                else:
                    denominator = np.sqrt(v_max) / root + epsilon
            p -= (m / first if corrected else m) * eta / denominator
