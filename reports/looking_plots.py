"""The pictures of a trained network, as plotly figures: a report or a reproduction takes those that it needs."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from comparisons.activity import SATURATED
from comparisons.looking import Look, Plane
from reports.looking import digit
from reports.plots import Plot
from scratch.arrays import Array

# Okabe and Ito's colours, the first two for two classes, then greys: ten digits are told apart by marker and hover as well.
HUES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D1F", "#6A3D9A", "#000000", "#888888")
MARKERS = ("circle", "diamond", "square", "cross", "x", "triangle-up", "triangle-down", "star", "pentagon", "hexagon")
DIVERGING = [[0.0, "#0072B2"], [0.5, "#F7F7F7"], [1.0, "#D55E00"]]
"""From the first class's colour, or below zero, over white to the second's, or above zero."""
PALE = [[0.0, "#A9D0E8"], [0.5, "#FAFAFA"], [1.0, "#F3BE98"]]
"""The same behind points of those colours."""
MOST_KERNELS = 100
Record = Mapping[str, Any]
History = Sequence[Record]


def looking_plots(look: Look) -> list[Plot]:
    """All pictures for which there is data, in the order of the page."""
    plots = [confusion(look)]
    if len(look.kernels):
        plots.append(kernels(look.kernels))
    if look.plane is not None:
        plots += [plane_scatter(look.plane), plane_contours(look.plane), plane_height(look.plane)]
    history = look.history
    if len(history) > 1:  # of a single epoch the table says as much
        curves = (accuracy_curves, loss_curve, activity_curves, norm_curves, sum_curves)
        plots += [plot for curve in curves if (plot := curve(history)) is not None]
    return plots


def confusion(look: Look) -> Plot:
    """Labels by answers; only mistakes are coloured, since right answers outnumber them by far."""
    names, places = [str(label) for label in look.labels], list(range(len(look.labels)))
    counts = look.confusion
    wrong = [[None if row == column else int(counts[row, column]) for column in places] for row in places]
    figure = go.Figure()
    figure.add_heatmap(
        x=places,
        y=places,
        z=wrong,
        customdata=[[[name, answer] for answer in names] for name in names],
        texttemplate="%{z}",
        hovertemplate="label %{customdata[0]}, answer %{customdata[1]}: %{z}<extra></extra>",
        colorscale=[[0.0, "#FFFFFF"], [1.0, "#D55E00"]],
        zmin=0,
        zmax=max(1, *(count for row in wrong for count in row if count is not None)),
        showscale=False,
        xgap=1,
        ygap=1,
    )
    for place in places:  # a heatmap writes no text where it has no colour
        figure.add_annotation(x=place, y=place, text=f"{counts[place, place]}", showarrow=False, font={"color": "#0072B2"})
    ticks = {"tickvals": places, "ticktext": names, "showgrid": False, "zeroline": False, "constrain": "domain"}
    figure.update_xaxes(title="answer", **ticks)
    figure.update_yaxes(title="label", autorange="reversed", scaleanchor="x", **ticks)
    figure.update_layout(plot_bgcolor="#E8EEF4")
    return Plot(
        "confusion",
        "Confusion matrix",
        "Rows are labels, columns answers; on the diagonal, in blue, what is right; the colour is that of mistakes. The table below holds the same numbers.",
        figure,
    )


def kernels(pictures: Array) -> Plot:
    """The first layer's kernel, one picture per unit, all on one symmetric scale."""
    units, rows, columns = pictures.shape
    norms = np.linalg.norm(pictures.reshape(units, -1), axis=1)
    chosen = np.sort(np.argsort(-norms, kind="stable")[:MOST_KERNELS])
    across = math.ceil(math.sqrt(len(chosen) * rows / columns)) if rows > 1 else 1
    down = math.ceil(len(chosen) / across)
    sheet = np.full((down * (rows + 1) - 1, across * (columns + 1) - 1), np.nan, dtype=np.float32)
    hover = np.full(sheet.shape, "", dtype=object)
    for place, unit in enumerate(chosen):
        top, left = (place // across) * (rows + 1), (place % across) * (columns + 1)
        sheet[top : top + rows, left : left + columns] = pictures[unit]
        hover[top : top + rows, left : left + columns] = f"unit {unit}"
    bound = float(np.abs(pictures[chosen]).max()) or 1.0
    figure = go.Figure()
    figure.add_heatmap(
        z=sheet,
        zmin=-bound,
        zmax=bound,
        colorscale=DIVERGING,
        colorbar={"orientation": "h", "thickness": 12, "y": -0.02, "yanchor": "top", "nticks": 7},
        hovertext=hover.tolist(),
        hovertemplate="%{hovertext}: %{z:.3g}<extra></extra>",
        hoverongaps=False,
    )
    figure.update_xaxes(visible=False, constrain="domain")
    figure.update_yaxes(visible=False, autorange="reversed", scaleanchor="x", constrain="domain")
    figure.update_layout(plot_bgcolor="#B8BEC5")
    shown = "All" if len(chosen) == units else f"The {len(chosen)} with the largest norm of"
    return Plot(
        "kernels",
        "What the first layer has learned",
        f"{shown} {units} units of the first dense layer, as pictures of their weights: orange pixels speak for a unit, blue ones "
        f"against it. One scale for all, from -{bound:.3g} to {bound:.3g}.",
        figure,
    )


def plane_scatter(plane: Plane) -> Plot:
    """The images as points of the plane, one colour and marker per class."""
    figure = go.Figure()
    _add_points(figure, plane)
    _plane_axes(figure, plane)
    return Plot(
        "plane",
        "The plane of the last hidden layer",
        f"Every image is a point: what the two units before the last layer give for it. {len(plane.points):,} images are shown.",
        figure,
    )


def plane_contours(plane: Plane) -> Plot:
    """The network's probability over the plane, with the images on it."""
    height, of_what = _height(plane)
    two = len(plane.labels) == 2
    figure = go.Figure()
    figure.add_contour(
        x=plane.x,
        y=plane.y,
        z=height,
        zmin=0 if two else 1 / len(plane.labels),
        zmax=1,
        contours={"start": 0.1, "end": 0.9, "size": 0.1, "showlabels": True},
        colorscale=PALE if two else "Greys_r",
        showscale=False,
        hovertemplate="(%{x:.3g}, %{y:.3g}): %{z:.3f}<extra></extra>",
        name=of_what,
    )
    _add_points(figure, plane)
    _plane_axes(figure, plane)
    border = "The border between the classes is the line at 0.5." if two else "Where it is low, several classes compete."
    return Plot(
        "contours",
        "The probability over the plane",
        f"Contours of {of_what}, in steps of 0.1, as the last layer computes it from the two units. {border}",
        figure,
    )


def plane_height(plane: Plane) -> Plot:
    """The same with the probability as height."""
    height, of_what = _height(plane)
    at_points, _ = _height(plane, plane.probabilities)
    figure = go.Figure()
    figure.add_surface(
        x=plane.x,
        y=plane.y,
        z=height,
        cmin=0,
        cmax=1,
        colorscale=DIVERGING if len(plane.labels) == 2 else "Blues",
        opacity=0.75,
        showscale=False,
        hovertemplate="(%{x:.3g}, %{y:.3g}): %{z:.3f}<extra></extra>",
    )
    for place, label in enumerate(plane.labels):
        rows = plane.classes == place
        figure.add_scatter3d(
            x=plane.points[rows, 0],
            y=plane.points[rows, 1],
            z=at_points[rows],
            mode="markers",
            name=f"label {label}",
            marker={"size": 2.5, "color": HUES[place % len(HUES)]},
        )
    axes = {"xaxis_title": "unit 1", "yaxis_title": "unit 2", "zaxis_title": "probability", "zaxis_range": [0, 1]}
    figure.update_layout(height=600, legend_itemsizing="constant", scene={"camera": {"eye": {"x": -1.7, "y": -1.9, "z": 1.0}}})
    figure.update_scenes(axes)
    return Plot(
        "height",
        "The probability as height",
        f"The same plane in three dimensions: height is {of_what}. Drag to turn it.",
        figure,
    )


def accuracy_curves(history: History, title: str = "Accuracy") -> Plot | None:
    """Share of right answers after every epoch, on whatever it was measured; None where it was not."""
    names = {
        "train_accuracy": "training images, before each step",
        "validation_accuracy": "validation images",
        "test_accuracy": "test images",
    }
    lines = {name: column(history, key, 100) for key, name in names.items()}
    return curves("accuracies", title, "right answers, %", lines, history, "Share of right answers, epoch by epoch.")


def loss_curve(history: History, title: str = "Loss") -> Plot | None:
    """The mean loss of the batches of every epoch, and the loss on other images where it was measured."""
    names = {"loss": "training batches", "validation_loss": "validation images", "test_loss": "test images"}
    lines = {name: column(history, key) for key, name in names.items()}
    text = "Loss, epoch by epoch; that of the training is the mean over batches, each before its step."
    return curves("losses", title, "loss", lines, history, text)


def batch_loss_curve(losses: Sequence[float], per_epoch: int, title: str = "Loss of every batch") -> Plot:
    """The loss of every batch, and its mean over as many batches as an epoch has."""
    figure = go.Figure()
    values = np.asarray(losses, dtype=np.float64)
    x = np.arange(1, len(values) + 1) / per_epoch
    figure.add_scattergl(
        x=x, y=values, mode="markers", marker={"size": 2, "color": "#56B4E9"}, name="every batch", hoverinfo="skip"
    )
    whole = len(values) // per_epoch * per_epoch
    means = values[:whole].reshape(-1, per_epoch).mean(axis=1)
    # Drawn as the points are, since what is not lies beneath them.
    figure.add_scattergl(
        x=np.arange(1, len(means) + 1), y=means, mode="lines", line={"color": "#D55E00"}, name="mean of an epoch"
    )
    figure.update_xaxes(title="epoch")
    figure.update_yaxes(title="loss", rangemode="tozero")
    figure.update_layout(height=420)
    return Plot(
        "batch-losses",
        title,
        f"The loss of each of {len(values):,} batches before its step, {per_epoch} an epoch, and the mean of every epoch.",
        figure,
    )


def compared_accuracies(histories: Mapping[str, History], title: str = "Accuracies compared") -> Plot | None:
    """The accuracy on the test images of several runs in one plot, such as a network's and a logistic regression's."""
    lines = {name: column(history, "test_accuracy", 100) for name, history in histories.items()}
    longest: History = max(histories.values(), key=len, default=[])
    return curves("compared", title, "right answers on test images, %", lines, longest, "Test accuracy, epoch by epoch.")


def activity_curves(history: History) -> Plot | None:
    """Saturated and dead units of every layer."""
    lines = {}
    for key in ("saturated", "dead"):
        for layer in _layers(history, key):
            lines[f"{layer}, {key}"] = column(history, key, 100, layer)
    text = (
        f"Of each layer, in inference: the share of unit and image pairs whose slope |f'(z)| is below {SATURATED}, and the share of "
        "units whose slope is 0 for all images looked at. A ReLU's slope is 0 or 1, so that it is saturated where it gives 0."
    )
    return curves("activity", "Saturated and dead units", "%", lines, history, text, dashes=("solid", "dot"), zero=True)


def norm_curves(history: History) -> Plot | None:
    """The norm of each layer's gradient."""
    lines = {layer: column(history, "gradient_norms", layer=layer) for layer in _layers(history, "gradient_norms")}
    text = "The Euclidean norm of the gradient of each layer's parameters at the end of every epoch, on a logarithmic axis."
    return curves("gradients", "Gradient norms", "norm of the gradient", lines, history, text, log=True)


def sum_curves(history: History) -> Plot | None:
    """The sums of weights and biases, with the learning rate below."""
    from plotly.subplots import make_subplots

    sums = {"sum of weights": column(history, "sum_of_weights"), "sum of biases": column(history, "sum_of_biases")}
    if not any(any(value is not None for value in y) for _, y in sums.values()):
        return None
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.08, row_heights=[0.65, 0.35])
    for (name, (x, y)), hue in zip(sums.items(), HUES, strict=False):
        figure.add_scatter(x=x, y=y, mode="lines+markers", name=name, line={"color": hue}, row=1, col=1)
    x, rates = column(history, "learning_rate")
    figure.add_scatter(x=x, y=rates, mode="lines+markers", name="learning rate", line={"color": HUES[2]}, row=2, col=1)
    figure.update_yaxes(title="sum", row=1, col=1)
    figure.update_yaxes(title="rate", type="log", exponentformat="power", row=2, col=1)
    figure.update_xaxes(title="epoch", row=2, col=1)
    figure.update_layout(height=560)
    _mark_phases(figure, history)
    return Plot(
        "sums",
        "Sums of weights and biases",
        "The sum of all kernels' entries and that of all biases after every epoch; below, the learning rate.",
        figure,
    )


def column(history: History, key: str, factor: float = 1.0, layer: str | None = None) -> tuple[list[float], list[float | None]]:
    """(epochs, values) of an entry of the records, None where a record lacks it."""
    found = [record.get(key) for record in history]
    if layer is not None:
        found = [None if entry is None else entry.get(layer) for entry in found]
    values = [None if value is None or not math.isfinite(value) else factor * value for value in found]
    return [record["epoch"] for record in history], values


def curves(
    key: str,
    title: str,
    axis: str,
    lines: Mapping[str, tuple[Iterable[float], Iterable[float | None]]],
    history: History,
    text: str,
    *,
    log: bool = False,
    zero: bool = False,
    dashes: Sequence[str] = ("solid",),
) -> Plot | None:
    """Lines over epochs, those without a number left out, with the phases marked; None where nothing is left.

    With several `dashes` the lines are as many equal groups, each with its own.
    """
    group = math.ceil(len(lines) / len(dashes))
    figure = go.Figure()
    for index, (name, (x, y)) in enumerate(lines.items()):
        values = list(y)
        if any(value is not None for value in values):
            figure.add_scatter(
                x=list(x),
                y=values,
                mode="lines+markers" if len(values) <= 40 else "lines",
                name=name,
                line={"color": HUES[index % group % len(HUES)], "dash": dashes[index // group]},
                marker={"symbol": MARKERS[index % len(MARKERS)], "size": 6},
            )
    if not figure.data:
        return None
    figure.update_xaxes(title="epoch")
    figure.update_yaxes(title=axis, **({"type": "log", "exponentformat": "power"} if log else {}))
    if zero:
        figure.update_yaxes(rangemode="tozero")
    figure.update_layout(height=420, showlegend=True)
    _mark_phases(figure, history)
    return Plot(key, title, text, figure)


def _mark_phases(figure: go.Figure, history: History) -> None:
    for before, after in itertools.pairwise(history):
        if before.get("phase") != after.get("phase"):
            figure.add_vline(x=(before["epoch"] + after["epoch"]) / 2, line={"color": "#888", "dash": "dash", "width": 1})


def _layers(history: History, key: str) -> list[str]:
    return list(dict.fromkeys(layer for record in history for layer in record.get(key) or {}))


def _add_points(figure: go.Figure, plane: Plane) -> None:
    for place, label in enumerate(plane.labels):
        rows = plane.classes == place
        figure.add_scatter(
            x=plane.points[rows, 0],
            y=plane.points[rows, 1],
            mode="markers",
            name=f"label {label}",
            marker={
                "size": 6 if len(plane.points) <= 500 else 4,
                "color": HUES[place % len(HUES)],
                "symbol": MARKERS[place % len(MARKERS)],
                "opacity": 0.8,
                "line": {"width": 0.5, "color": "#fff"},
            },
        )


def _plane_axes(figure: go.Figure, plane: Plane) -> None:
    figure.update_xaxes(title="unit 1", range=[plane.x[0], plane.x[-1]])
    figure.update_yaxes(title="unit 2", range=[plane.y[0], plane.y[-1]])
    figure.update_layout(height=560)


def _height(plane: Plane, probabilities: Array | None = None) -> tuple[Array, str]:
    """What is drawn as colour or height, of the grid or of other probabilities (..., classes), and what that is."""
    found = plane.grid if probabilities is None else probabilities
    if len(plane.labels) == 2:
        return found[..., 1], f"the probability of {digit(plane.labels[1])}"
    return found.max(axis=-1), "the probability of the likeliest class"
