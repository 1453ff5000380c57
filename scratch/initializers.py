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
    orthogonal: bool = False
    """Whether its rows or columns are orthonormal: what its single numbers are distributed like does not say all."""


def _scaled(
    name: str, formula: str, source: str, variance: Callable[[int, int], float], shape: str
) -> Callable[[], Initializer]:
    """An initializer whose variance depends on the fans only: normal, truncated normal or uniform."""

    def draw(rng: np.random.Generator, fan_in: int, fan_out: int, size: tuple[int, ...]) -> Array:
        deviation = float(np.sqrt(variance(fan_in, fan_out)))
        if shape == "normal":
            return rng.standard_normal(size) * deviation
        if shape == "truncated":
            return truncated_normal_draws(rng, deviation / TRUNCATED_STANDARD_DEVIATION, size)
        limit = deviation * np.sqrt(3)
        return rng.uniform(-limit, limit, size)

    return lambda: Initializer(name, formula, source, draw)


_HE = "K. He et al., Delving Deep into Rectifiers (2015), equation 10"
_GLOROT = "X. Glorot, Y. Bengio, Understanding the difficulty of training deep feedforward neural networks (2010)"
_LECUN = "Y. LeCun et al., Efficient BackProp (1998), section 4.6"


def _he(fan_in: int, fan_out: int) -> float:
    return 2 / fan_in


def _glorot(fan_in: int, fan_out: int) -> float:
    return 2 / (fan_in + fan_out)


def _lecun(fan_in: int, fan_out: int) -> float:
    return 1 / fan_in


he_normal = _scaled("he_normal", "W ~ N(0, 2 / fan_in)", _HE, _he, "normal")
"""Not truncated: PyTorch's `kaiming_normal_`."""
he_normal_truncated = _scaled(
    "he_normal_truncated",
    "W ~ N(0, s^2) cut at +-2 s, s = sqrt(2 / fan_in) / 0.8796",
    f"{_HE}; the cut is Keras's",
    _he,
    "truncated",
)
"""Variance 2 / fan_in after the cut: Keras's `HeNormal`, JAX's `he_normal`."""
he_uniform = _scaled("he_uniform", "W ~ U(-l, l), l = sqrt(6 / fan_in)", f"{_HE}, as a uniform distribution", _he, "uniform")
glorot_normal = _scaled("glorot_normal", "W ~ N(0, 2 / (fan_in + fan_out))", f"{_GLOROT}, equation 12", _glorot, "normal")
"""Not truncated: PyTorch's `xavier_normal_`."""
glorot_normal_truncated = _scaled(
    "glorot_normal_truncated",
    "W ~ N(0, s^2) cut at +-2 s, s = sqrt(2 / (fan_in + fan_out)) / 0.8796",
    f"{_GLOROT}, equation 12; the cut is Keras's",
    _glorot,
    "truncated",
)
"""Keras's `GlorotNormal`, JAX's `glorot_normal`."""
glorot_uniform = _scaled(
    "glorot_uniform", "W ~ U(-l, l), l = sqrt(6 / (fan_in + fan_out))", f"{_GLOROT}, equation 16", _glorot, "uniform"
)
lecun_normal_truncated = _scaled(
    "lecun_normal_truncated",
    "W ~ N(0, s^2) cut at +-2 s, s = sqrt(1 / fan_in) / 0.8796",
    f"{_LECUN}; the cut is Keras's",
    _lecun,
    "truncated",
)
lecun_uniform = _scaled("lecun_uniform", "W ~ U(-l, l), l = sqrt(3 / fan_in)", _LECUN, _lecun, "uniform")
torch_linear = _scaled(
    "torch_linear",
    "W ~ U(-l, l), l = 1 / sqrt(fan_in)",
    "PyTorch's default for `torch.nn.Linear`, kaiming_uniform_ with a = sqrt(5); Y. LeCun et al. (1998) would have sqrt(3) times as much",
    lambda fan_in, fan_out: 1 / (3 * fan_in),
    "uniform",
)


def truncated_normal_draws(rng: np.random.Generator, standard_deviation: float, shape: tuple[int, ...]) -> Array:
    """Normal numbers, those beyond two standard deviations drawn again."""
    draws = rng.standard_normal(shape)
    while (beyond := np.abs(draws) > 2).any():
        draws[beyond] = rng.standard_normal(int(beyond.sum()))
    return draws * standard_deviation


def uniform(low: float = -0.05, high: float = 0.05) -> Initializer:
    """Uniform between two bounds."""
    if not low < high:
        raise ValueError(f"uniform: low = {low} is not below high = {high}. Give the smaller bound first.")
    return Initializer(
        name="uniform",
        formula="W ~ U(low, high)",
        source="definition",
        draw=lambda rng, fan_in, fan_out, shape: rng.uniform(low, high, shape),
        settings={"low": low, "high": high},
    )


def normal(standard_deviation: float = 0.05) -> Initializer:
    """Normal with mean zero."""
    _check_deviation("normal", standard_deviation)
    return Initializer(
        name="normal",
        formula="W ~ N(0, standard_deviation^2)",
        source="definition",
        draw=lambda rng, fan_in, fan_out, shape: rng.standard_normal(shape) * standard_deviation,
        settings={"standard_deviation": standard_deviation},
    )


def truncated_normal(standard_deviation: float = 0.05) -> Initializer:
    """Normal with mean zero, cut at two of its standard deviations; what is left of them is 0.8796 as large."""
    _check_deviation("truncated_normal", standard_deviation)
    return Initializer(
        name="truncated_normal",
        formula="W ~ N(0, standard_deviation^2) cut at +-2 standard_deviation",
        source="definition",
        draw=lambda rng, fan_in, fan_out, shape: truncated_normal_draws(rng, standard_deviation, shape),
        settings={"standard_deviation": standard_deviation},
    )


def orthogonal(gain: float = 1.0) -> Initializer:
    """Orthonormal rows or columns, whichever are fewer, uniformly distributed, times a gain."""

    def draw(rng: np.random.Generator, fan_in: int, fan_out: int, shape: tuple[int, ...]) -> Array:
        rows, columns = int(np.prod(shape[:-1])), shape[-1]
        q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
        q *= np.sign(np.diag(r))  # without this the distribution is not uniform (F. Mezzadri (2007))
        return gain * (q if rows >= columns else q.T).reshape(shape)

    return Initializer(
        name="orthogonal",
        formula="W^T W = gain^2 I or W W^T = gain^2 I",
        source="A. Saxe et al., Exact solutions to the nonlinear dynamics of learning in deep linear neural networks (2014), section 3",
        draw=draw,
        settings={"gain": gain},
        orthogonal=True,
    )


def constant(value: float = 0.1) -> Initializer:
    """All the same."""
    return Initializer(
        name="constant",
        formula="W = value",
        source="definition",
        draw=lambda rng, fan_in, fan_out, shape: np.full(shape, value),
        settings={"value": value},
    )


def zeros() -> Initializer:
    """All zero."""
    return Initializer("zeros", "W = 0", "definition", lambda rng, fan_in, fan_out, shape: np.zeros(shape))


def ones() -> Initializer:
    """All one."""
    return Initializer("ones", "W = 1", "definition", lambda rng, fan_in, fan_out, shape: np.ones(shape))


def identity() -> Initializer:
    """One on the diagonal, zero elsewhere."""
    return Initializer("identity", "W = I", "definition", lambda rng, fan_in, fan_out, shape: np.eye(shape[0], shape[1]))


def _check_deviation(name: str, standard_deviation: float) -> None:
    if standard_deviation < 0:
        raise ValueError(f"{name}: a standard deviation of {standard_deviation} is negative. Give 0 or more.")


INITIALIZERS: dict[str, Callable[..., Initializer]] = {
    "he_normal": he_normal,
    "he_normal_truncated": he_normal_truncated,
    "he_uniform": he_uniform,
    "glorot_normal": glorot_normal,
    "glorot_normal_truncated": glorot_normal_truncated,
    "glorot_uniform": glorot_uniform,
    "lecun_normal_truncated": lecun_normal_truncated,
    "lecun_uniform": lecun_uniform,
    "torch_linear": torch_linear,
    "uniform": uniform,
    "normal": normal,
    "truncated_normal": truncated_normal,
    "orthogonal": orthogonal,
    "constant": constant,
    "zeros": zeros,
    "ones": ones,
    "identity": identity,
}
"""Every initializer by name; the values are called with the initializer's own arguments."""
