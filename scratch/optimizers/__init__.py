"""Optimizers: a few in-place operations on the flat parameter vector, in the convention of the paper or of a framework."""

from functools import partial

from scratch.arrays import CONVENTIONS, Convention
from scratch.optimizers.adam import Adam
from scratch.optimizers.base import CHUNK, Choices, Factory, Optimizer, OptimizerState
from scratch.optimizers.sgd import SGD

CHOICES: dict[str, str] = {
    "epsilon_hat": "epsilon's place: Keras adds epsilon to sqrt(v), the paper's \"epsilon hat\"; Algorithm 1 of the paper "
    "and PyTorch add it to sqrt(v / (1 - beta_2^t)), where it weighs sqrt(1 - beta_2^t) times as much",
    "float32_coefficients": "Keras's float32-rounded betas or momentum: on TensorFlow, Keras casts a Python number through float32 on its "
    "way to the variable's precision, the betas in beta^t and the momentum alike, even for float64 variables "
    "(0.999 becomes 0.9990000128746)",
}
"""What each choice means, in a sentence: in what a formula departs from the paper."""

OPTIMIZERS: dict[str, Factory] = {
    "sgd": SGD,
    "momentum": partial(SGD, momentum=0.9),
    "nesterov": partial(SGD, momentum=0.9, nesterov=True),
    "adam": Adam,
}
"""Every optimizer by name; the values are called with its own numbers and those of `Optimizer`."""

__all__ = [
    "CHOICES",
    "CHUNK",
    "CONVENTIONS",
    "OPTIMIZERS",
    "SGD",
    "Adam",
    "Choices",
    "Convention",
    "Factory",
    "Optimizer",
    "OptimizerState",
]
