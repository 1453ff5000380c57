"""The plots of a comparison, as plotly figures, and how every page draws its own."""

import json
import math
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from comparisons.compare import Comparison
from comparisons.ladder import UNIT_ROUNDOFF
from reports.text import number

# Okabe and Ito's colours, told apart by the colour-blind; each backend also has its own marker.
COLOURS = {"numpy": "#0072B2", "torch": "#D55E00", "keras": "#009E73"}
MARKERS = {"numpy": "circle", "torch": "square", "keras": "diamond"}
FURTHER = ("#CC79A7", "#56B4E9", "#E69F00")
WRONG_COLOUR = "#7a1020"
DASHES = {"float32": "dot", "float64": "solid"}


@dataclass(frozen=True)
class Plot:
    """A figure with the words that stand for it where it cannot be seen."""

    key: str
    caption: str
    description: str
    figure: go.Figure


def figure_json(plot: Plot) -> dict[str, Any]:
    """The figure as plotly's script takes it, in the look that all pages share."""
    plot.figure.update_layout(
        template="plotly_white",
        margin={"l": 64, "r": 16, "t": 48, "b": 56},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        font={"family": "system-ui, sans-serif", "size": 14},
    )
    figure: dict[str, Any] = json.loads(plot.figure.to_json())
    return figure


def script_json(value: Any) -> str:
    """JSON that cannot end the script element in which it stands."""
    return json.dumps(value).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def comparison_plots(result: Comparison) -> list[Plot]:
    """All plots for which there is data."""
    plots = []
    if len(result.gradients):
        plots.append(_ladder(result))
    if len(result.steps):
        plots += [_steps(result), _times(result)]
    if len(result.epochs) and result.epochs["epoch"].max() > 1:  # a single dot would say no more than the table
        plots.insert(-1, _accuracy(result))
    return plots


def _ladder(result: Comparison) -> Plot:
    figure = go.Figure()
    rungs = list(UNIT_ROUNDOFF)
    ends = [UNIT_ROUNDOFF["float32"], UNIT_ROUNDOFF["float128"]]
    figure.add_scatter(
        x=ends, y=ends, mode="lines", name="unit roundoff (slope 1)", line={"color": "#888", "dash": "dash"}, hoverinfo="skip"
    )
    for backend, title in result.backends.items():
        rows = [row for row in result.table("gradients") if row["backend"] == backend]
        errors = {rung: max(row[rung] for row in rows) for rung in ("float32", "float64")}
        _add_rungs(figure, f"gradients, {title}", errors, backend)
    for row in result.table("optimizers"):
        if row["mode"] == "teacher-forced" and row["optimizer"] == result.recipe.optimizer.name:
            errors = {rung: row[rung] for rung in rungs if row.get(rung) is not None}
            name = f"{row['optimizer']}, {result.backends[row['backend']]}"
            _add_rungs(figure, name, errors, row["backend"], dash="dot", wrong=row["verdict"] == "wrong")
    seen = set()
    for row in result.table("conventions"):
        if row["optimizer"] == result.recipe.optimizer.name and row["backend"] not in seen and row["verdict"] == "wrong":
            seen.add(row["backend"])
            errors = {rung: row[rung] for rung in rungs if row.get(rung) is not None}
            name = f"{row['optimizer']}, {result.backends[row['backend']]} against {row['convention']}'s formula"
            _add_rungs(figure, name, errors, row["backend"], dash="dashdot", wrong=True)
    if len(result.truth):
        truth = {rung: float(result.truth[rung].max()) for rung in rungs}
        _add_rungs(figure, "gradients, NumPy, against central differences (exact to 1e-22)", truth, "numpy", dash="dash")
    ticks = [UNIT_ROUNDOFF[rung] for rung in rungs]
    figure.update_xaxes(
        type="log",
        autorange="reversed",
        title="unit roundoff of the precision",
        tickvals=ticks,
        ticktext=[f"{rung}<br>{number(tick)}" for rung, tick in zip(rungs, ticks, strict=True)],
    )
    figure.update_yaxes(type="log", title="relative error", exponentformat="power")
    figure.update_layout(height=520)
    return Plot(
        "ladder",
        "The precision ladder",
        "Log-log plot of the relative error against the unit roundoff. Rounding falls along the dashed line of slope 1; a mistake "
        "stays flat. Errors are those against float128; float128 itself is held against central differences, whose own "
        "error ends its fall at about 1e-22. The tables below hold the same numbers.",
        figure,
    )


def _add_rungs(
    figure: go.Figure, name: str, errors: dict[str, float], backend: str, dash: str = "solid", wrong: bool = False
) -> None:
    # An error of zero has no place on a logarithmic axis: it is drawn at a tenth of the roundoff and told as 0.
    figure.add_scatter(
        x=[UNIT_ROUNDOFF[rung] for rung in errors],
        y=[error or UNIT_ROUNDOFF[rung] / 10 for rung, error in errors.items()],
        customdata=[f"{rung}: {number(error)}" for rung, error in errors.items()],
        hovertemplate="%{customdata}<extra>" + name + "</extra>",
        mode="lines+markers",
        name=name,
        line={"color": WRONG_COLOUR if wrong else _colour(backend), "dash": dash},
        marker={"symbol": "x" if wrong else MARKERS.get(backend, "star"), "size": 9},
    )


def _steps(result: Comparison) -> Plot:
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.08)
    for (dtype, backend), rows in result.steps.groupby(["dtype", "backend"], sort=False):
        line = {"color": _colour(backend), "dash": DASHES[dtype], "width": 1.5}
        name = f"{result.backends[backend]}, {dtype}"
        shared = {"x": rows["step"].tolist(), "mode": "lines", "name": name, "legendgroup": name, "line": line}
        figure.add_scatter(y=rows["loss"].tolist(), **shared, row=1, col=1)
        differences = [value if value > 0 and math.isfinite(value) else None for value in rows["difference"]]
        if any(differences):
            figure.add_scatter(y=differences, **shared, showlegend=False, row=2, col=1)
    figure.update_yaxes(title="loss", row=1, col=1)
    figure.update_yaxes(title="difference", type="log", exponentformat="power", row=2, col=1)
    figure.update_xaxes(title="step", row=2, col=1)
    figure.update_layout(height=680)
    return Plot(
        "steps",
        "Training, step by step",
        "Above, the loss of every batch. Below, on a logarithmic axis, the largest absolute difference of any parameter from scratch "
        "in the backend's convention after every step; scratch itself has none. The numbers are in results.json.",
        figure,
    )


def _accuracy(result: Comparison) -> Plot:
    figure = go.Figure()
    for (dtype, backend), rows in result.epochs.groupby(["dtype", "backend"], sort=False):
        figure.add_scatter(
            x=rows["epoch"].tolist(),
            y=[100 * value for value in rows["test_accuracy"]],
            mode="lines+markers",
            name=f"{result.backends[backend]}, {dtype}",
            line={"color": _colour(backend), "dash": DASHES[dtype]},
            marker={"symbol": MARKERS.get(backend, "star"), "size": 8},
        )
    figure.update_xaxes(title="epoch", dtick=max(1, result.recipe.training.epochs // 10))
    figure.update_yaxes(title="accuracy on the test images, %")
    figure.update_layout(height=380)
    return Plot(
        "accuracy",
        "Accuracy",
        "Share of right answers on the test images after every epoch. The numbers are in results.json.",
        figure,
    )


def _times(result: Comparison) -> Plot:
    figure = go.Figure()
    rows = result.table("training")
    for dtype in ("float32", "float64"):
        times: list[Any] = [row["seconds_per_step"].get(dtype) for row in rows]
        if any(times):
            figure.add_bar(
                x=[result.backends[row["backend"]] for row in rows],
                y=[None if time is None else 1e6 * time for time in times],
                name=dtype,
                marker_color="#56B4E9" if dtype == "float32" else "#0072B2",
                texttemplate="%{y:.0f}",
            )
    figure.update_yaxes(title="median time per step, µs")
    figure.update_layout(height=380, barmode="group")
    return Plot(
        "times",
        "Time per step",
        "Median time of a training step in this run, all backends interleaved; batches are copied into each framework's tensors "
        "within the step. Ratios tell more than times: other work on the machine slows all alike. The table below holds the same "
        "numbers.",
        figure,
    )


def _colour(backend: str) -> str:
    return COLOURS.get(backend) or FURTHER[sum(map(ord, backend)) % len(FURTHER)]
