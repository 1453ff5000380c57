"""Source 004, a 3 or an 8: its figures and curves again, its validation column, its plane with a wrong bias, and frameworks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from backends import BackendUnavailable
from comparisons.datasets import load_dataset
from comparisons.looking import plane
from comparisons.recipe import load_recipe
from comparisons.rule_of_30 import rule_of_30
from comparisons.sources.plane_bias import wrong_biases
from comparisons.sources.printed_columns import Fit, as_running_mean, as_shares, running_mean, unrolled
from comparisons.sources.reproduction import Answer, Claim, Curve, Reproduction, Settings, audited, printed, run_parts
from comparisons.sources.three_or_eight_runs import CLASSES, COMMAND, IMAGES, LOGISTIC, NETWORK, Run, Study, threes_and_eights
from comparisons.sources.three_or_eight_starts import starts
from comparisons.training import LINEAR
from scratch.arrays import Array

NAMES = {NETWORK: "network", LOGISTIC: "logistic regression"}
PRINTED_ACCURACY = {NETWORK: 0.9910, LOGISTIC: 0.9628}
"""Told for training and test images together."""
POINTS, SHARE = 0.002, 0.1
"""How far an accuracy and a final loss may be from the told ones."""
CHOSEN = (
    "Decides little: the initialisation is not told and was chosen by the printed curve's first epochs, this one among them, and the "
    "criterion, the range of the seeds, with these runs in hand."
)
"""What has to be said of a claim about the network's first epoch."""
TITLES = {"numpy": "NumPy", "torch": "PyTorch", "keras": "Keras", "jax": "JAX"}
FRAMEWORK_EPOCHS = {NETWORK: 50, LOGISTIC: 10}
"""Of the runs in frameworks, which only have to follow NumPy's: by then the network's loss has fallen to a seventh."""


def reproduce(settings: Settings) -> Reproduction:
    """Everything about source 004. Raises DataError where full MNIST is not at hand."""
    study = Study(settings, threes_and_eights(load_dataset("mnist", settings.data_dir)), printed("004"))
    result = Reproduction(
        source="004",
        title="A small layered library, 3 against 8",
        summary="",
        recipes=(NETWORK, LOGISTIC),
        data="the threes and eights of MNIST, all 11,982 and 1,984",
    )
    parts = [
        ("data and printed columns", lambda result: _add_columns(study, result)),
        ("network", lambda result: _add_runs(study, result, NETWORK)),
        ("logistic regression", lambda result: _add_runs(study, result, LOGISTIC)),
        ("the validation column", lambda result: _add_validation(study, result)),
        ("the plane", lambda result: _add_plane(study, result)),
        ("derivatives", lambda result: result.audits.extend(audited("004_layers", "004_network"))),
        ("frameworks", lambda result: _add_frameworks(study, result)),
        ("starts", lambda result: result.answers.append(starts(study))),
    ]
    run_parts(result, parts, settings.progress)
    result.summary = _summary(study, result)
    return result


def _add_columns(study: Study, result: Reproduction) -> None:
    """Counts, and what the digits of the printed columns say by themselves."""
    found = len(study.data.train_labels), len(study.data.test_labels)
    told = tuple(IMAGES.values())
    result.claims.append(
        Claim(
            what="Images of a 3 or an 8 (training, test), and batches of 50 a pass",
            printed=f"{told[0]:,}, {told[1]:,}, 240",
            found=f"{found[0]:,}, {found[1]:,}, {-(-found[0] // 50)}",
            holds=(*found, -(-found[0] // 50)) == (*told, 240),
            criterion="the same numbers",
            command=COMMAND,
        )
    )
    for recipe, name in NAMES.items():
        validation = study.column(recipe, "validation_acc")
        running = as_running_mean(validation, IMAGES["test"])
        result.claims.append(
            Claim(
                what=f'"Validation Acc" of the {name} is a running mean over the epochs',
                printed="not said",
                found=f"{running.fit} of {running.tested} values are, "
                + (
                    f"which would happen by chance once in 10^{-running.log10_all:.0f}"
                    if running.holds
                    else f"and by chance {running.by_chance:.1f} would be"
                ),
                holds=running.holds,
                criterion=(
                    "every value is (k_1 + ... + k_n) / (1,984 n) with whole k, up to its rounding, wherever five decimals can tell; "
                    "the epoch's own accuracy would be k / 1,984"
                ),
                command=COMMAND,
                note=f"As the epoch's own accuracy {_fitting([as_shares(validation, IMAGES['test'])])} are possible.",
            )
        )


def _add_runs(study: Study, result: Reproduction, recipe: str) -> None:
    """The recipe over all seeds, its claims and its curves."""
    name = NAMES[recipe]
    for seed in study.seeds:
        study.runs[recipe].append(study.train(recipe, seed, recipe))
    runs, command = study.runs[recipe], f"{COMMAND} --backends numpy --seeds {len(study.seeds)}"
    result.claims += _figures(study, recipe, command)
    for title, column, key, axis in (
        ("Loss", "loss", "loss", "mean loss of the epoch's batches"),
        ("Training accuracy", "training_acc", "train_accuracy", "share right before each step"),
    ):
        lines = {"printed": _line(study.column(recipe, column))}
        lines |= {f"NumPy, seed {seed}": _line(run.column(key)) for seed, run in zip(study.seeds, runs, strict=True)}
        note = f"One line per seed; all start with {load_recipe(recipe).network.initializer}."
        result.curves.append(Curve(f"{title}, {name}", "epoch", axis, lines, command, note))
    result.tables[f"The {name}, printed beside the mean of the seeds"] = _beside(study, recipe)
    result.material[recipe] = {"history": runs[0].history, "command": command}
    if recipe == NETWORK:
        data = study.data.select(classes=CLASSES)
        result.material["plane"] = plane(runs[0].trained, data.test_images, data.test_labels)


def _figures(study: Study, recipe: str, command: str) -> list[Claim]:
    """What was told and printed of a recipe, each beside the mean and the range of the seeds."""
    runs, name = study.runs[recipe], NAMES[recipe]
    loss, accuracy = study.column(recipe, "loss"), study.column(recipe, "training_acc")

    def ours(key: str, epoch: int) -> list[float]:
        return [run.column(key)[epoch] for run in runs]

    told = PRINTED_ACCURACY[recipe]
    figures: list[tuple[str, float, list[float], float | None]] = [
        (f"Accuracy of the {name}, training and test images together", told, [run.accuracy for run in runs], POINTS),
        (f"Loss of the {name} in the last epoch", loss[-1], ours("loss", -1), SHARE * loss[-1]),
        (f"Training accuracy of the {name} in the last epoch", accuracy[-1], ours("train_accuracy", -1), POINTS),
    ]
    if recipe == NETWORK:
        figures += [
            (f"Loss of the {name} in the first epoch", loss[0], ours("loss", 0), None),
            (f"Training accuracy of the {name} in the first epoch", accuracy[0], ours("train_accuracy", 0), None),
        ]
    claims = []
    for what, printed_figure, values, bound in figures:
        form = "{:.5f}".format if what.startswith("Loss") else _percent
        mean, low, high = float(np.mean(values)), min(values), max(values)
        near = low <= printed_figure <= high if bound is None else abs(mean - printed_figure) <= bound
        within = "0.2 points" if bound == POINTS else "10 %"
        claims.append(
            Claim(
                what=what,
                printed=form(printed_figure),
                found=f"{form(mean)} ({form(low)} to {form(high)})",
                holds=None if study.settings.quick else near,
                criterion=(
                    "between the lowest and the highest of the seeds, since chance decides when the loss begins to fall"
                    if bound is None
                    else f"mean of {len(runs)} seeds within {within}"
                ),
                command=command,
                seeds=study.seeds,
                note=CHOSEN if bound is None else "",
            )
        )
    return claims


def _beside(study: Study, recipe: str) -> pd.DataFrame:
    """A few printed rows beside ours, each of our columns the mean over seeds."""
    runs, rows = study.runs[recipe], []
    for epoch in (0, 1, 2, 5, 10, 20, 50, 100, 150, 199):
        if epoch >= study.epochs:
            break
        row: dict[str, Any] = {"epoch": epoch}
        for column, ours in (
            ("loss", lambda run: run.column("loss")),
            ("training_acc", lambda run: run.column("train_accuracy")),
            ("validation_acc", lambda run: running_mean(run.column("test_accuracy"))),
        ):
            row[column] = study.column(recipe, column)[epoch]
            row[f"ours, {column}"] = round(float(np.mean([ours(run)[epoch] for run in runs])), 5)
        rows.append(row)
    return pd.DataFrame(rows)


def _add_validation(study: Study, result: Reproduction) -> None:
    """What the column called Validation Acc is: its own digits, and our curves beside it."""
    rows, sentences = [], []
    plain: list[Fit] = []
    running: list[Fit] = []
    training: list[Fit] = []
    for recipe, name in NAMES.items():
        told = study.column(recipe, "validation_acc")
        readings: dict[str, Fit] = {
            "the epoch's share of 1,984": as_shares(told, IMAGES["test"]),
            "running mean of shares of 1,984": as_running_mean(told, IMAGES["test"]),
        }
        for fits, fit in zip((plain, running), readings.values(), strict=True):
            fits.append(fit)
        own = np.array([run.column("test_accuracy") for run in study.runs[recipe]])
        ours = {
            "the epoch's share of 1,984": own,
            "running mean of shares of 1,984": np.array([running_mean(values) for values in own]),
        }
        distances = {}
        for reading, fit in readings.items():
            # In the first half, chance decides: when the loss begins to fall differs from seed to seed.
            second = slice(study.epochs // 2, study.epochs)
            distances[reading] = np.sqrt(np.mean(np.square(ours[reading] - told[: study.epochs])[:, second], axis=1))
            rows.append(
                {
                    "column": f"Validation Acc, {name}",
                    "reading": reading,
                    "values that could contradict": fit.tested,
                    "values that fit": fit.fit,
                    "expected by chance": round(fit.by_chance, 1),
                    "log10 of the chance that all fit": round(fit.log10_all, 1),
                    "distance to ours in the second half (rms, points)": round(100 * float(np.median(distances[reading])), 2),
                }
            )
        each, bounds = unrolled(told)
        last = np.mean(each[-20:]), (200 + 180) * 0.5e-5 / 20
        sentences.append(
            f"Unrolled, the {name}'s column gives {IMAGES['test'] * each[0]:.2f}, {IMAGES['test'] * each[1]:.2f} and "
            f"{IMAGES['test'] * each[2]:.2f} right test images in its first epochs, whole numbers up to the rounding, and "
            f"{100 * last[0]:.2f} % +- {100 * last[1]:.2f} in the mean of the last 20, where the column says {100 * told[-1]:.2f} %. "
            f"The unrolled values go from {each.min():.4f} to {each.max():.4f}, and fall from one epoch to the next by at most "
            f"{100 * float(np.max(-np.diff(each[:50]))):.2f} points in the first 50."
        )
        result.curves.append(
            Curve(
                f"Validation accuracy, {name}",
                "epoch",
                "share of the test images right",
                {
                    "printed": _line(told),
                    "unrolled from the printed": _line(each),
                    "ours, running mean": _line(ours["running mean of shares of 1,984"].mean(axis=0)),
                    "ours, the epoch's own": _line(own.mean(axis=0)),
                },
                COMMAND,
                f"Ours in the mean of {len(study.seeds)} seeds. Unrolled, the printed column is known to within {100 * bounds[-1]:.2f} points "
                "at its end, because every rounding counts as often as there are epochs.",
            )
        )
        training.append(as_shares(study.column(recipe, "training_acc"), IMAGES["training"]))
        rows.append(
            {
                "column": f"Training Acc, {name}",
                "reading": "the epoch's share of 11,982",
                "values that could contradict": training[-1].tested,
                "values that fit": training[-1].fit,
                "expected by chance": round(training[-1].by_chance, 1),
                "log10 of the chance that all fit": round(training[-1].log10_all, 1),
                "distance to ours in the second half (rms, points)": None,
            }
        )
    result.answers.append(
        Answer(
            question='What is the column "Validation Acc"?',
            answer=(
                (
                    "The mean of the epoch's accuracy on the 1,984 test images over all epochs so far, which is also what a counter gives "
                    "that is never set back."
                    if all(fit.holds for fit in running) and not any(fit.holds for fit in plain)
                    else "Not decided: no reading fits all values, or more than one does."
                )
                + f" Of the values that five decimals can tell, {_fitting(running)} fit the reading as a running mean, and {_fitting(plain)} are "
                "shares of 1,984. "
                + " ".join(sentences)
                + f" Of the training column {_fitting(training)} values are shares of 11,982"
                + (", so that it is set back every epoch. " if all(fit.holds for fit in training) else ". ")
                + " ".join(_first_epoch(study, recipe) for recipe in NAMES)
            ),
            table=pd.DataFrame(rows),
            command=COMMAND,
        )
    )


def _fitting(fits: Sequence[Fit]) -> str:
    return f"{sum(fit.fit for fit in fits)} of {sum(fit.tested for fit in fits)}"


def _first_epoch(study: Study, recipe: str) -> str:
    """The training column's first value beside the test images at the end of the same epoch."""
    before, after = (study.column(recipe, column)[0] for column in ("training_acc", "validation_acc"))
    why = ", as where answers are counted before each step" if before < after else ""
    return f"The {NAMES[recipe]}'s first value is {_percent(before)}, the test images' {_percent(after)}{why}."


def _add_plane(study: Study, result: Reproduction) -> None:
    """What the slip does: a layer of the plane's model with another layer's bias."""
    data = study.data.select(classes=CLASSES)
    trained = study.runs[NETWORK][0].trained
    table = wrong_biases(trained, data.test_images, data.test_labels)
    rows = table.to_dict("records")
    views = trained.model.views(trained.parameters)
    largest = max(float(np.abs(view).max()) for path, view in views.items() if path.endswith(".bias"))
    worst = max((row for row in rows if {row["layer"], row["bias of"]} == {1, 2}), key=lambda row: row["share of the spread"])
    result.answers.append(
        Answer(
            question="What does it do to the plane that one layer was given another layer's bias?",
            answer=(
                f"{len(rows)} of the nine exchanges run without an error, because the shapes agree or NumPy repeats the single bias "
                f"of the last layer; the others stop at once. Between the two layers of 100 units the worse one is layer {worst['layer']} "
                f"with the bias of layer {worst['bias of']}: the test images move in the plane by {100 * worst['share of the spread']:.1f} % "
                f"of the spread of all points, and {worst['other answers']:,} of 1,984 get another answer from the last layer "
                f"({_percent(worst['accuracy'])} right instead of {_percent(worst['accuracy without the slip'])}). It is this little because biases "
                f"start at 0 and have come no further than {largest:.3f}. No gradient and no figure of the training is touched; the "
                "picture is that of a network that was never trained."
            ),
            table=table,
            command=f"{COMMAND} --backends numpy",
        )
    )


def _add_frameworks(study: Study, result: Reproduction) -> None:
    """The same start and batches in every framework, one seed."""
    reference = {recipe: study.runs[recipe][0] for recipe in (NETWORK, LOGISTIC)}
    rows = [_framework_row("NumPy", reference[NETWORK], reference[NETWORK])]
    lines = {"printed": _line(study.column(NETWORK, "loss")), "NumPy": _line(reference[NETWORK].column("loss"))}
    for backend in (name for name in study.settings.backends if name != "numpy"):
        title = TITLES.get(backend, backend)
        command = f"{COMMAND} --backends {backend}"
        try:
            runs = {
                recipe: study.train(recipe, 0, f"{recipe} in {title}", backend=backend, epochs=FRAMEWORK_EPOCHS[recipe])
                for recipe in (NETWORK, LOGISTIC)
            }
        except BackendUnavailable as error:
            result.claims.append(Claim(f"The recipes in {title}", "", str(error), None, "the framework is installed", command))
            continue
        rows.append(_framework_row(title, runs[NETWORK], reference[NETWORK]))
        lines[title] = _line(runs[NETWORK].column("loss"))
        apart = {recipe: float(_apart(run, reference[recipe]).max()) for recipe, run in runs.items()}
        lengths = [len(run.history) for run in runs.values()]
        result.claims.append(
            Claim(
                what=f"The recipes in {title}: {lengths[0]} epochs of the network, {lengths[1]} of the logistic regression",
                printed="no framework used",
                found=f"losses apart from NumPy's by at most {apart[NETWORK]:.1e} and {apart[LOGISTIC]:.1e} of themselves",
                holds=max(apart.values()) <= LINEAR,
                criterion=(
                    f"from the same bits, with the same batches, the loss of every epoch within 2^-8 = {LINEAR:.4f} of NumPy's, where "
                    "trajectories count as neighbours"
                ),
                command=command,
                seeds=(0,),
                note=f"After them {_percent(runs[NETWORK].accuracy)} of all images are right in {title}.",
            )
        )
    note = "Seed 0, from the same bits, with the same batches; the frameworks' lines end earlier, and lie on NumPy's."
    result.curves.append(Curve("Loss in every framework", "epoch", "mean loss of the epoch's batches", lines, COMMAND, note))
    result.tables["The network in every framework, seed 0"] = pd.DataFrame(rows)


def _apart(run: Run, reference: Run) -> Array:
    """Relative difference of the losses, epoch by epoch."""
    losses = run.column("loss")
    difference: Array = np.abs(losses / reference.column("loss")[: len(losses)] - 1)
    return difference


def _framework_row(title: str, run: Run, reference: Run) -> dict[str, Any]:
    return {
        "backend": title,
        "epochs": len(run.history),
        "loss, first epoch": run.column("loss")[0],
        "loss, last of these epochs": run.column("loss")[-1],
        "furthest from NumPy's, relative": float(_apart(run, reference).max()),
        "test accuracy after them": run.history[-1]["test_accuracy"],
        "seconds an epoch": round(float(np.median(run.column("seconds"))), 2),
    }


def _summary(study: Study, result: Reproduction) -> str:
    """The findings in a few sentences."""
    sentences = []
    for recipe, name in NAMES.items():
        if runs := study.runs[recipe]:
            accuracy = float(np.mean([run.accuracy for run in runs]))
            sentences.append(
                f"The {name} gets {_percent(accuracy)} of all images right; told are {_percent(PRINTED_ACCURACY[recipe])}."
            )
    told = rule_of_30(PRINTED_ACCURACY[LOGISTIC], PRINTED_ACCURACY[NETWORK], sum(IMAGES.values()))
    sentences.append(f"By the rule of 30 the told difference counts: {abs(told.moved)} images moved.")
    if all(claim.holds for claim in result.claims if "running mean" in claim.what):
        sentences.append(
            'The column "Validation Acc" is the mean over all epochs so far of the accuracy on the test images, by its own digits.'
        )
    if any("initialisation" in answer.question for answer in result.answers):
        sentences.append(
            "Its loss is the mean over the batch; its initialisation cannot be named from one curve, and "
            f"{load_recipe(NETWORK).network.initializer} with biases of 0 fits."
        )
    if result.audits:
        right = all(audit.verdict == "correct" for audit in result.audits)
        sentences.append("Its derivatives are right." if right else "Not all of its derivatives are right.")
    return " ".join(sentences)


def _line(values: Array) -> tuple[list[float], list[float]]:
    """Values over epochs, which the source counts from 0."""
    return [float(epoch) for epoch in range(len(values))], [float(value) for value in values]


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"
