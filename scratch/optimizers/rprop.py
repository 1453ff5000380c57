"""Rprop: steps that look at the sign of the gradient only."""

from dataclasses import dataclass

import numpy as np

from scratch.optimizers.base import Optimizer, OptimizerState


@dataclass(frozen=True)
class Rprop(Optimizer):
    """Rprop (M. Riedmiller, H. Braun, A Direct Adaptive Method for Faster Backpropagation Learning (1993)).

    Every parameter has its own step, from `learning_rate`, which grows by eta_plus where the gradient keeps its sign and
    shrinks by eta_minus where it changes it, within [smallest, largest].

    paper:  p -= step sign(g); where the sign has changed, the last step is taken back instead
    torch:  p -= step sign(g); where the sign has changed, no step (C. Igel, M. Huesken, Improving the Rprop Learning
            Algorithm (2000), call this iRprop-)
    optax:  what PyTorch would have done in the call before; where the sign has changed, no step

    After a change of sign the next gradient counts as one of unknown sign, so that its step neither grows nor shrinks.
    """

    learning_rate: float = 0.01
    eta_minus: float = 0.5
    eta_plus: float = 1.2
    smallest: float = 1e-6
    largest: float = 50.0
    name = "rprop"
    temporaries = 0
    departures = {"torch": frozenset({"no_way_back"}), "optax": frozenset({"steps_of_last_call"})}

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.eta_minus < 1 < self.eta_plus:
            raise ValueError("rprop.eta_minus and rprop.eta_plus: the first must be in (0, 1), the second above 1.")
        if not 0 < self.smallest <= self.learning_rate <= self.largest:
            raise ValueError("rprop.learning_rate: the first step must be within [smallest, largest], which are above 0.")

    @property
    def slots(self) -> tuple[str, ...]:
        """The last gradient (optax: its sign times its step), the step sizes, and the last step where it may be taken back."""
        return (
            ("previous", "step", "last")
            if not self.effective_choices & {"no_way_back", "steps_of_last_call"}
            else (
                "previous",
                "step",
            )
        )

    def fill(self, state: OptimizerState) -> None:
        """All steps start at the learning rate."""
        state.slots["step"][...] = self.coefficient(self.learning_rate, state)

    def advance(self, state: OptimizerState) -> None:
        """One step of the formulas above."""
        smallest, largest = self.coefficient(self.smallest, state), self.coefficient(self.largest, state)
        eta_minus, eta_plus = self.coefficient(self.eta_minus, state), self.coefficient(self.eta_plus, state)
        for p, g, previous, step, *rest in state.chunks:
            # The signs first: the product of two small gradients may underflow.
            product = np.sign(g) * np.sign(previous)
            kept, turned = product > 0, product < 0
            step[kept] = np.minimum(step[kept] * eta_plus, largest)
            step[turned] = np.maximum(step[turned] * eta_minus, smallest)
            g[turned] = 0
            if "steps_of_last_call" in self.effective_choices:
                previous[turned] = 0
                p -= previous
                previous[...] = step * np.sign(g)
                continue
            if "no_way_back" in self.effective_choices:
                p -= step * np.sign(g)
            else:
                (last,) = rest
                last[...] = np.where(turned, -last, -step * np.sign(g))
                p += last
            previous[...] = g
