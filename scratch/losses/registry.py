"""Every loss by name."""

from collections.abc import Callable

from scratch.losses.base import Loss
from scratch.losses.binary import BINARY
from scratch.losses.classes import CLASSES
from scratch.losses.distributions import DISTRIBUTIONS
from scratch.losses.margins import MARGINS
from scratch.losses.regression import REGRESSION

LOSSES: dict[str, Callable[..., Loss]] = {
    entry.name: entry.configured for entry in (*REGRESSION, *BINARY, *CLASSES, *MARGINS, *DISTRIBUTIONS)
}
"""Every loss by name; the values are called with a reduction and settings, see `Loss.configured`."""
