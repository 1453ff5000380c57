"""Muon: orthogonalized momentum for kernels, Adam for everything else."""

from dataclasses import dataclass

import numpy as np

from scratch.arrays import Array, Scalar
from scratch.optimizers.base import Choices, Optimizer, OptimizerState

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""a, b, c of Jordan's quintic, which pushes singular values towards 1 without ever reaching it."""


@dataclass(frozen=True)
class Muon(Optimizer):
    """Muon (K. Jordan et al., Muon: An optimizer for hidden layers in neural networks (2024)).

    Kernels (inputs, outputs):
        m = mu m + g;  direction = g + mu m with `nesterov`, else m
        p -= eta sqrt(max(1, outputs / inputs)) orthogonalize(direction)
        keras: 0.2 sqrt(max(inputs, outputs)) is the factor; so is `rms` sqrt(max(inputs, outputs)) for all, where it is set
        optax: m = mu m + (1 - mu) g;  direction = mu m / (1 - mu^(t+1)) + (1 - mu) g / (1 - mu^t), else m / (1 - mu^t)
    Whatever is not a matrix takes a step of Adam (D. Kingma, J. Ba (2015), Algorithm 1) at the same learning rate:
        m = beta_1 m + (1 - beta_1) g;  v = beta_2 v + (1 - beta_2) g^2
        p -= eta m / (1 - beta_1^t) / (sqrt(v / (1 - beta_2^t)) + epsilon)
        keras: epsilon outside of the bias correction, betas rounded to float32, as in its Adam
        optax: beta_1 m / (1 - beta_1^(t+1)) + (1 - beta_1) g / (1 - beta_1^t) for m / (1 - beta_1^t), with `nesterov`
    """

    learning_rate: float = 0.001
    momentum: float = 0.95
    nesterov: bool = True
    iterations: int = 5
    epsilon: float = 1e-7
    beta_1: float = 0.9
    beta_2: float = 0.999
    rms: float | None = None
    """The root mean square of an update at eta = 1, as of Adam: 0.2 in J. Liu et al., Muon is Scalable (2025), equation 4."""
    name = "muon"
    temporaries = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_share("momentum", "beta_1", "beta_2")
        self.check_not_negative("epsilon", "iterations")

    def own_choices(self) -> Choices:
        """The convention's choices, as far as they matter here."""
        if self.convention == "keras":
            return frozenset({"epsilon_hat", "float32_coefficients"} | ({"rms_of_adam"} if self.rms is None else set()))
        if self.convention == "optax":
            return frozenset({"corrected_momentum"} | ({"nesterov_biases"} if self.nesterov else set()))
        return frozenset()

    @property
    def slots(self) -> tuple[str, ...]:
        """The momentum m of kernels and the first moment m of the rest; the second moment v, which kernels leave at zero."""
        return "m", "v"

    def advance(self, state: OptimizerState) -> None:
        """One step of the formulas above."""
        for p, g, m, v in state.arrays:
            if p.ndim == 2:
                self._advance_kernel(state, p, g, m)
            else:
                self._advance_other(state, p, g, m, v)

    def _advance_kernel(self, state: OptimizerState, p: Array, g: Array, m: Array) -> None:
        eta, mu, one = (self.coefficient(x, state) for x in (self.learning_rate, self.momentum, 1.0))
        m *= mu
        if "corrected_momentum" in self.effective_choices:
            m += g * (1 - mu)
            now, later = one - mu**state.step, one - mu ** (state.step + 1)
            direction = m / later * mu + g / now * (1 - mu) if self.nesterov else m / now
        else:
            m += g
            direction = g + m * mu if self.nesterov else m
        inputs, outputs = p.shape
        rms = 0.2 if "rms_of_adam" in self.effective_choices else self.rms
        if rms is None:
            scale = np.sqrt(self.coefficient(max(1.0, outputs / inputs), state)) if outputs > inputs else one
        else:
            scale = np.sqrt(self.coefficient(max(p.shape), state)) * self.coefficient(rms, state)
        p -= orthogonalize(direction, self.iterations, self.coefficient(self.epsilon, state)) * (eta * scale)

    def _advance_other(self, state: OptimizerState, p: Array, g: Array, m: Array, v: Array) -> None:
        eta, beta_1, beta_2, epsilon = (
            self.coefficient(x, state) for x in (self.learning_rate, self.beta_1, self.beta_2, self.epsilon)
        )
        m *= beta_1
        m += g * (1 - beta_1)
        v *= beta_2
        v += np.square(g) * (1 - beta_2)
        power_1, power_2 = (self.rounded_coefficient(beta, state) for beta in (self.beta_1, self.beta_2))
        now, later = 1 - power_1**state.step, 1 - power_1 ** (state.step + 1)
        root = np.sqrt(1 - power_2**state.step)
        nesterov = "nesterov_biases" in self.effective_choices
        direction = m / later * beta_1 + g / now * (1 - beta_1) if nesterov else m / now
        if "epsilon_hat" in self.effective_choices:
            p -= direction * (eta * root) / (np.sqrt(v) + epsilon)
        else:
            p -= direction * eta / (np.sqrt(v) / root + epsilon)


def orthogonalize(x: Array, iterations: int, epsilon: Scalar) -> Array:
    """Nearly U V^T for a matrix x = U S V^T, by Newton and Schulz: x / |x|, then x = a x + (b A + c A A) x, A = x x^T."""
    if x.shape[0] > x.shape[1]:
        return orthogonalize(x.T, iterations, epsilon).T
    a, b, c = (type(epsilon)(coefficient) for coefficient in COEFFICIENTS)
    x = x / (np.sqrt(np.add.reduce(np.square(x), axis=None)) + epsilon)
    for _ in range(iterations):
        product = x @ x.T
        x = x * a + (product * b + product @ product * c) @ x
    return x
