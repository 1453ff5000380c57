"""RMSprop, plain, centered and with momentum."""

from dataclasses import dataclass

import numpy as np

from scratch.arrays import Array, Scalar
from scratch.optimizers.base import Optimizer, OptimizerState


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """RMSprop (T. Tieleman, G. Hinton, Neural Networks for Machine Learning (2012), lecture 6.5, which has no epsilon).

    v = rho v + (1 - rho) g^2;     centered: m = rho m + (1 - rho) g, and v - m^2 in the place of v below
    paper, keras, optax: d = eta g / sqrt(v + epsilon)
    torch:               d = eta g / (sqrt(v) + epsilon)
    p -= d;                        with momentum mu: velocity = mu velocity + d; p -= velocity

    Centering, momentum and the place of epsilon are those of A. Graves, Generating Sequences With Recurrent Neural Networks
    (2013), equations 38 to 41. PyTorch's velocity does not carry the learning rate, that of Graves and of Optax carries a
    minus; the formula is the same as long as the rate does not change.
    """

    rho: float = 0.99
    epsilon: float = 1e-8
    momentum: float = 0.0
    centered: bool = False
    name = "rmsprop"
    temporaries = 0
    departures = {"torch": frozenset({"epsilon_outside_root"})}

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_share("rho", "momentum")
        self.check_not_negative("epsilon")

    @property
    def slots(self) -> tuple[str, ...]:
        """The second moment v, the mean m where it is centered, and the velocity where there is momentum."""
        return "v", *(("m",) if self.centered else ()), *(("velocity",) if self.momentum else ())

    def advance(self, state: OptimizerState) -> None:
        """One step of the formulas above."""
        eta, rho, epsilon = (self.coefficient(x, state) for x in (self.learning_rate, self.rho, self.epsilon))
        for p, g, v, *rest in state.chunks:
            v *= rho
            v += np.square(g) * (1 - rho)
            d = g / self._root(v, self._mean(g, rest[0], rho) if self.centered else None, epsilon)
            if not self.momentum:
                p -= d * eta
                continue
            velocity = rest[-1]
            velocity *= self.coefficient(self.momentum, state)
            if self.convention == "torch":
                velocity += d
                p -= velocity * eta
            elif self.convention == "keras":
                velocity += d * eta
                p -= velocity
            else:
                velocity -= d * eta
                p += velocity

    def _mean(self, g: Array, m: Array, rho: Scalar) -> Array:
        """The running mean of the gradients, one step on."""
        if self.convention == "torch":
            m += (g - m) * (1 - rho)
        else:
            m *= rho
            m += g * (1 - rho)
        return m

    def _root(self, v: Array, m: Array | None, epsilon: Scalar) -> Array:
        """What the gradient is divided by."""
        # A variance is never negative, which rounding does not know.
        v = v if m is None else np.maximum(v - np.square(m), 0)
        root: Array = np.sqrt(v) + epsilon if "epsilon_outside_root" in self.effective_choices else np.sqrt(v + epsilon)
        if not self.epsilon:
            root[root == 0] = 1  # no gradient yet, and no step
        return root
