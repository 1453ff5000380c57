"""Learning rate schedules: the rate of step t = 0, 1, 2, ..., as a plain function of t.

Symbols: eta is the `learning_rate`, T a number of steps, T_w that of the warm-up. Where frameworks compute something else under
the same name, `convention` chooses whose schedule is meant; "paper" is the formula that stands with the entry.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scratch.arrays import Array, Convention


@dataclass(frozen=True)
class Schedule:
    """A schedule. `rate(t)` is the rate with which step t (from 0) is taken."""

    name: str
    formula: str
    source: str
    learning_rate: float
    rate: Callable[[int], float]
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The entry's own numbers, by the names that the formula has."""

    def rates(self, steps: int) -> Array:
        """The rates of the first steps, (steps,), in float64."""
        return np.array([self.rate(step) for step in range(steps)])


_DEFINITION = "definition"
_SGDR = "I. Loshchilov, F. Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts (2017)"


def constant(learning_rate: float = 0.1, *, convention: Convention = "paper") -> Schedule:
    """Always the same."""
    return Schedule("constant", "eta_t = eta", _DEFINITION, learning_rate, lambda t: learning_rate)


def step(learning_rate: float = 0.1, period: int = 20, factor: float = 0.5, *, convention: Convention = "paper") -> Schedule:
    """Down by a factor every `period` steps."""
    return Schedule(
        name="step",
        formula="eta_t = eta factor^floor(t / period)",
        source=_DEFINITION,
        learning_rate=learning_rate,
        rate=lambda t: learning_rate * factor ** (t // period),
        settings={"period": period, "factor": factor},
    )


def piecewise(
    learning_rate: float = 0.1,
    boundaries: tuple[int, ...] = (15, 40),
    factors: tuple[float, ...] = (0.5, 0.1),
    *,
    convention: Convention = "paper",
) -> Schedule:
    """Times a factor from each boundary on. In Keras the step at the boundary itself still has the old rate."""
    late = 1 if convention == "keras" else 0

    def rate(t: int) -> float:
        return learning_rate * math.prod(
            factor for boundary, factor in zip(boundaries, factors, strict=True) if t >= boundary + late
        )

    return Schedule(
        name="piecewise",
        formula="eta_t = eta product of the factors whose boundary is at most t",
        source=_DEFINITION,
        learning_rate=learning_rate,
        rate=rate,
        settings={"boundaries": boundaries, "factors": factors},
    )


def exponential(
    learning_rate: float = 0.1, steps: int = 25, factor: float = 0.5, *, convention: Convention = "paper"
) -> Schedule:
    """Down by a factor in `steps` steps, smoothly."""
    return Schedule(
        name="exponential",
        formula="eta_t = eta factor^(t / steps)",
        source=_DEFINITION,
        learning_rate=learning_rate,
        rate=lambda t: learning_rate * factor ** (t / steps),
        settings={"steps": steps, "factor": factor},
    )


def inverse_time(
    learning_rate: float = 0.1, steps: int = 25, decay: float = 0.5, *, convention: Convention = "paper"
) -> Schedule:
    """The rate that the theory of stochastic approximation asks for, up to its exponent."""
    return Schedule(
        name="inverse_time",
        formula="eta_t = eta / (1 + decay t / steps)",
        source="H. Robbins, S. Monro, A Stochastic Approximation Method (1951)",
        learning_rate=learning_rate,
        rate=lambda t: learning_rate / (1 + decay * t / steps),
        settings={"steps": steps, "decay": decay},
    )


def polynomial(
    learning_rate: float = 0.1, steps: int = 50, end: float = 0.0, power: float = 2.0, *, convention: Convention = "paper"
) -> Schedule:
    """From eta to `end` in `steps` steps, and `end` from then on."""
    return Schedule(
        name="polynomial",
        formula="eta_t = end + (eta - end) (1 - min(t, T) / T)^power",
        source=_DEFINITION,
        learning_rate=learning_rate,
        rate=lambda t: end + (learning_rate - end) * (1 - min(t, steps) / steps) ** power,
        settings={"steps": steps, "end": end, "power": power},
    )


def linear(learning_rate: float = 0.1, steps: int = 50, end: float = 0.01, *, convention: Convention = "paper") -> Schedule:
    """From eta to `end` on a straight line, and `end` from then on."""
    return Schedule(
        name="linear",
        formula="eta_t = eta + (end - eta) min(t, T) / T",
        source=_DEFINITION,
        learning_rate=learning_rate,
        rate=lambda t: learning_rate + (end - learning_rate) * (min(t, steps) / steps),
        settings={"steps": steps, "end": end},
    )


def cosine(learning_rate: float = 0.1, steps: int = 40, end: float = 0.01, *, convention: Convention = "paper") -> Schedule:
    """Half a wave from eta to `end`, and `end` from then on. In PyTorch the wave goes on, and the rate rises again."""

    def rate(t: int) -> float:
        t = t if convention == "torch" else min(t, steps)
        return end + (learning_rate - end) * (1 + math.cos(math.pi * t / steps)) / 2

    return Schedule(
        name="cosine",
        formula="eta_t = end + (eta - end) (1 + cos(pi min(t, T) / T)) / 2",
        source=f"{_SGDR}, equation 5, one period",
        learning_rate=learning_rate,
        rate=rate,
        settings={"steps": steps, "end": end},
    )


def cosine_restarts(
    learning_rate: float = 0.1, period: int = 16, longer: int = 2, end: float = 0.01, *, convention: Convention = "paper"
) -> Schedule:
    """Half waves from eta to `end`, each `longer` times as long as the one before."""

    def rate(t: int) -> float:
        length = period
        while t >= length:
            t -= length
            length *= longer
        return end + (learning_rate - end) * (1 + math.cos(math.pi * t / length)) / 2

    return Schedule(
        name="cosine_restarts",
        formula="eta_t = end + (eta - end) (1 + cos(pi t_i / T_i)) / 2, T_i = longer T_(i-1), t_i from the last restart",
        source=f"{_SGDR}, equation 5",
        learning_rate=learning_rate,
        rate=rate,
        settings={"period": period, "longer": longer, "end": end},
    )


def warm_up(learning_rate: float = 0.1, steps: int = 25, start: float = 0.01, *, convention: Convention = "paper") -> Schedule:
    """From `start` to eta on a straight line, and eta from then on."""
    return Schedule(
        name="warm_up",
        formula="eta_t = start + (eta - start) min(t, T_w) / T_w",
        source="P. Goyal et al., Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour (2017), section 2.2, gradual warm-up",
        learning_rate=learning_rate,
        rate=lambda t: start + (learning_rate - start) * (min(t, steps) / steps),
        settings={"steps": steps, "start": start},
    )


def warm_up_cosine(
    learning_rate: float = 0.1,
    warm_up_steps: int = 10,
    steps: int = 40,
    start: float = 0.01,
    end: float = 0.02,
    *,
    convention: Convention = "paper",
) -> Schedule:
    """From `start` to eta on a straight line, then half a wave to `end` in `steps` further steps; `end` from then on."""
    rise, fall = warm_up(learning_rate, warm_up_steps, start), cosine(learning_rate, steps, end, convention=convention)
    return Schedule(
        name="warm_up_cosine",
        formula="eta_t = warm_up(t) for t < T_w, cosine(t - T_w) from then on",
        source=f"{_SGDR}, equation 5, after the warm-up of P. Goyal et al. (2017), section 2.2",
        learning_rate=learning_rate,
        rate=lambda t: rise.rate(t) if t < warm_up_steps else fall.rate(t - warm_up_steps),
        settings={"warm_up_steps": warm_up_steps, "steps": steps, "start": start, "end": end},
    )


def one_cycle(
    learning_rate: float = 0.1,
    steps: int = 1000,
    share: float = 0.25,
    divisor: float = 25.0,
    final_divisor: float = 1e4,
    *,
    convention: Convention = "paper",
) -> Schedule:
    """Up to eta in a share of all steps and down again, along half waves of a cosine.

    PyTorch counts steps from 0 to T - 1, so its peak is at share T - 1 and its end at T - 1.
    """
    top, last = (share * steps - 1, steps - 1) if convention == "torch" else (int(share * steps), steps)
    low, final = learning_rate / divisor, learning_rate / divisor / final_divisor

    def rate(t: int) -> float:
        start, end, part = (low, learning_rate, t / top) if t <= top else (learning_rate, final, (t - top) / (last - top))
        return end + (start - end) * (1 + math.cos(math.pi * min(part, 1.0))) / 2

    return Schedule(
        name="one_cycle",
        formula="from eta / divisor to eta at t = share T, to eta / divisor / final_divisor at t = T, each along half a cosine",
        source="L. Smith, N. Topin, Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates (2018); "
        "half a cosine for a line",
        learning_rate=learning_rate,
        rate=rate,
        settings={"steps": steps, "share": share, "divisor": divisor, "final_divisor": final_divisor},
    )


def cyclic(
    learning_rate: float = 0.1, half_period: int = 12, low: float = 0.01, *, convention: Convention = "paper"
) -> Schedule:
    """Triangles between `low` and eta."""

    def rate(t: int) -> float:
        cycle = math.floor(1 + t / (2 * half_period))
        return low + (learning_rate - low) * max(0.0, 1 - abs(t / half_period - 2 * cycle + 1))

    return Schedule(
        name="cyclic",
        formula="eta_t = low + (eta - low) max(0, 1 - |t / h - 2 c + 1|), c = floor(1 + t / 2h)",
        source="L. Smith, Cyclical Learning Rates for Training Neural Networks (2017), section 3.1, triangular policy",
        learning_rate=learning_rate,
        rate=rate,
        settings={"half_period": half_period, "low": low},
    )


def metric(t: int) -> float:
    """The made-up validation loss that `reduce_on_plateau` watches here: it falls, rests and falls again, exact in float32."""
    return 2.0 - (t % 24 if t % 24 < 9 else 9) / 16 - t // 24 / 2.0 ** (t // 24 % 8)


def reduce_on_plateau(
    learning_rate: float = 0.1,
    factor: float = 0.5,
    patience: int = 4,
    threshold: float = 2.0**-10,
    *,
    metric: Callable[[int], float] = metric,
    convention: Convention = "paper",
) -> Schedule:
    """Times a factor when the loss, `metric(t)` after step t, has not become better for `patience` steps.

    Better means below the best so far by more than `threshold`: an absolute number in Keras and here, a share of the best in
    PyTorch and Optax. Keras and Optax reduce at the patience-th bad step, as here; PyTorch one step later.
    """
    relative = convention in ("torch", "optax")
    allowed = patience + 1 if convention == "torch" else patience

    def rate(t: int) -> float:
        best, bad, current = math.inf, 0, learning_rate
        for earlier in range(t):
            value = metric(earlier)
            better = value < (best * (1 - threshold) if relative else best - threshold)
            best, bad = (value, 0) if better else (best, bad + 1)
            if bad >= allowed:
                current, bad = current * factor, 0
        return current

    return Schedule(
        name="reduce_on_plateau",
        formula="eta <- eta factor when the loss was not below best - threshold for `patience` steps",
        source="A. Senior et al., An Empirical Study of Learning Rates in Deep Neural Networks for Speech Recognition (2013)",
        learning_rate=learning_rate,
        rate=rate,
        settings={"factor": factor, "patience": patience, "threshold": threshold},
    )


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": constant,
    "step": step,
    "piecewise": piecewise,
    "exponential": exponential,
    "inverse_time": inverse_time,
    "polynomial": polynomial,
    "linear": linear,
    "cosine": cosine,
    "cosine_restarts": cosine_restarts,
    "warm_up": warm_up,
    "warm_up_cosine": warm_up_cosine,
    "one_cycle": one_cycle,
    "cyclic": cyclic,
    "reduce_on_plateau": reduce_on_plateau,
}
"""Every schedule by name; the values are called with the schedule's own arguments and `convention`."""
