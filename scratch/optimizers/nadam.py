"""Nadam: Adam with Nesterov's momentum."""

from dataclasses import dataclass

import numpy as np

from scratch.arrays import Scalar, scalar_type
from scratch.optimizers.adam import Adam
from scratch.optimizers.base import OptimizerState
from scratch.optimizers.moments import mix


@dataclass(frozen=True)
class Nadam(Adam):
    """Nadam (T. Dozat, Incorporating Nesterov Momentum into Adam (2016), Algorithm 2).

    mu_t = beta_1 (1 - 0.96^(psi t) / 2), psi the momentum decay;  Pi_t = mu_1 mu_2 ... mu_t
    m = mu_t m + (1 - mu_t) g;  v = beta_2 v + (1 - beta_2) g^2
    m_hat = mu_(t+1) m / (1 - Pi_(t+1)) + (1 - mu_t) g / (1 - Pi_t);  v_hat = beta_2 v / (1 - beta_2^t)
    p -= eta m_hat / (sqrt(v_hat) + epsilon)

    torch: m = beta_1 m + (1 - beta_1) g, v_hat = v / (1 - beta_2^t), and Pi_t in float32
    keras: those two, but Pi_t in the parameters' precision, psi = 1, and beta_1, beta_2 and 0.96 rounded to float32, except in Pi_t
    optax: v_hat as there, and mu_t = beta_1 throughout
    """

    momentum_decay: float = 0.004
    name = "nadam"
    temporaries = 0
    departures = {
        "torch": frozenset({"constant_decay", "whole_second_moment", "float32_product"}),
        "keras": frozenset({"constant_decay", "whole_second_moment", "momentum_decay_of_one", "float32_coefficients"}),
        "optax": frozenset({"constant_momentum", "whole_second_moment"}),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_not_negative("momentum_decay")

    def fill(self, state: OptimizerState) -> None:
        """The empty product, where it is no power of beta_1."""
        if "constant_momentum" not in self.effective_choices:
            state.numbers["mu_product"] = scalar_type(state.parameters.dtype)(1.0)

    def momentum(self, t: int, state: OptimizerState, *, exact: bool = False) -> Scalar:
        """mu_t, with the coefficients rounded where that is one of the choices, unless `exact`."""
        real = scalar_type(state.parameters.dtype)
        coefficient = self.coefficient if exact else self.rounded_coefficient
        beta_1, base = coefficient(self.beta_1, state), coefficient(0.96, state)
        if "constant_momentum" in self.effective_choices:
            return beta_1
        psi = 1.0 if "momentum_decay_of_one" in self.effective_choices else self.momentum_decay
        return beta_1 * (1 - real(0.5) * base ** (real(t) * real(psi)))

    def products(self, state: OptimizerState) -> tuple[Scalar, Scalar]:
        """Pi_t and Pi_(t+1); the first one is kept in the state."""
        real = scalar_type(state.parameters.dtype)
        t = state.step
        following = self.momentum(t + 1, state)
        if "constant_momentum" in self.effective_choices:
            return following ** real(t), following ** real(t + 1)
        mu = self.momentum(t, state, exact=True)
        if "float32_product" in self.effective_choices:
            product = real(float(np.float32(state.numbers["mu_product"]) * np.float32(float(mu))))
        else:
            product = state.numbers["mu_product"] * mu
        state.numbers["mu_product"] = product
        return product, product * following

    def advance(self, state: OptimizerState) -> None:
        """One step of the formulas above."""
        choices, t = self.effective_choices, state.step
        real = scalar_type(state.parameters.dtype)
        eta, epsilon = real(self.learning_rate), real(self.epsilon)
        beta_1, beta_2 = self.rounded_coefficient(self.beta_1, state), self.rounded_coefficient(self.beta_2, state)
        mu, following = self.momentum(t, state), self.momentum(t + 1, state)
        now, then = self.products(state)
        correction = (1 if "whole_second_moment" in choices else beta_2) / (1 - beta_2 ** real(t))
        for p, g, m, v in state.chunks:
            mix(m, g, beta_1 if "constant_decay" in choices else mu)
            mix(v, g * g, beta_2)
            m_hat = m * (following / (1 - then)) + g * ((1 - mu) / (1 - now))
            p -= m_hat * eta / (np.sqrt(v * correction) + epsilon)
