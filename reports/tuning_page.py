"""A sweep as a page that opens offline, beside its tables and plotly's script."""

import json
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, PackageLoader

from comparisons.tuning.sweep import Sweep
from reports.plots import figure_json, script_json
from reports.tuning import headings, how, sentence, set_rows, to_dict
from reports.tuning_plots import tuning_plots


def write_folder(sweep: Sweep, folder: Path, command: str) -> Path:
    """Write index.html, sets and runs as CSV and Parquet, and results.json into a folder; returns the page's path."""
    from plotly.offline import get_plotlyjs

    folder.mkdir(parents=True, exist_ok=True)
    sweep.write(folder)
    results = json.dumps(to_dict(sweep, command), indent=1, allow_nan=False)
    (folder / "results.json").write_text(results + "\n", encoding="utf-8")
    (folder / "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")
    page = folder / "index.html"
    page.write_text(to_html(sweep, command), encoding="utf-8")
    return page


def to_html(sweep: Sweep, command: str) -> str:
    """The page. All text is escaped; the plots' data is JSON that cannot end its script element."""
    environment = Environment(loader=PackageLoader("reports"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    plots = tuning_plots(sweep)
    page: str = environment.get_template("tuning.html.j2").render(
        sweep=sweep,
        title=sweep.recipe.title or "a sweep",
        sentence=sentence(sweep),
        how=how(sweep) if len(sweep.rows) > sweep.found else "",
        headings=headings(sweep),
        rows=set_rows(sweep, sweep.table()),
        plots=plots,
        plot_data=script_json({plot.key: figure_json(plot) for plot in plots}),
        command=command,
        recipe_text=sweep.recipe.to_toml(),
        version=version("backproof"),
    )
    return page
