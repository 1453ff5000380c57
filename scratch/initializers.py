"""Initializers: how a parameter is drawn, always in float64 and from the generator that is passed in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from scratch.arrays import Array

TRUNCATED_STANDARD_DEVIATION = 0.87962566103423978
"""Standard deviation of a standard normal distribution cut at +-2."""


@dataclass(frozen=True)
class Initializer:
    """`draw(rng, fan_in, fan_out, shape)` returns a float64 array of that shape."""

    name: str
    formula: str
    source: str
    draw: Callable[[np.random.Generator, int, int, tuple[int, ...]], Array]
    settings: Mapping[str, float] = field(default_factory=dict)
    """The entry's own numbers; a framework's row gets them as arguments."""


def truncated_normal(rng: np.random.Generator, standard_deviation: float, shape: tuple[int, ...]) -> Array:
    """Normal numbers, those beyond two standard deviations drawn again."""
    draws = rng.standard_normal(shape)
    while (beyond := np.abs(draws) > 2).any():
        draws[beyond] = rng.standard_normal(int(beyond.sum()))
    return draws * standard_deviation


def he_normal() -> Initializer:
    """Normal with variance 2 / fan_in, not truncated: PyTorch's `kaiming_normal_`."""
    return Initializer(
        name="he_normal",
        formula="W ~ N(0, 2 / fan_in)",
        source="K. He et al., Delving Deep into Rectifiers (2015), equation 10",
        draw=lambda rng, fan_in, fan_out, shape: rng.standard_normal(shape) * np.sqrt(2 / fan_in),
    )


def he_normal_truncated() -> Initializer:
    """Normal with variance 2 / fan_in after truncation at two standard deviations: Keras's `HeNormal`."""
    return Initializer(
        name="he_normal_truncated",
        formula="W ~ N(0, s^2) cut at +-2 s, s = sqrt(2 / fan_in) / 0.8796",
        source="K. He et al., Delving Deep into Rectifiers (2015), equation 10; the cut is Keras's",
        draw=lambda rng, fan_in, fan_out, shape: truncated_normal(
            rng, float(np.sqrt(2 / fan_in)) / TRUNCATED_STANDARD_DEVIATION, shape
        ),
    )


def glorot_uniform() -> Initializer:
    """Uniform with variance 2 / (fan_in + fan_out)."""

    def draw(rng: np.random.Generator, fan_in: int, fan_out: int, shape: tuple[int, ...]) -> Array:
        limit = np.sqrt(6 / (fan_in + fan_out))
        return rng.uniform(-limit, limit, shape)

    return Initializer(
        name="glorot_uniform",
        formula="W ~ U(-l, l), l = sqrt(6 / (fan_in + fan_out))",
        source="X. Glorot, Y. Bengio, Understanding the difficulty of training deep networks (2010), equation 16",
        draw=draw,
    )


def uniform(low: float = -0.05, high: float = 0.05) -> Initializer:
    """Uniform between two bounds."""
    if not low < high:
        raise ValueError(f"uniform: low = {low} is not below high = {high}. Give the smaller bound first.")
    return Initializer(
        name="uniform",
        formula="W ~ U(low, high)",
        source="definition",
        draw=lambda rng, fan_in, fan_out, shape: rng.uniform(low, high, shape),
    )


def normal(standard_deviation: float = 0.05) -> Initializer:
    """Normal with mean zero."""
    if standard_deviation < 0:
        raise ValueError(f"normal: a standard deviation of {standard_deviation} is negative. Give 0 or more.")
    return Initializer(
        name="normal",
        formula="W ~ N(0, standard_deviation^2)",
        source="definition",
        draw=lambda rng, fan_in, fan_out, shape: rng.standard_normal(shape) * standard_deviation,
    )


def zeros() -> Initializer:
    """All zero."""
    return Initializer(
        name="zeros",
        formula="b = 0",
        source="definition",
        draw=lambda rng, fan_in, fan_out, shape: np.zeros(shape),
    )


INITIALIZERS: dict[str, Callable[..., Initializer]] = {
    "he_normal": he_normal,
    "he_normal_truncated": he_normal_truncated,
    "glorot_uniform": glorot_uniform,
    "uniform": uniform,
    "normal": normal,
    "zeros": zeros,
}
"""Every initializer by name; the values are called with the initializer's own arguments."""
