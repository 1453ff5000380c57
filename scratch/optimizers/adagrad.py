"""Adagrad: every parameter's rate falls with the sum of its squared gradients."""

from dataclasses import dataclass

import numpy as np

from scratch.optimizers.base import Choices, Optimizer, OptimizerState, exact_in_float32


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """Adagrad (J. Duchi, E. Hazan, Y. Singer, Adaptive Subgradient Methods (2011), Figure 1 with diagonal matrices).

    sum = sum + g^2, from `initial_accumulator`
    paper, torch: p -= eta_t g / (sqrt(sum) + epsilon)
    keras, optax: p -= eta g / sqrt(sum + epsilon); Keras rounds the initial accumulator to float32

    eta_t = eta / (1 + (t - 1) rate_decay), which only PyTorch has, is eta unless asked for.
    """

    epsilon: float = 1e-10
    initial_accumulator: float = 0.0
    rate_decay: float = 0.0
    name = "adagrad"
    temporaries = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_not_negative("epsilon", "initial_accumulator", "rate_decay")

    def own_choices(self) -> Choices:
        """The convention's choices, as far as they matter here."""
        if self.convention not in ("keras", "optax"):
            return frozenset()
        rounded = self.convention == "keras" and not exact_in_float32(self.initial_accumulator)
        return frozenset({"epsilon_inside_root", "float32_coefficients"} if rounded else {"epsilon_inside_root"})

    @property
    def slots(self) -> tuple[str, ...]:
        """The sum of the squared gradients."""
        return ("sum",)

    def fill(self, state: OptimizerState) -> None:
        """The sum starts at `initial_accumulator`."""
        state.slots["sum"][...] = self.rounded_coefficient(self.initial_accumulator, state)

    def advance(self, state: OptimizerState) -> None:
        """One step of the formulas above."""
        eta = self.coefficient(self.learning_rate, state)
        if self.rate_decay:
            eta = eta / (1 + (state.step - 1) * self.coefficient(self.rate_decay, state))
        epsilon = self.coefficient(self.epsilon, state)
        inside = "epsilon_inside_root" in self.effective_choices
        for p, g, total in state.chunks:
            total += np.square(g)
            root = np.sqrt(total + epsilon) if inside else np.sqrt(total) + epsilon
            # Nothing under the root means that there was no gradient yet, nor is there a step.
            root[root == 0] = 1
            p -= g * eta / root
