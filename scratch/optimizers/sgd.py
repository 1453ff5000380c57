"""Gradient descent, plain and with momentum."""

from dataclasses import dataclass

import numpy as np

from scratch.optimizers.base import Choices, Optimizer, OptimizerState, exact_in_float32


@dataclass(frozen=True)
class SGD(Optimizer):
    """Gradient descent, with momentum mu and Nesterov's form of it where asked for.

    paper, keras: v = mu v - eta g;  p += v            Nesterov: p += mu v - eta g
    torch, optax: v = mu v + g;      p -= eta v        Nesterov: p -= eta (g + mu v)

    The two differ only when the learning rate eta changes between steps: torch's v does not carry the rate. In the
    "keras" convention mu is rounded to float32 first. `dampening` d, which only PyTorch has, puts (1 - d) g in the place
    of g in v; PyTorch leaves the first step undamped.
    Sources: B. Polyak (1964), equation 9; I. Sutskever et al., On the importance of initialization and momentum (2013),
    equations 1 to 4, the Nesterov form in the variable of Y. Bengio et al. (2012), equation 7.
    """

    momentum: float = 0.0
    nesterov: bool = False
    dampening: float = 0.0
    temporaries = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.momentum < 1:
            raise ValueError(f"sgd.momentum: {self.momentum} is not in [0, 1). Common values are 0 and 0.9.")
        if self.nesterov and self.momentum == 0:
            raise ValueError("sgd.nesterov: without momentum there is nothing to look ahead with. Set momentum, say 0.9.")
        self.check_share("dampening")
        if self.dampening and (self.nesterov or self.momentum == 0):
            raise ValueError("sgd.dampening: it damps plain momentum only. Set momentum, say 0.9, and not nesterov.")

    @property
    def name(self) -> str:  # type: ignore[override]
        """sgd, momentum or nesterov."""
        return "nesterov" if self.nesterov else "momentum" if self.momentum else "sgd"

    def own_choices(self) -> Choices:
        """The convention's choices, as far as they matter here."""
        if self.convention == "keras" and not exact_in_float32(self.momentum):
            return frozenset({"float32_coefficients"})
        return frozenset({"undamped_first_step"} if self.convention == "torch" and self.dampening else ())

    @property
    def slots(self) -> tuple[str, ...]:
        """The velocity v, where there is momentum."""
        return ("velocity",) if self.momentum else ()

    def advance(self, state: OptimizerState) -> None:
        """One step of the formulas above."""
        eta = self.coefficient(self.learning_rate, state)
        mu = self.rounded_coefficient(self.momentum, state)
        damped = self.dampening and not (state.step == 1 and "undamped_first_step" in self.effective_choices)
        for chunk in state.chunks:
            if not self.momentum:
                p, g, t = chunk
                np.multiply(g, eta, out=t)
                np.subtract(p, t, out=p)
                continue
            p, g, v, t = chunk
            if damped:
                np.multiply(g, 1 - self.coefficient(self.dampening, state), out=g)
            if self.convention in ("torch", "optax"):
                np.multiply(v, mu, out=v)
                np.add(v, g, out=v)
                if self.nesterov:
                    np.multiply(v, mu, out=t)
                    np.add(t, g, out=t)
                    np.multiply(t, eta, out=t)
                else:
                    np.multiply(v, eta, out=t)
                np.subtract(p, t, out=p)
            else:
                np.multiply(g, eta, out=t)
                np.multiply(v, mu, out=v)
                np.subtract(v, t, out=v)
                if self.nesterov:
                    np.subtract(p, t, out=p)
                    np.multiply(v, mu, out=t)
                    np.add(p, t, out=p)
                else:
                    np.add(p, v, out=p)
