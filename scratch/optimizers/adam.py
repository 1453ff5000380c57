"""Adam, and AdamW, which takes the weight decay out of the gradient."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scratch.arrays import Scalar, scalar_type
from scratch.optimizers.base import Optimizer, OptimizerState


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (D. Kingma, J. Ba, Adam: A Method for Stochastic Optimization (2015), Algorithm 1).

    m = beta_1 m + (1 - beta_1) g;  v = beta_2 v + (1 - beta_2) g^2
    torch: p -= eta / (1 - beta_1^t) m / (sqrt(v) / sqrt(1 - beta_2^t) + epsilon), Algorithm 1 to the letter
    paper: p -= alpha_t m / (sqrt(v) + epsilon sqrt(1 - beta_2^t)), alpha_t = eta sqrt(1 - beta_2^t) / (1 - beta_1^t):
           the same in the efficient order of the formula just before the paper's section 2.1
    keras: p -= alpha_t m / (sqrt(v) + epsilon): epsilon in the place of that formula's "epsilon hat"; the betas in beta^t
           are rounded to float32 first, and alpha_t is computed in the precision of the parameters

    Operations come in the order in which the framework has them. Keras is met bit for bit in float64; PyTorch fuses
    multiplications and additions, so that single roundings differ.
    """

    learning_rate: float = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    name = "adam"
    departures = {"keras": frozenset({"float32_coefficients", "epsilon_hat"})}

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_not_negative("epsilon")
        self.check_share("beta_1", "beta_2")

    @property
    def slots(self) -> tuple[str, ...]:
        """The first and second moments m and v."""
        return "m", "v"

    def bias_corrections(self, t: int, dtype: np.dtype[Any]) -> tuple[Scalar, Scalar]:
        """1 - beta_1^t and sqrt(1 - beta_2^t) for step t = 1, 2, ... and parameters of that dtype."""
        if "float32_coefficients" in self.effective_choices:
            # Keras computes the powers in the precision of the variable.
            real: Callable[[float], Scalar] = dtype.type
            beta_1, beta_2 = real(float(np.float32(self.beta_1))), real(float(np.float32(self.beta_2)))
        else:
            real = scalar_type(dtype)
            beta_1, beta_2 = real(self.beta_1), real(self.beta_2)
        return 1 - beta_1 ** real(t), (1 - beta_2 ** real(t)) ** real(0.5)

    def advance(self, state: OptimizerState) -> None:
        """One step of the formulas above: twelve or thirteen passes over the vector."""
        dtype = state.parameters.dtype
        real = scalar_type(dtype)
        first, root = self.bias_corrections(state.step, dtype)
        eta, epsilon, beta_1, beta_2 = (real(x) for x in (self.learning_rate, self.epsilon, self.beta_1, self.beta_2))
        one_minus_beta_1, one_minus_beta_2 = 1 - beta_1, 1 - beta_2
        hat = "epsilon_hat" in self.effective_choices
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


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay (I. Loshchilov, F. Hutter, Decoupled Weight Decay Regularization (2019), Algorithm 2).

    paper:               p -= wd p and then Adam's step, where the paper's schedule multiplies both, the learning rate only Adam's
    torch, keras, optax: p -= eta wd p and then Adam's step
    """

    weight_decay: float = field(default=0.01, kw_only=True)
    decoupled: bool = field(default=True, kw_only=True)
    name = "adamw"
    departures = {
        "torch": frozenset({"rate_in_decay"}),
        "keras": Adam.departures["keras"] | {"rate_in_decay"},
        "optax": frozenset({"rate_in_decay"}),
    }

    def _decay(self, state: OptimizerState) -> None:
        if self.decoupled and "rate_in_decay" not in self.effective_choices:
            state.parameters -= state.parameters * self.rounded_coefficient(self.weight_decay, state)
        else:
            super()._decay(state)
