"""backproof: is this difference rounding, or is the mathematics wrong?

The public interface is what stands in `__all__`; names load when they are first used, frameworks not before that.
"""

from importlib.util import find_spec as _find_spec
from pathlib import Path as _Path
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

if _TYPE_CHECKING:
    from backproof.checking import Check, check, check_derivation
    from backproof.training import load, train
    from comparisons.compare import Comparison, compare
    from comparisons.ladder import Ladder, judge
    from comparisons.ledger import Difference, ledger
    from comparisons.recipe import Recipe, load_recipe
    from comparisons.structured import ModelCheck, check_model
    from comparisons.trained import TrainedModel
    from comparisons.trainer import Trainer
    from comparisons.verification.matrix import Matrix, verify

__all__ = [
    "Check",
    "Comparison",
    "Difference",
    "Ladder",
    "Matrix",
    "ModelCheck",
    "Recipe",
    "TrainedModel",
    "Trainer",
    "check",
    "check_derivation",
    "check_model",
    "compare",
    "judge",
    "ledger",
    "load",
    "load_recipe",
    "train",
    "verify",
]
__version__ = "0.1.0"

_HOMES = {
    "Check": "backproof.checking",
    "check": "backproof.checking",
    "check_derivation": "backproof.checking",
    "load": "backproof.training",
    "train": "backproof.training",
    "Comparison": "comparisons.compare",
    "compare": "comparisons.compare",
    "Ladder": "comparisons.ladder",
    "judge": "comparisons.ladder",
    "Difference": "comparisons.ledger",
    "ledger": "comparisons.ledger",
    "Recipe": "comparisons.recipe",
    "load_recipe": "comparisons.recipe",
    "ModelCheck": "comparisons.structured",
    "check_model": "comparisons.structured",
    "TrainedModel": "comparisons.trained",
    "Trainer": "comparisons.trainer",
    "Matrix": "comparisons.verification.matrix",
    "verify": "comparisons.verification.matrix",
}


def _check_rooms() -> None:
    """The rooms behind this door have common names: make sure that they are ours.

    It is asked when the first name is used, not at the import: pytest imports the plugin, and with it this file, in every
    project, and a project with a package called `reports` must not be kept from its tests.
    """
    house = _Path(__file__).resolve().parent.parent
    for room in ("scratch", "backends", "comparisons", "reports"):
        spec = _find_spec(room)
        found = _Path(spec.origin).resolve() if spec and spec.origin else None
        if found != house / room / "__init__.py":
            place = found or (next(iter(spec.submodule_search_locations or []), None) if spec else None)
            raise ImportError(
                f"backproof needs its own package '{room}', but "
                + (
                    f"{place} stands in the way. Rename it or start Python elsewhere."
                    if place
                    else "it is missing. Install backproof again."
                )
            )


def __getattr__(name: str) -> _Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'backproof' has no attribute '{name}'. It has: {', '.join(__all__)}.")
    from importlib import import_module

    _check_rooms()
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
