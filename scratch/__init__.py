"""The network from scratch: NumPy and the standard library only, every derivative beside its formula.

Arrays decide the precision: give float32, float64 or float128 parameters and everything follows.
"""

from scratch.activations import ACTIVATIONS, Activation
from scratch.initializers import INITIALIZERS, Initializer
from scratch.layers import Dense, Layer
from scratch.losses import LOSSES, Loss
from scratch.model import Model, Workspace
from scratch.optimizers import SGD, Adam, Optimizer, OptimizerState

__all__ = [
    "ACTIVATIONS",
    "INITIALIZERS",
    "LOSSES",
    "SGD",
    "Activation",
    "Adam",
    "Dense",
    "Initializer",
    "Layer",
    "Loss",
    "Model",
    "Optimizer",
    "OptimizerState",
    "Workspace",
]
