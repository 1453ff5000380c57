"""A comparison as a folder: results.json for machines, summary.md, the page, and the recipe that makes it again."""

import json
import math
import platform
import shlex
from pathlib import Path
from typing import Any

import numpy as np

from comparisons.compare import Comparison
from reports.markdown import to_markdown
from reports.page import to_html


class ReportError(Exception):
    """The report cannot be written. The message says where and what to do."""


def prepare(folder: Path) -> None:
    """Make the folder, before anything is computed; raises ReportError where nothing can be written to it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".backproof"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ReportError(
            f"{folder}: the report cannot be written there ({error.strerror}). Give another folder with --out."
        ) from error


def write_report(result: Comparison, folder: Path, data_dir: str | None = None) -> Path:
    """Write all files of the report; returns the page's path. An earlier report in the folder is replaced at once."""
    from plotly.offline import get_plotlyjs

    results = to_dict(result, data_dir)
    contents = {
        "results.json": json.dumps(results, indent=1, allow_nan=False) + "\n",
        "summary.md": to_markdown(result, results),
        "recipe.toml": result.recipe.to_toml(),
        "index.html": to_html(result, results),
        "plotly.min.js": get_plotlyjs(),
    }
    try:
        for name, content in contents.items():
            (folder / f"{name}.new").write_text(content, encoding="utf-8")
        for name in contents:
            (folder / f"{name}.new").replace(folder / name)
    except OSError as error:
        raise ReportError(
            f"{error.filename}: it cannot be written ({error.strerror}). Give another folder with --out."
        ) from error
    finally:
        for name in contents:
            (folder / f"{name}.new").unlink(missing_ok=True)
    return folder / "index.html"


def to_dict(result: Comparison, data_dir: str | None = None) -> dict[str, Any]:
    """Everything found, as plain data for JSON; a number that is not finite becomes null."""
    command = ["backproof", "compare", "recipe.toml", "--backends", ",".join(result.backends)]
    if data_dir:
        command += ["--data-dir", data_dir]
    plain: dict[str, Any] = _plain(
        {
            "verdict": result.verdict,
            "interrupted": result.interrupted,
            "backends": list(result.backends),
            "skipped": result.skipped,
            "seed": result.recipe.training.seed,
            "command": shlex.join(command),
            "versions": {"python": platform.python_version(), **result.versions},
            "recipe": result.recipe.model_dump(),
            "data": result.data,
            "model": result.model,
            "gradients": result.table("gradients"),
            "pairs": result.table("pairs"),
            "truth": result.table("truth"),
            "optimizers": result.table("optimizers"),
            "conventions": result.table("conventions"),
            "training": result.table("training"),
            "epochs": result.table("epochs"),
            "steps": {
                f"{dtype}.{backend}": {
                    "loss": rows["loss"].tolist(),
                    "difference": rows["difference"].tolist(),
                }
                for (dtype, backend), rows in (
                    result.steps.groupby(["dtype", "backend"], sort=False) if len(result.steps) else ()
                )
            },
        }
    )
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
