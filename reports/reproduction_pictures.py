"""The pictures of a reproduction, drawn from its material: the seven that source 004 shows of its network."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from comparisons.sources.reproduction import Picture, Reproduction
from reports.looking_plots import (
    accuracy_curves,
    batch_loss_curve,
    compared_accuracies,
    loss_curve,
    plane_contours,
    plane_height,
    plane_scatter,
)
from reports.plots import Plot, figure_json

NETWORK, LOGISTIC = "004-three-or-eight", "004-logistic"
"""Whose histories the material of source 004 has."""


def with_pictures(result: Reproduction) -> Reproduction:
    """The reproduction with the pictures that its material allows; as it is where there is none."""
    if NETWORK not in result.material:
        return result
    return replace(result, pictures=result.pictures + _three_or_eight(result.material))


def _three_or_eight(material: Mapping[str, Any]) -> list[Picture]:
    """Accuracies, loss, batch losses, the plane three times, and the network beside the logistic regression."""
    network = material[NETWORK]
    history = network["history"]
    losses = [loss for record in history for loss in record["batch_losses"]]
    plots: list[Plot | None] = [
        accuracy_curves(history, "Accuracy of the network"),
        loss_curve(history, "Loss of the network"),
        batch_loss_curve(losses, len(losses) // len(history), "Loss of every batch of the network"),
    ]
    if (plane := material.get("plane")) is not None:
        plots += [plane_scatter(plane), plane_contours(plane), plane_height(plane)]
    if LOGISTIC in material:
        histories = {"network": history, "logistic regression": material[LOGISTIC]["history"]}
        plots.append(compared_accuracies(histories, "The network and the logistic regression"))
    return [
        Picture(plot.caption, figure_json(plot), network["command"], f"{plot.description} Seed 0.")
        for plot in plots
        if plot is not None
    ]
