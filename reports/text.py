"""What a comparison found, in sentences, and how its numbers are written."""

import math
from typing import Any

from comparisons.compare import Comparison
from comparisons.ledger import ledger

SYMBOLS = {"exact": "=", "rounding": "✓", "wrong": "✗", "inconclusive": "?"}
MEANINGS = {
    "exact": "bit for bit the same",
    "rounding": "the difference falls with the precision, as rounding does",
    "wrong": "the difference does not fall with the precision: the mathematics differs",
    "inconclusive": "the ladder cannot tell; the reason is given",
}


def number(value: Any) -> str:
    """An error or a difference: three digits, 0 for none, a dash where there is no number."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return "0" if value == 0 else f"{value:.2e}"


def decimal(value: Any) -> str:
    """A slope or a count with two decimals; a dash where there is no number."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return number(value) if abs(value) > 1e4 else f"{value:.2f}".replace("-0.00", "0.00")


def percent(value: Any) -> str:
    """A share as a percentage."""
    return "–" if value is None or math.isnan(value) else f"{100 * value:.2f} %"


def microseconds(value: Any) -> str:
    """A time per step."""
    return "–" if value is None else f"{1e6 * value:,.0f} µs"


def verdict_sentence(result: Comparison) -> str:
    """The whole result in one or two sentences."""
    who = listed(list(result.backends.values()))
    rows = {name: result.table(name) for name in ("truth", "gradients", "optimizers", "training")}
    verdicts = [(name, row) for name, table in rows.items() for row in table]
    counts = f"{len(rows['gradients'])} gradients, {len(rows['optimizers'])} optimizer runs and {len(rows['training'])} training runs"
    stopped = " The comparison was interrupted; this is what was done by then." if result.interrupted else ""
    if not verdicts:
        return f"Nothing was judged.{stopped}"
    if result.verdict in ("exact", "rounding"):
        return f"Every difference is rounding: {counts} on {who} fall with the precision.{stopped}"
    bad = [(name, row) for name, row in verdicts if row["verdict"] == result.verdict]
    first = "; ".join(_name(result, name, row) for name, row in bad[:3])
    more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
    if result.verdict == "wrong":
        names = "; ".join(dict.fromkeys(cause["name"] for cause in causes_in(result.table("optimizers"))))
        why = f" Confirmed causes: {names}." if names else ""
        return f"The mathematics differs in {len(bad)} of {len(verdicts)} comparisons on {who}: {first}{more}.{why}{stopped}"
    return f"Nothing is wrong, but {len(bad)} of {len(verdicts)} comparisons on {who} are inconclusive: {first}{more}.{stopped}"


def causes_in(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All confirmed causes of a table, each with a short name and its row's optimizer."""
    return [
        cause | {"name": cause["explanation"].split(":")[0], "optimizer": row["optimizer"]}
        for row in rows
        for cause in row.get("causes") or []
    ]


def explanations(result: Comparison) -> list[dict[str, Any]]:
    """Why conventions differ, one entry per cause: where it was seen and how much it does alone (float64)."""
    causes: dict[str, dict[str, Any]] = {}
    for cause in causes_in(result.table("conventions") + result.table("optimizers")):
        entry = causes.setdefault(cause["explanation"], {"explanation": cause["explanation"], "alone": {}})
        optimizer = cause["optimizer"]
        entry["alone"][optimizer] = max(entry["alone"].get(optimizer, 0.0), cause["alone"]["float64"])
        entry["ledger"] = [known for known in ledger().values() if cause["choice"] in known.choices]
    return list(causes.values())


def _name(result: Comparison, table: str, row: dict[str, Any]) -> str:
    if table == "truth":
        return f"scratch itself, gradient of {row['parameter']}"
    backend = result.backends[row["backend"]]
    if table == "gradients":
        return f"{backend}, gradient of {row['parameter']}"
    if table == "optimizers":
        return f"{backend}, {row['optimizer']} against the {row['convention']} convention, {row['mode']}"
    return f"{backend}, training"


def listed(names: list[str]) -> str:
    """Names with commas and an "and"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
