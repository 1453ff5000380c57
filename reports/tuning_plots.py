"""The plots of a sweep: what each hyperparameter does to the cost."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from comparisons.tuning.sweep import Sweep
from reports.plots import Plot
from reports.tuning import COST_OF, value_text

SET_COLOUR, BEST_COLOUR, MIDDLE_COLOUR = "#8FB8D8", "#D55E00", "#0072B2"


def tuning_plots(sweep: Sweep) -> list[Plot]:
    """All sets by rank, and one plot per hyperparameter that has more than one value."""
    table = sweep.table()
    finite = table[table[f"mean_{sweep.judge}"].notna()] if len(table) else table
    if not len(finite):
        return []
    plots = [effect(sweep, finite, path) for path in sweep.paths if finite[path].astype(str).nunique() > 1]
    return [*plots, ranks(sweep, finite)]


def effect(sweep: Sweep, table: pd.DataFrame, path: str) -> Plot:
    """The mean cost of every set over the values of one hyperparameter, with the best and the median set of each value."""
    name, cost = path.split(".")[1], f"mean_{sweep.judge}"
    continuous = table[path].nunique() > 12 and pd.api.types.is_numeric_dtype(table[path])
    if not continuous:
        order = _in_order(table[path])
        places = table[path].map({value: place for place, value in enumerate(order)})
    else:
        places = table[path]
    figure = go.Figure()
    figure.add_scatter(
        x=places.tolist(),
        y=table[cost].tolist(),
        mode="markers",
        name="a set",
        marker={"color": SET_COLOUR, "size": 7},
        customdata=[[int(number)] for number in table["set"]],
        hovertemplate="set %{customdata[0]}: %{y:.4f}<extra></extra>",
    )
    if not continuous:
        groups = table.assign(place=places).groupby("place")[cost]
        for title, values, colour, symbol in (
            ("median set", groups.median(), MIDDLE_COLOUR, "circle"),
            ("best set", groups.min(), BEST_COLOUR, "diamond"),
        ):
            figure.add_scatter(
                x=values.index.tolist(),
                y=values.tolist(),
                mode="lines+markers",
                name=title,
                line={"color": colour},
                marker={"symbol": symbol, "size": 9},
                hovertemplate=f"{title}: %{{y:.4f}}<extra></extra>",
            )
        figure.update_xaxes(tickvals=list(range(len(order))), ticktext=[value_text(value) for value in order])
    elif _is_wide(table[path]):
        figure.update_xaxes(type="log")
    figure.update_xaxes(title=name)
    figure.update_yaxes(title=f"mean {COST_OF[sweep.judge]} over seeds", type="log")
    best = table.nsmallest(1, cost).to_dict("records")[0]
    description = (
        f"Every point is a set: its mean {COST_OF[sweep.judge]} over the seeds, on a logarithmic axis. The lowest has {name} "
        f"{value_text(best[path])}. Where the best sets of all values lie level, {name} matters little once the others fit."
    )
    return Plot(f"effect-{path.replace('.', '-')}", f"Effect of {name}", description, figure)


def ranks(sweep: Sweep, table: pd.DataFrame) -> Plot:
    """All sets in the order of their mean cost, with their spread over the seeds."""
    cost = sweep.judge
    table = table.sort_values(f"mean_{cost}", ignore_index=True)
    places = list(range(1, len(table) + 1))
    figure = go.Figure()
    figure.add_scatter(
        x=places,
        y=table[f"mean_{cost}"].tolist(),
        error_y={"type": "data", "array": table[f"spread_{cost}"].fillna(0).tolist(), "color": SET_COLOUR, "width": 0},
        mode="markers",
        name="mean over seeds, with its spread",
        marker={"color": MIDDLE_COLOUR, "size": 6},
        customdata=[[int(number)] for number in table["set"]],
        hovertemplate="set %{customdata[0]}: mean %{y:.4f}<extra></extra>",
    )
    figure.add_scatter(
        x=places,
        y=table[f"best_{cost}"].tolist(),
        mode="markers",
        name="best seed",
        marker={"color": BEST_COLOUR, "size": 6, "symbol": "diamond"},
        hovertemplate="best seed %{y:.4f}<extra></extra>",
    )
    figure.update_xaxes(title="sets, from the lowest mean")
    figure.update_yaxes(title=COST_OF[cost])
    description = (
        "All sets that did not diverge. The bars are one standard deviation over the seeds: sets whose bars overlap by far are not "
        "told apart by so many seeds, and the lowest cost of all is also the luckiest."
    )
    return Plot("ranks", "Sets and seeds", description, figure)


def _in_order(column: pd.Series) -> list[Any]:
    """The different values, numbers by size, others as they come."""
    values = column.unique().tolist()
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return sorted(values) if numbers else values


def _is_wide(column: pd.Series) -> bool:
    return bool(column.min() > 0 and column.max() / column.min() > 30)
