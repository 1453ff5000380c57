"""The five systems that this project grew from: their recipes run again, beside the figures that they printed."""

from collections.abc import Callable
from importlib import import_module

from comparisons.sources.reproduction import Reproduction, Settings

MODULES = {"000": "staged", "001": "by_hand", "002": "squared_error", "003": "lecture", "004": "three_or_eight"}
"""The module of each source, which is loaded when it is asked for."""


def _later(module: str) -> Callable[[Settings], Reproduction]:
    def reproduce(settings: Settings) -> Reproduction:
        found: Reproduction = import_module(f"comparisons.sources.{module}").reproduce(settings)
        return found

    return reproduce


SOURCES: dict[str, Callable[[Settings], Reproduction]] = {name: _later(module) for name, module in MODULES.items()}
"""What reproduces each source, by its name."""
