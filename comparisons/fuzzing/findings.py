"""A finding: a case on a backend, and what is wrong with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from comparisons.fuzzing.cases import Case, plain_list


@dataclass(frozen=True, eq=False)
class Finding:
    """A case on a backend, and what is wrong with it."""

    case: Case
    backend: str
    quantity: str
    symptom: str
    """A short phrase; findings with the same operation, backend, quantity and symptom are one."""
    index: tuple[int, ...]
    """Of the worst element."""
    expected: float
    """That element in 34-digit arithmetic; scratch's in the same precision where an input is not finite."""
    found: Mapping[str, float]
    """That element by precision."""
    message: str = ""
    """Of an exception."""

    @property
    def signature(self) -> str:
        """What makes it distinct, in the form of a cell of the matrix: kind/name/backend/fuzz/quantity: symptom."""
        return f"{self.case}/{self.backend}/fuzz/{self.quantity}: {self.symptom}"

    def to_dict(self) -> dict[str, Any]:
        """As plain data, infinities and NaN as text."""
        found = {dtype: plain_list(value) for dtype, value in self.found.items()}
        numbers = {"index": list(self.index), "expected": plain_list(self.expected), "found": found}
        texts = {name: getattr(self, name) for name in ("backend", "quantity", "symptom", "message")}
        return {"case": self.case.to_dict(), **texts, **numbers}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Finding":
        """From what `to_dict` gave."""
        found = {dtype: float(value) for dtype, value in data["found"].items()}
        changed = {"case": Case.from_dict(data["case"]), "index": tuple(data["index"]), "expected": float(data["expected"])}
        return cls(**{**data, **changed, "found": found})
