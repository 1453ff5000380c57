"""A comparison as a page that opens offline: one HTML file beside plotly's script."""

from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from comparisons.compare import Comparison
from reports.plots import comparison_plots, figure_json, script_json
from reports.tables import comparison_tables, overview
from reports.text import MEANINGS, SYMBOLS, explanations, number, verdict_sentence


def to_html(result: Comparison, results: dict[str, Any]) -> str:
    """The page. All text is escaped; the plots' data is JSON that cannot end its script element."""
    environment = Environment(loader=PackageLoader("reports"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": number, "verdict_class": _verdict_class}
    plots = comparison_plots(result)
    tables = comparison_tables(result)
    return environment.get_template("compare.html.j2").render(
        result=result,
        results=results,
        title=result.recipe.title or "comparison",
        sentence=verdict_sentence(result),
        symbols=SYMBOLS,
        meanings=MEANINGS,
        overview=overview(result),
        tables=tables,
        plots=plots,
        plot_data=script_json({plot.key: figure_json(plot) for plot in plots}),
        causes=explanations(result),
        recipe_text=result.recipe.to_toml(),
    )


def _verdict_class(cell: str) -> Markup:
    """The class attribute of a cell: its verdict's, or that of a long text."""
    for name, symbol in SYMBOLS.items():
        if cell.startswith(f"{symbol} {name}"):
            return Markup(f' class="{name}"')
    return Markup(' class="long"' if len(cell) > 60 else "")
