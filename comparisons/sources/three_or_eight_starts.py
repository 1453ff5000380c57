"""Where source 004 may have started: initialisations and reductions of the loss beside its printed curve."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from comparisons.recipe import load_recipe
from comparisons.sources.reproduction import Answer
from comparisons.sources.three_or_eight_runs import COMMAND, LOGISTIC, NETWORK, Run, Study
from scratch.arrays import Array

FIRST = 6
"""Epochs by which starts are compared: until then the printed loss has halved, and where a run starts has decided when."""
STARTS: Mapping[str, Any] = {
    "glorot_uniform": "glorot_uniform",
    "glorot_normal": "glorot_normal",
    "lecun_uniform": "lecun_uniform",
    "lecun_normal_truncated": "lecun_normal_truncated",
    "he_normal": "he_normal",
    "he_uniform": "he_uniform",
    "torch_linear": "torch_linear",
    "N(0, 0.01^2)": {"name": "normal", "standard_deviation": 0.01},
    "N(0, 0.1^2)": {"name": "normal", "standard_deviation": 0.1},
    "U(-0.05, 0.05)": {"name": "uniform"},
}
FINALISTS = ("glorot_uniform", "lecun_uniform", "he_normal")
"""Starts that are also trained to the end, with fewer seeds than the recipe's own."""
FINALIST_SEEDS = 3
SLOW = 0.65
LOGISTIC_EPOCHS = 20
"""After these the two reductions of the logistic regression's loss are far apart."""


def starts(study: Study) -> Answer:
    """Which initialisation and which reduction of the loss fit the printed curve."""
    quick = study.settings.quick
    first = min(FIRST, study.epochs)
    told, own = study.column(NETWORK, "loss"), load_recipe(NETWORK).network.initializer
    rows = []
    combinations = [(name, "mean") for name in STARTS] + [(name, "sum") for name in ("glorot_uniform", "U(-0.05, 0.05)")]
    for done, (name, reduction) in enumerate(combinations[: 2 if quick else None]):
        study.settings.progress("004: starts", done, len(combinations))
        if (name, reduction) == (own, "mean"):
            runs = study.runs[NETWORK]
        else:
            tables = {"network": {"initializer": STARTS[name]}, "loss": {"reduction": reduction}}
            ends = FINALIST_SEEDS if name in FINALISTS and reduction == "mean" else 0
            runs = [
                study.train(NETWORK, seed, f"004 {name}, {reduction}", epochs=None if place < ends else first, tables=tables)
                for place, seed in enumerate(study.seeds)
            ]
        rows.append(
            {"start": name, "over the batch": reduction, **_misfit(runs, told, study.column(NETWORK, "training_acc"), first)}
        )
    table = pd.DataFrame(rows).sort_values("misfit of the first epochs (median)").reset_index(drop=True)
    reductions = _reductions(study)
    fitting = ", ".join(
        f"{row['start']} ({row['misfit of the first epochs (median)']:.2f})" for row in table.head(4).to_dict("records")
    )
    last = next(name for name in table.columns if name.startswith("loss, last epoch"))
    ended = [f"{row['start']} {row[last]}" for row in table.to_dict("records") if row[last]]
    to_the_end = f"Trained to the end, where {told[-1]} is printed: {'; '.join(ended)}. " if ended else ""
    return Answer(
        question="Which initialisation and which reduction of the loss does the source use?",
        answer=(
            "The loss is the mean over the batch, and the rate 0.001 applies to it: with the sum, which is fifty times as fast, the "
            f"logistic regression, whose curve hardly depends on where it starts, would be at {reductions['sum']:.4f} after "
            f"{reductions['epochs']} epochs; printed is {reductions['printed']:.4f}, the mean gives {reductions['mean']:.4f}. "
            + _slow(table, study, first)
            + f"Best in the median over {len(study.seeds)} seeds are {fitting}; the misfit is the root mean square of "
            f"log(ours / printed) over the first {first} epochs. Seeds of one start lie further apart than the medians of neighbouring "
            f"starts, so one printed curve cannot name one of these. {to_the_end}The recipe takes {own}; it was chosen with these "
            "runs in hand."
        ),
        table=table,
        command=f"{COMMAND} --backends numpy",
    )


def _misfit(runs: Sequence[Run], loss: Array, accuracy: Array, first: int) -> dict[str, Any]:
    """How far runs of one start are from the printed first epochs, and from the end where they get there."""
    ours = np.array([run.column("loss")[:first] for run in runs])
    with np.errstate(divide="ignore", invalid="ignore"):  # a sum can overflow
        misfits = np.sqrt(np.mean(np.square(np.log(ours / loss[:first])), axis=1))
    ends = [run.column("loss")[-1] for run in runs if len(run.history) == len(loss)]
    seen = [run.column("train_accuracy")[0] for run in runs]
    return {
        "seeds": len(runs),
        f"loss, first epoch (printed {loss[0]})": f"{ours[:, 0].mean():.4f} ({ours[:, 0].min():.4f} to {ours[:, 0].max():.4f})",
        f"accuracy, first epoch (printed {accuracy[0]})": f"{np.mean(seen):.3f} ({min(seen):.3f} to {max(seen):.3f})",
        f"loss, epoch {first - 1} (printed {loss[first - 1]})": round(float(np.median(ours[:, -1])), 4),
        "misfit of the first epochs (median)": round(float(np.median(misfits)), 3),
        "misfit of the first epochs (best)": round(float(misfits.min()), 3),
        f"loss, last epoch (printed {loss[-1]})": f"{np.mean(ends):.5f} ({len(ends)} seeds)" if ends else "",
        "accuracy, training and test": f"{np.mean([run.accuracy for run in runs if len(run.history) == len(loss)]):.4f}"
        if ends
        else "",
    }


def _slow(table: pd.DataFrame, study: Study, first: int) -> str:
    """Which starts have hardly left log 2, the loss of a network that says nothing, when the printed loss has halved."""
    column = next(name for name in table.columns if name.startswith(f"loss, epoch {first - 1} "))
    slow = [
        f"{row['start']} ({row[column]:.4f})"
        for row in table.to_dict("records")
        if row["over the batch"] == "mean" and row[column] > SLOW
    ]
    if not slow:
        return ""
    return (
        f"With {', '.join(slow)} the loss is still above {SLOW} in epoch {first - 1}, near the log 2 = 0.693 of a network that says "
        f"nothing, and printed is {study.column(NETWORK, 'loss')[first - 1]:.4f}: these do not fit. "
    )


def _reductions(study: Study) -> dict[str, float]:
    """The logistic regression's loss after some epochs, with the mean and with the sum over the batch."""
    epochs = min(LOGISTIC_EPOCHS, study.epochs)
    summed = study.train(LOGISTIC, 0, "004 logistic regression, sum", epochs=epochs, tables={"loss": {"reduction": "sum"}})
    return {
        "epochs": epochs,
        "printed": study.column(LOGISTIC, "loss")[epochs - 1],
        "mean": study.runs[LOGISTIC][0].column("loss")[epochs - 1],
        "sum": summed.column("loss")[-1],
    }
