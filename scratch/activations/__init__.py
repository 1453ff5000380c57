"""Activations: each entry holds a forward rule and its derivative side by side, and is itself a layer.

To add one, write its two rules and a function that returns its `Activation(...)` in the file where it fits, and name that function
in `_ENTRIES`; tests and reports find it there. Its settings are the function's arguments, so others than the defaults can be had.
Symbols: z is the input, a the output, da = dL/da the cotangent, dz = dL/dz the result, all of shape (batch, units).
"""

from scratch.activations.clipped import (
    capped_relu,
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_tanh,
    relu6,
    soft_shrink,
    sparse_plus,
    sparse_sigmoid,
)
from scratch.activations.entry import Activation
from scratch.activations.exponential_units import celu, elu, selu
from scratch.activations.gated import gelu, gelu_tanh, glu, mish, silu
from scratch.activations.ramps import log_sigmoid, softplus, squareplus
from scratch.activations.rectifiers import leaky_relu, linear, relu, rrelu, threshold, thresholded_relu
from scratch.activations.rows import log_softmax, softmax, softmin, sparsemax, standardize
from scratch.activations.smooth import exponential, sigmoid, softsign, tanh, tanh_shrink

_ENTRIES = (
    *(linear(), relu(), relu6(), capped_relu(), thresholded_relu(), threshold(), leaky_relu(), rrelu()),
    *(hard_tanh(), hard_sigmoid(), hard_silu(), soft_shrink(), hard_shrink(), sparse_sigmoid(), sparse_plus()),
    *(elu(), selu(), celu(), exponential(), softplus(), squareplus(), log_sigmoid()),
    *(sigmoid(), tanh(), tanh_shrink(), softsign(), silu(), mish(), gelu(), gelu_tanh(), glu()),
    *(softmax(), softmin(), log_softmax(), sparsemax(), standardize()),
)

ACTIVATIONS: dict[str, Activation] = {entry.name: entry for entry in _ENTRIES}
"""Every activation by name."""

__all__ = ["ACTIVATIONS", "Activation"]
