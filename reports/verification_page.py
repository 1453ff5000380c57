"""The matrix as one page that needs nothing beside it: signs first, the numbers behind each on demand."""

from collections import defaultdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from comparisons.verification.cells import KINDS, Cell
from comparisons.verification.matrix import REGISTRIES, Matrix
from reports.text import MEANINGS, SYMBOLS, decimal, number
from reports.verification import EXPLAINED, PLURALS, sentence, summary


def write_page(matrix: Matrix, path: Path) -> Path:
    """Write the page to that file; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_html(matrix), encoding="utf-8")
    return path


def to_html(matrix: Matrix) -> str:
    """The page."""
    environment = Environment(loader=PackageLoader("reports"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": number, "decimal": decimal, "errors": _errors}
    cells: dict[str, dict[str, list[Cell]]] = {kind: defaultdict(list) for kind in KINDS}
    for cell in matrix.cells:
        cells[cell.kind][cell.name].append(cell)
    entries = {entry.name: entry for cell in matrix.cells for entry in matrix.explained(cell)}
    page: str = environment.get_template("verify.html.j2").render(
        matrix=matrix,
        kinds={kind: found for kind, found in cells.items() if found},
        plurals=PLURALS,
        sentence=sentence(matrix),
        verdict="wrong"
        if any(cell.verdict == "wrong" for cell in matrix.open)
        else "inconclusive"
        if matrix.open
        else "rounding",
        symbols=SYMBOLS,
        meanings=MEANINGS,
        explained_sign=EXPLAINED,
        summary=lambda found, backend: summary(matrix, [cell for cell in found if cell.backend == backend]),
        gap=lambda kind, name, backend: matrix.gaps.get(f"{kind}/{name}/{backend}", ""),
        facts=_facts,
        entries=entries,
        version=version("backproof"),
    )
    return page


def _facts(kind: str, name: str) -> dict[str, str]:
    """Formula, derivative and source, where the entry carries them."""
    try:
        made: Any = REGISTRIES[kind][name]
        entry = made if kind == "activation" else made(6) if kind == "layer" else made()
    except (KeyError, TypeError, ValueError):
        return {}
    found = {fact: getattr(entry, fact, "") for fact in ("formula", "derivative", "source")}
    if not found["formula"] and entry.__class__.__doc__:
        found["formula"] = entry.__class__.__doc__.strip()
    return {fact: text for fact, text in found.items() if text}


def _errors(cell: Cell) -> str:
    """What was measured, where it is not a ladder's three rungs."""
    return ", ".join(f"{name} {number(value)}" for name, value in cell.errors.items() if not name.startswith("float"))
