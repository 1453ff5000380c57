"""Activations: each entry holds a forward rule and its derivative side by side, and is itself a layer.

To add one, write its two rules, a function that returns its `Activation(...)`, and that function's name in `ENTRIES`, all in the
file where it fits; tests and reports find it there. Its settings are the function's arguments, so others than the defaults can
be had. Symbols: z is the input, a the output, da = dL/da the cotangent, dz = dL/dz the result, all of shape (batch, units).
"""

from scratch.activations import clipped, exponential_units, gated, ramps, rectifiers, rows, smooth
from scratch.activations.entry import Activation

ACTIVATIONS: dict[str, Activation] = {
    entry.name: entry for file in (rectifiers, clipped, exponential_units, ramps, smooth, gated, rows) for entry in file.ENTRIES
}
"""Every activation by name."""

__all__ = ["ACTIVATIONS", "Activation"]
