"""A source's reproduction as plain data and as a folder: results.json, summary.md and the page; and one page over all sources."""

import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from comparisons.derivations.files import Checked
from comparisons.sources.reproduction import Reproduction
from reports.reproduction_page import to_html, to_overview
from reports.reproduction_text import to_markdown

VERSIONS = ("backproof", "numpy", "torch", "tensorflow", "keras", "jax", "optax")
Results = dict[str, Any]


def to_dict(result: Reproduction, circumstances: Mapping[str, Any]) -> Results:
    """Everything found, as plain data for JSON. `circumstances` are those under which a later run would find the same."""
    apart = ("audits", "material")
    plain: Results = _plain({field.name: getattr(result, field.name) for field in fields(result) if field.name not in apart})
    plain["audits"] = [one.to_dict() for checked in local(result.audits) for one in checked.results]
    plain["circumstances"] = _plain(dict(circumstances))
    plain["versions"] = versions()
    return plain


def versions() -> dict[str, str]:
    """Of Python, of backproof, and of what is installed of what it computes with."""
    return {"python": platform.python_version()} | {name: found for name in VERSIONS if (found := _version(name)) is not None}


def local(audits: Sequence[Checked]) -> list[Checked]:
    """The audits with their files' names as they stand in the repository, wherever that is."""
    return [
        replace(
            checked,
            results=[
                replace(one, file=f"comparisons/sources/derivations/{Path(one.file or '').name}") for one in checked.results
            ],
        )
        for checked in audits
    ]


def write_report(result: Reproduction, out: Path, circumstances: Mapping[str, Any]) -> Results:
    """Write the source's folder in `out`; returns what results.json holds. An earlier report in it is replaced; results.json comes last."""
    results = to_dict(result, circumstances)
    folder = out / result.source
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "index.html", to_html(results, local(result.audits)))
    _write(folder / "summary.md", to_markdown(results))
    _write(folder / "results.json", json.dumps(results, indent=1, allow_nan=False) + "\n")
    return results


def write_overview(out: Path, found: Sequence[Results]) -> Path:
    """Write the page over all sources, and plotly's script for theirs."""
    from plotly.offline import get_plotlyjs

    out.mkdir(parents=True, exist_ok=True)
    _write(out / "plotly.min.js", get_plotlyjs())
    _write(out / "index.html", to_overview(found))
    return out / "index.html"


def read_results(out: Path, source: str) -> Results | None:
    """What an earlier run wrote about a source; None where there is nothing that can be read."""
    try:
        results = json.loads((out / source / "results.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return results if isinstance(results, dict) and "circumstances" in results else None


def _write(path: Path, content: str) -> None:
    """Whole or not at all: an interruption leaves the file as it was."""
    new = path.with_name(f"{path.name}.new")
    try:
        new.write_text(content, encoding="utf-8")
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _plain(value: Any) -> Any:
    """Data as JSON has it; a table becomes its columns and rows, a number that is not finite becomes null."""
    if isinstance(value, pd.DataFrame):
        return {"columns": [str(name) for name in value.columns], "rows": _plain(value.to_numpy(dtype=object).tolist())}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
