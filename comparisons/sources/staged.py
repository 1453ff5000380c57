"""Source 000, 95 % in stages: its recipe on every backend, its derivations, and the questions that its author left open."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from backends import BackendUnavailable, load_backend
from comparisons.datasets import load_dataset
from comparisons.recipe import Recipe
from comparisons.rule_of_30 import rule_of_30
from comparisons.sources.reproduction import Claim, Curve, Reproduction, Settings, audited, run_parts
from comparisons.sources.staged_answers import drifting_sums, easy_batches, negative_loss
from comparisons.sources.staged_runs import COMMAND, SECOND, STAGED, Study

TOLD = 0.95
QUICK_IMAGES = 3000, 2000
"""Training and test images of a quick run."""


def reproduce(settings: Settings) -> Reproduction:
    """Everything about source 000. Raises DataError where full MNIST is not at hand."""
    data = load_dataset("mnist", settings.data_dir)
    if settings.quick:
        data = data.select(train=min(QUICK_IMAGES[0], len(data.train_labels)), test=min(QUICK_IMAGES[1], len(data.test_labels)))
    study = Study(settings, data)
    result = Reproduction(
        source="000",
        title="784-156-10 trained in stages to 95 %",
        summary="",
        recipes=(STAGED, SECOND),
        data=f"MNIST: {len(data.train_labels):,} training and {len(data.test_labels):,} test images.",
    )
    parts = [
        ("derivations", _audit),
        ("stages", lambda result: _add_stages(study, result)),
        ("second attempt", lambda result: _add_second(study, result)),
        ("easy batches", lambda result: result.answers.extend(easy_batches(study))),
        ("sums", lambda result: result.answers.extend(drifting_sums(study))),
        ("negative loss", lambda result: result.answers.extend(negative_loss(study))),
    ]
    run_parts(result, parts, settings.progress)
    result.summary = _summary(study, result)
    return result


def _audit(result: Reproduction) -> None:
    result.audits += audited("000_staged_network", "000_logistic_loss", "000_logistic_loss_sign")
    for checked, name in zip(result.audits, ("staged_network", "logistic_loss"), strict=False):
        result.claims.append(
            Claim(
                what=f"the derivatives in 000_{name}.py are right",
                printed="not said",
                found=checked.verdict,
                holds=checked.verdict == "correct",
                criterion="The error falls with the precision, from float32 to float128.",
                command=f"backproof check comparisons/sources/derivations/000_{name}.py",
            )
        )
    derivation = result.audits[2].results[0].derivations[0]
    said = [one for one in derivation.diagnosis if one.code == "sign"]
    result.claims.append(
        Claim(
            what="a logistic loss with the wrong sign before its second term does not fit what is propagated",
            printed="not said",
            found=f"{said[0].code}, line {said[0].line or derivation.first_wrong_line}" if said else "not named",
            holds=bool(said),
            criterion="`backproof check` names the term and its line, and nothing has told it what to look for.",
            command="backproof check comparisons/sources/derivations/000_logistic_loss_sign.py --name printed",
        )
    )


def _add_stages(study: Study, result: Reproduction) -> None:
    """The staged recipe on every backend, its claims, its table and its curves."""
    for backend in study.settings.backends:
        try:
            title = load_backend(backend).title
        except BackendUnavailable as error:
            study.absent.append(f"{backend}: {error}")
            continue
        runs = [study.train(STAGED, backend, seed) for seed in study.seeds]
        study.runs[title] = runs
        final = [run[-1]["test_accuracy"] for run in runs]
        mean, whole = float(np.mean(final)), not study.settings.quick
        result.claims.append(
            Claim(
                what=f"accuracy on the {len(study.data.test_labels):,} test images after all stages, on {title}",
                printed="95 %",
                found=f"{100 * mean:.2f} % ({100 * min(final):.2f} to {100 * max(final):.2f})",
                holds=mean >= TOLD if whole else None,
                criterion=f"The mean of {len(final)} seeds is 95 % or more.",
                command=f"{COMMAND} --backends {backend} --seeds {len(final)}",
                seeds=study.seeds,
                note=rule_of_30(TOLD, mean, len(study.data.test_labels)).sentence("95 %", "the mean") if whole else "",
            )
        )
    if study.runs:
        result.tables["The stages: means over the seeds"] = _stages(study)
        result.curves += _curves(study)


def _stages(study: Study) -> pd.DataFrame:
    """A row per stage: what it is, the accuracy after it on every backend, and the share of batches that it left out."""
    rows = []
    for phase, (table, stage) in enumerate(zip(study.recipe(STAGED).phases, study.recipe(STAGED).stages, strict=True)):
        row: dict[str, Any] = {"stage": phase + 1, "what": table.title, "epochs": stage.training.epochs}
        left_out = []
        for title, runs in study.runs.items():
            own = [[record for record in run if record["phase"] == phase] for run in runs]
            row[title] = float(np.mean([records[-1]["test_accuracy"] for records in own]))
            left_out += [1 - record["trained_batches"] / record["batches"] for records in own for record in records]
        row["batches left out"] = f"{100 * max(0.0, float(np.mean(left_out))):.0f} %"
        rows.append(row)
    return pd.DataFrame(rows)


def _curves(study: Study) -> list[Curve]:
    command = f"{COMMAND} --seeds {len(study.seeds)}"

    def lines(key: str, runs_of: Sequence[str]) -> dict[str, tuple[Sequence[float], Sequence[float]]]:
        found: dict[str, tuple[Sequence[float], Sequence[float]]] = {}
        for title in runs_of:
            values = np.array([[record[key] for record in run] for run in study.runs[title]]).mean(axis=0)
            found[title] = list(range(1, len(values) + 1)), values.tolist()
        return found

    titles = list(study.runs)
    accuracy = lines("test_accuracy", titles)
    epochs = next(iter(accuracy.values()))[0]
    accuracy["told"] = [epochs[0], epochs[-1]], [TOLD, TOLD]
    note = "The stages begin at epochs " + ", ".join(str(epoch) for epoch in _beginnings(study.recipe(STAGED))) + "."
    return [
        Curve("Accuracy on the test images", "epoch", "accuracy", accuracy, command, f"Means over the seeds. {note}"),
        Curve("Sum of all weights", "epoch", "sum", lines("sum_of_weights", titles), command, note),
        Curve("Sum of all biases", "epoch", "sum", lines("sum_of_biases", titles), command, note),
        Curve("Learning rate", "epoch", "rate", lines("learning_rate", titles[:1]), command, note),
    ]


def _beginnings(recipe: Recipe) -> list[int]:
    """The first epoch of every stage, from 1."""
    lengths = [stage.training.epochs for stage in recipe.stages]
    return [1 + sum(lengths[:phase]) for phase in range(len(lengths))]


def _add_second(study: Study, result: Reproduction) -> None:
    """The second attempt in NumPy."""
    history = study.train(SECOND, "numpy", 0)
    rows = []
    for phase, table in enumerate(study.recipe(SECOND).phases):
        last = [record for record in history if record["phase"] == phase][-1]
        rows.append(
            {
                "stage": phase + 1,
                "what": table.title,
                "epochs": len([record for record in history if record["phase"] == phase]),
                "test accuracy": last["test_accuracy"],
                "sum of weights": last["sum_of_weights"],
                "sum of biases": last["sum_of_biases"],
            }
        )
    result.tables["The second attempt, seed 0 in NumPy"] = pd.DataFrame(rows)


def _summary(study: Study, result: Reproduction) -> str:
    """What was reached, and what the answers are about: their figures stand with them."""
    figures = [claim for claim in result.claims if claim.what.startswith("accuracy")]
    if study.settings.quick:
        reached = "A quick run: 95 % is left open."
    else:
        reached = f"The stages reach 95 % on {sum(bool(claim.holds) for claim in figures)} of {len(study.settings.backends)} backends."
    sentences = [
        reached,
        "Three questions that its author left open are answered by measurement: what leaving easy batches out does, why the sums of weights "
        "and biases went on changing while the rate fell, and how a logistic loss, which cannot be negative, was printed as negative.",
        *(f"Not run: {reason}" for reason in study.absent),
    ]
    return " ".join(sentences)
