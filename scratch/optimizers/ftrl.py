"""FTRL-Proximal: follow the regularized leader, every coordinate with its own rate."""

from dataclasses import dataclass

import numpy as np

from scratch.optimizers.base import Choices, Optimizer, OptimizerState, exact_in_float32


@dataclass(frozen=True)
class FTRL(Optimizer):
    """FTRL-Proximal (H. McMahan et al., Ad Click Prediction: a View from the Trenches (2013), Algorithm 1).

    z += g - (sqrt(n + g^2) - sqrt(n)) / alpha p;  n += g^2, from `initial_accumulator`
    p = 0 where |z| <= l1, else (sign(z) l1 - z) / ((beta + sqrt(n)) / alpha + l2)

    alpha is `learning_rate`. The parameters follow from z and n alone, and z starts at zero: whatever the parameters start
    from is nearly forgotten after one step, and altogether where the first gradient is zero.
    keras: 2 l2 in the place of l2; the initial accumulator is rounded to float32
    """

    learning_rate: float = 0.1
    beta: float = 1.0
    l1: float = 0.0
    l2: float = 0.0
    initial_accumulator: float = 0.0
    name = "ftrl"
    temporaries = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_not_negative("beta", "l1", "l2", "initial_accumulator")
        if not self.learning_rate > 0:
            raise ValueError("ftrl.learning_rate: FTRL divides by it. Set a number above 0.")

    def own_choices(self) -> Choices:
        """The convention's choices, as far as they matter here."""
        keras = self.convention == "keras"
        rounds = not exact_in_float32(self.initial_accumulator)
        chosen = {"doubled_l2": keras and self.l2, "float32_coefficients": keras and rounds}
        return frozenset(name for name, holds in chosen.items() if holds)

    @property
    def slots(self) -> tuple[str, ...]:
        """The sum n of squared gradients, and z."""
        return "n", "z"

    def fill(self, state: OptimizerState) -> None:
        """The sum starts at `initial_accumulator`."""
        state.slots["n"][...] = self.rounded_coefficient(self.initial_accumulator, state)

    def advance(self, state: OptimizerState) -> None:
        """One step of the formulas above."""
        alpha, beta, l1, l2 = (self.coefficient(x, state) for x in (self.learning_rate, self.beta, self.l1, self.l2))
        if "doubled_l2" in self.effective_choices:
            l2 = 2 * l2
        for p, g, n, z in state.chunks:
            root = np.sqrt(n)
            n += np.square(g)
            new_root = np.sqrt(n)
            z += g - (new_root - root) / alpha * p
            divisor = (new_root + beta) / alpha + l2
            inactive = np.abs(z) <= l1
            divisor[inactive] = 1  # where there was no gradient yet it may be zero
            p[...] = np.where(inactive, 0, (np.sign(z) * l1 - z) / divisor)
