"""The tables of a comparison, as the page, the summary and the terminal show them: one definition for all three."""

import math
from dataclasses import dataclass
from typing import Any

from comparisons.compare import Comparison
from comparisons.ladder import SEVERITY
from comparisons.rule_of_30 import rule_of_30
from reports.text import SYMBOLS, causes_in, decimal, microseconds, number, percent


@dataclass(frozen=True)
class Table:
    """Cells as text. The verdict's column starts with its symbol."""

    key: str
    caption: str
    note: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    brief: tuple[int, ...] = ()
    """Columns that fit into a terminal; empty for a table that only the page and the summary show."""


def comparison_tables(result: Comparison) -> list[Table]:
    """All tables that have rows."""
    tables = [
        _training(result),
        _gradients(result),
        _pairs(result),
        _truth(result),
        _optimizers(result),
        _conventions(result),
    ]
    return [table for table in tables if table.rows]


def overview(result: Comparison) -> Table:
    """One row per backend: its worst verdict in each discipline, with the largest errors."""
    rows = []
    for backend, title in result.backends.items():
        cells = [title]
        for name in ("gradients", "optimizers", "training"):
            own = [row for row in result.table(name) if row["backend"] == backend]
            if not own:
                cells.append("–")
                continue
            worst = max(own, key=lambda row: SEVERITY.index(row["verdict"]))
            # A rung may be missing after an interruption.
            errors = [number(max((row.get(dtype, 0.0) for row in own), default=None)) for dtype in ("float32", "float64")]
            cells.append(f"{verdict(worst)}\n{' / '.join(errors)}")
        rows.append(tuple(cells))
    return Table(
        "overview",
        "Verdicts",
        "The worst verdict of each kind, and the largest relative error in float32 / float64.",
        ("backend", "gradients", "optimizers", "training"),
        rows,
        brief=(0, 1, 2, 3),
    )


def verdict(row: dict[str, Any]) -> str:
    """The verdict with its symbol, and with the reason where it needs one."""
    reason = f": {row['reason']}" if row.get("reason") and row["verdict"] != "wrong" else ""
    return f"{SYMBOLS[row['verdict']]} {row['verdict']}{reason}"


def _ladder(row: dict[str, Any]) -> tuple[str, ...]:
    return verdict(row), number(row.get("float32")), number(row.get("float64")), decimal(row.get("slope"))


_LADDER = ("verdict", "float32", "float64", "slope")


def _gradients(result: Comparison) -> Table:
    return Table(
        "gradients",
        "Gradients",
        "Error of every parameter's gradient against float128, relative to that gradient's largest entry: the largest over the "
        "first and the last batch, before and after some training, with the loss and with a random cotangent.",
        ("backend", "parameter", *_LADDER),
        [(result.backends[row["backend"]], row["parameter"], *_ladder(row)) for row in result.table("gradients")],
    )


def _pairs(result: Comparison) -> Table:
    return Table(
        "pairs",
        "Gradients in pairs",
        "Difference of two backends' gradients of a parameter, relative to the largest entry of the true one.",
        ("backend", "other", "parameter", *_LADDER),
        [
            (result.backends[row["backend"]], result.backends[row["other"]], row["parameter"], *_ladder(row))
            for row in result.table("pairs")
        ],
    )


def _truth(result: Comparison) -> Table:
    return Table(
        "truth",
        "The float128 truth itself",
        "Scratch's backward pass against central differences of its forward pass in float128, on all three rungs, relative to "
        "the gradient's largest entry. No rung can be nearer than the error of the differences themselves, which is measured.",
        ("parameter", "verdict", "float32", "float64", "float128", "slope", "error of the differences", "entries"),
        [
            (
                row["parameter"],
                verdict(row),
                *(number(row.get(rung)) for rung in ("float32", "float64", "float128")),
                decimal(row["slope"]),
                number(row["reference_error"]),
                str(row["entries"]),
            )
            for row in result.table("truth")
        ],
    )


def _optimizers(result: Comparison) -> Table:
    return Table(
        "optimizers",
        "Optimizers",
        "Parameter error against float128 in the backend's convention, relative to the largest parameter. Teacher-forced: the "
        "same recorded gradients into every optimizer. Free-running: each from its own gradients. Update: one update from "
        "equal states against scratch, in units of the last place, float32 / float64.",
        ("backend", "optimizer", "convention", "mode", *_LADDER, "update"),
        [
            (
                result.backends[row["backend"]],
                row["optimizer"],
                row["convention"],
                row["mode"],
                *_ladder(row),
                " / ".join(decimal(row.get(f"ulp_{dtype}")) for dtype in ("float32", "float64")),
            )
            for row in result.table("optimizers")
        ],
    )


def _conventions(result: Comparison) -> Table:
    return Table(
        "conventions",
        "Other formulas, on purpose",
        "What the ladder says when a backend is held against a formula that is not its own. It should differ, and does not count for "
        "the verdict above. The causes are confirmed one by one.",
        ("backend", "optimizer", "held against", *_LADDER, "causes"),
        [
            (
                result.backends[row["backend"]],
                row["optimizer"],
                f"{row['convention']}'s formula",
                "≠ differs" if row["verdict"] == "wrong" else verdict(row),
                *_ladder(row)[1:],
                "; ".join(cause["name"] for cause in causes_in([row])) or "–",
            )
            for row in result.table("conventions")
        ],
        brief=(0, 1, 2, 5, 7),
    )


def _moved(result: Comparison) -> str:
    """What to make of the accuracies that stand side by side: the lowest against the highest."""
    found = [
        (accuracy, f"{result.backends[row['backend']]} in {dtype}")
        for row in result.table("training")
        for dtype, accuracy in row["test_accuracy"].items()
        if math.isfinite(accuracy)
    ]
    if len(found) < 2:
        return ""
    (lowest, first), (highest, second) = min(found), max(found)
    if lowest == highest:
        return " All accuracies are the same."
    return f" {rule_of_30(lowest, highest, result.data['test']).sentence(first, second)}"


def _training(result: Comparison) -> Table:
    def by_dtype(values: dict[str, Any], show: Any) -> str:
        return " / ".join(show(values.get(dtype)) for dtype in ("float32", "float64") if dtype in values) or "–"

    return Table(
        "training",
        "Training",
        "Frameworks against scratch in the convention asked for, scratch against its own float128 run. Largest parameter "
        "difference of the whole run, accuracy on the test images, median time per step; float32 / float64 where both ran."
        + _moved(result),
        ("backend", "verdict", "slope", "judged on", "steps", "largest difference", "accuracy", "loss", "time per step"),
        [
            (
                result.backends[row["backend"]],
                verdict(row),
                decimal(row["slope"]),
                f"{row['judged_steps']} steps",
                str(row["steps"]),
                "–" if row["reference"] == "float128" else by_dtype(row["max_parameter_difference"], number),
                by_dtype(row["test_accuracy"], percent),
                by_dtype(row["final_loss"], lambda loss: "–" if loss is None else f"{loss:.6f}"),
                by_dtype(row["seconds_per_step"], microseconds),
            )
            for row in result.table("training")
        ],
        brief=(0, 4, 5, 6, 8),
    )
