"""A reproduction as a page that opens offline, and one over all sources; plotly's script stands in the folder of the latter."""

from collections.abc import Mapping, Sequence
from typing import Any

from comparisons.derivations.files import Checked
from reports.derivations_page import environment
from reports.plots import COLOURS, FURTHER, MARKERS, script_json
from reports.reproduction_text import MEANINGS, SYMBOLS, cell, duration, holds, listed_seeds, sentence

Results = dict[str, Any]
INK = "ink"
"""Stands for the colour of the text, which the page fills in: it differs between day and night."""
TITLES = {"NumPy": "numpy", "PyTorch": "torch", "Keras": "keras", "JAX": "jax"}
VERDICTS = {True: "correct", False: "wrong", None: "inconclusive"}


def to_html(results: Results, audits: Sequence[Checked]) -> str:
    """The page of a source. All text is escaped; the plots' data is JSON that cannot end its script element."""
    plots = {f"curve-{index}": figure(curve) for index, curve in enumerate(results["curves"])}
    plots |= {f"picture-{index}": dict(picture["figure"]) for index, picture in enumerate(results["pictures"])}
    made = environment()
    made.globals |= {"signs": SYMBOLS, "meanings": MEANINGS, "classes": VERDICTS}
    made.filters |= {"cell": cell, "duration": duration, "seeds": listed_seeds}
    page: str = made.get_template("reproduction.html.j2").render(
        results=results,
        audits=[one for checked in audits for one in checked.results],
        sentence=sentence(results),
        holds=holds(results),
        plot_data=script_json(plots),
    )
    return page


def to_overview(found: Sequence[Results]) -> str:
    """The page over all sources, in the order given."""
    made = environment()
    made.globals |= {"signs": SYMBOLS, "meanings": MEANINGS, "classes": VERDICTS}
    made.filters |= {"duration": duration}
    sources = [(results, holds(results), sentence(results)) for results in found]
    page: str = made.get_template("reproduction_overview.html.j2").render(sources=sources)
    return page


def figure(curve: Mapping[str, Any]) -> dict[str, Any]:
    """A curve as plotly's data and layout: what was printed in the colour of the text, each backend in its own."""
    further = iter(FURTHER * 10)
    data = []
    for name, (x, y) in curve["lines"].items():
        backend = next((known for title, known in TITLES.items() if name.startswith(title)), None)
        printed = name.startswith("printed")
        few = len(x) <= 30
        data.append(
            {
                "type": "scatter",
                "name": name,
                "x": x,
                "y": y,
                "mode": "markers" if printed and few else "lines+markers" if few else "lines",
                "line": {
                    "color": INK if printed else COLOURS.get(backend or "") or next(further),
                    "dash": "dash" if "mended" in name else "dot" if printed else "solid",
                    "width": 2,
                },
                "marker": {
                    "symbol": "circle-open" if printed else MARKERS.get(backend or "", "triangle-up"),
                    "size": 11 if printed else 6,
                    "color": INK if printed else None,
                },
            }
        )
    # What was printed is drawn last, so that it lies on top of what meets it.
    data.sort(key=lambda line: line["name"].startswith("printed"))
    layout = {"xaxis": {"title": {"text": curve["x"]}}, "yaxis": {"title": {"text": curve["y"]}}}
    return {"data": data, "layout": layout}
