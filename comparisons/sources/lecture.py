"""Source 003, lecture notes: its worked figures, its runs of softmax regression over seeds, and what it teaches, measured."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from backends import load_backend
from comparisons.datasets import Dataset, load_dataset
from comparisons.ladder import judge
from comparisons.looking import row_losses
from comparisons.sources.lecture_facts import facts, worked_figures
from comparisons.sources.reproduction import Answer, Claim, Curve, Reproduction, Settings, audited, printed, run_parts, trained
from comparisons.trainer import Trainer

COMMAND = "backproof reproduce 003"
REGRESSION, THREE = "003-softmax-regression", "003-three-digits"
SEEDS = 10
DEVIATIONS = 2.0
"""So many standard deviations of a single run a printed figure may lie from the mean over seeds."""
LAST_COST = 0.1
"""The printed cost after 100 epochs at rate 0.001."""
RUNS: dict[str, dict[str, Any]] = {
    "10_epochs_lr_0.001": {"rate": 0.001, "epochs": 10, "test": 0.38},
    "80_epochs_lr_0.001": {"rate": 0.001, "epochs": 80, "test": 0.869},
    "100_epochs_lr_0.001": {"rate": 0.001, "epochs": 100, "test": 0.869},
    "100_epochs_lr_0.1": {"rate": 0.1, "epochs": 100, "test": None},
}
"""The source's runs, with the test accuracy that it tells."""
STARTS: dict[str, dict[str, Any]] = {
    "N(0, 1), /255": {},
    "truncated normal, /255": {"network": {"initializer": {"name": "truncated_normal", "standard_deviation": 1.0}}},
    "N(0, 1), (x - 128) / 128": {"data": {"scaling": "(x-128)/128"}},
    "N(0, 0.1^2), /255": {"network": {"initializer": {"name": "normal", "standard_deviation": 0.1}}},
}
"""What the notes leave open about a run's beginning."""
OTHERS: dict[str, dict[str, Any]] = {
    "rate 0.01": {"optimizer": {"learning_rate": 0.01}},
    "N(0, 0.1^2)": {"network": {"initializer": {"name": "normal", "standard_deviation": 0.1}}},
    "5,000 images, N(0, 0.1^2), rate 0.01": {
        "data": {"train": 5000},
        "network": {"initializer": {"name": "normal", "standard_deviation": 0.1}},
        "optimizer": {"learning_rate": 0.01},
    },
    "1,000 images, N(0, 0.1^2), rate 0.1": {
        "data": {"train": 1000},
        "network": {"initializer": {"name": "normal", "standard_deviation": 0.1}},
        "optimizer": {"learning_rate": 0.1},
    },
    "1,000 images, N(0, 1), rate 0.1": {"data": {"train": 1000}, "optimizer": {"learning_rate": 0.1}},
}
"""Other settings in which 100 epochs might have been printed."""
History = Sequence[Mapping[str, Any]]


def reproduce(settings: Settings) -> Reproduction:
    """The worked figures, the runs over seeds, one epoch's worth of every backend, and the lecture's rules measured."""
    data = load_dataset("mnist", settings.data_dir)
    result = Reproduction(
        source="003",
        title="lecture notes, multinomial logistic regression",
        summary="Worked examples with figures, and runs of x W + b with softmax, mean cross-entropy and plain gradient descent on 55,000 "
        "images, 5,000 for validation and 10,000 for testing. The starts are random and not printed, so a run is matched in the mean over seeds.",
        recipes=(REGRESSION, THREE),
        data="MNIST: the first 55,000 training images, the 5,000 after them for validation, all 10,000 test images.",
    )
    seeds = tuple(range(1 if settings.quick else settings.seeds or SEEDS))
    short: dict[str, list[History]] = {}
    long: dict[float, list[History]] = {}

    def ten_epochs(_: Reproduction) -> None:
        for start in list(STARTS)[: 1 if settings.quick else None]:
            short[start] = [_history(settings, data, start, STARTS[start] | {"training": {"seed": seed}}) for seed in seeds]

    def hundred_epochs(_: Reproduction) -> None:
        for rate in (0.001, 0.1):
            long[rate] = []
            for seed in seeds:
                overrides = {"optimizer": {"learning_rate": rate}, "training": {"seed": seed, "epochs": 100}}
                long[rate].append(_history(settings, data, f"rate {rate}", overrides))

    def candidates(result: Reproduction) -> None:
        found = {
            name: _history(settings, data, name, {**overrides, "training": {"epochs": 100}})
            for name, overrides in OTHERS.items()
        }
        _explain_long(result, long, found)

    parts = [
        ("worked figures", worked_figures),
        ("derivations", lambda result: result.audits.extend(audited("003_softmax_regression"))),
        ("three digits", lambda result: _three_digits(result, settings, data)),
        ("10 epochs", ten_epochs),
        ("every backend", lambda result: _backends(result, settings, data)),
        ("what it teaches", lambda result: facts(result, settings, data)),
    ]
    if not settings.quick:
        parts += [("100 epochs", hundred_epochs), ("other settings", candidates)]
    run_parts(result, parts, settings.progress)
    _compare(result, short.get("N(0, 1), /255", []), long, seeds)
    _explain_short(result, short)
    return result


def _history(settings: Settings, data: Dataset, name: str, overrides: dict[str, Any], backend: str = "numpy") -> History:
    seed = overrides.get("training", {}).get("seed", 0)
    epochs = overrides.get("training", {}).get("epochs", 10)
    kept = f"003 {epochs} epochs, {name}, seed {seed}, {backend}".replace("/", "over").replace(",", ", ").replace("  ", " ")
    return trained(settings, REGRESSION, kept, backend=backend, overrides=overrides, data=data, measure=_last_batch).history


def _last_batch(trainer: Trainer) -> dict[str, float]:
    """The cost of the epoch's last batch after its step: what the source prints as its cost."""
    rows = trainer.data.train_images.shape[0]
    size = trainer.recipe.rows_per_batch(rows)
    last = slice((rows - 1) // size * size, rows)
    output = trainer.twin.predict(trainer.data.train_images[last].astype(trainer.dtype))
    return {"last_batch_loss": float(row_losses(trainer.trained(), output, trainer.data.train_labels[last]).mean())}


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation; no spread where there is one value only."""
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def deviations(text: str, values: Sequence[float]) -> float:
    """How far a figure lies from the mean of n others like it, in standard deviations of a single run: sd sqrt(1 + 1/n)."""
    mean, deviation = spread(values)
    distance = abs(float(text) - mean)
    return distance / (deviation * (1 + 1 / len(values)) ** 0.5) if deviation else float("inf")


def _compare(
    result: Reproduction, short: Sequence[History], long: Mapping[float, Sequence[History]], seeds: tuple[int, ...]
) -> None:
    """The printed runs against the mean over seeds: a claim for the cost, one for each accuracy; a table and curves."""
    table = printed("003")
    columns = {"cost": "last_batch_loss", "valid_accuracy": "validation_accuracy"}
    rows = []
    for run, what in RUNS.items():
        histories = short if what["epochs"] == 10 else long.get(what["rate"] or 0.0, [])
        if not histories:
            continue
        own = table[table["run"] == run]
        worst = dict.fromkeys(columns, 0.0)
        for _, row in own.iterrows():
            at = min(int(row["epoch"]), what["epochs"] - 1)
            line: dict[str, Any] = {"run": run.replace("_", " ").replace("lr", "rate"), "epoch": row["epoch"]}
            for column, key in columns.items():
                values = [history[at][key] for history in histories]
                mean, deviation = spread(values)
                name = column.replace("valid_", "validation ")
                line |= {f"{name}, printed": row[column], f"{name}, found": f"{mean:.3f} ± {deviation:.3f}"}
                worst[column] = max(worst[column], deviations(row[column], values))
            rows.append(line)
        result.claims += [
            _claim(
                run,
                column,
                str(own[column].iloc[-1]),
                [history[what["epochs"] - 1][key] for history in histories],
                worst[column],
                seeds,
            )
            for column, key in columns.items()
        ]
        if what["test"] is not None:
            tested = [history[what["epochs"] - 1]["test_accuracy"] for history in histories]
            result.claims.append(
                _claim(run, "test accuracy", str(what["test"]), tested, deviations(str(what["test"]), tested), seeds)
            )
        for column, key in columns.items():
            result.curves.append(
                _curve(run, column, own, [[record[key] for record in history] for history in histories], what["epochs"])
            )
    if rows:
        result.tables[f"Printed epochs beside the mean over {len(seeds)} seeds, from 0"] = pd.DataFrame(rows)


def _claim(run: str, column: str, text: str, values: Sequence[float], worst: float, seeds: tuple[int, ...]) -> Claim:
    mean, deviation = spread(values)
    judged = len(values) > 1
    # sd sqrt(1 + 1/n) is sqrt(n + 1) times sd / sqrt(n).
    errors = worst * (len(values) + 1) ** 0.5
    by_errors = "" if not judged else "met" if errors <= DEVIATIONS else "not met"
    return Claim(
        what=f"{run.replace('_', ' ').replace('lr', 'rate')}: {column.replace('valid_', 'validation ')}",
        printed=f"{text} at its end",
        found=f"{mean:.3f} ± {deviation:.3f}; at most {worst:.1f} standard deviations of a single run off, {errors:.1f} standard errors of the mean"
        if judged
        else f"{mean:.3f} with one seed",
        holds=worst <= DEVIATIONS if judged else None,
        criterion=f"{'The figure' if column == 'test accuracy' else 'Every printed epoch'} within {DEVIATIONS:g} standard deviations of a single run, "
        "sd sqrt(1 + 1/n), of the mean over seeds, since one run was printed."
        + (
            f" Within {DEVIATIONS:g} standard errors of that mean, sd / sqrt(n), which another run of ours need not be either: {by_errors}."
            if by_errors
            else ""
        ),
        command=COMMAND,
        seeds=seeds,
        note="The cost is that of the epoch's last batch, of 88 images, after its step." if column == "cost" else "",
    )


def _curve(run: str, column: str, own: pd.DataFrame, values: Sequence[Sequence[float]], epochs: int) -> Curve:
    means, deviations = zip(*(spread(at) for at in list(zip(*values, strict=True))[:epochs]), strict=True)
    x = list(range(epochs))
    lines: dict[str, tuple[Sequence[float], Sequence[float]]] = {
        "printed": ([int(epoch) for epoch in own["epoch"]], [float(value) for value in own[column]]),
        f"NumPy, mean over {len(values)} seeds": (x, list(means)),
    }
    if len(values) > 1:
        for sign, name in ((1, "one standard deviation more"), (-1, "one less")):
            lines[name] = (x, [mean + sign * deviation for mean, deviation in zip(means, deviations, strict=True)])
    title = f"{run.replace('_', ' ').replace('lr', 'rate')}: {column.replace('valid_', 'validation ')}"
    return Curve(title, "epoch, from 0 as printed", column.replace("valid_", "validation "), lines, COMMAND)


def _explain_short(result: Reproduction, short: Mapping[str, Sequence[History]]) -> None:
    """Which start fits the run of 10 epochs."""
    if not short or len(next(iter(short.values()))) < 2:
        return
    own = printed("003")
    own = own[own["run"] == "10_epochs_lr_0.001"]
    rows: list[dict[str, Any]] = []
    for start, histories in short.items():
        row: dict[str, Any] = {"start and scaling": start}
        for place, name in ((0, "first"), (9, "last")):
            for column, key, title in (
                ("cost", "last_batch_loss", "cost"),
                ("valid_accuracy", "validation_accuracy", "accuracy"),
            ):
                values = [history[place][key] for history in histories]
                mean, deviation = spread(values)
                row[f"{title}, {name} epoch"] = f"{mean:.3f} ± {deviation:.3f}"
                row[f"{title}, {name}: deviations off"] = round(deviations(own[column].iloc[place], values), 1)
        values = [history[9]["test_accuracy"] for history in histories]
        row["test accuracy"] = "{:.3f} ± {:.3f}".format(*spread(values))
        rows.append(row)
    best = min(rows, key=lambda row: max(value for key, value in row.items() if key.endswith("deviations off")))
    name, histories = next(iter(short.items()))
    accuracies = [[history[place]["validation_accuracy"] for history in histories] for place in (0, 9)]
    above = [
        float(own["valid_accuracy"].iloc[place]) - spread(values)[0] for place, values in zip((0, 9), accuracies, strict=True)
    ]
    costs = [
        deviations(text, [history[place]["last_batch_loss"] for history in histories]) for place, text in enumerate(own["cost"])
    ]
    near = sum(cost <= DEVIATIONS for cost in costs)
    alike = near == len(costs) and above[0] > 0 and abs(above[1] - above[0]) <= spread(accuracies[1])[1]
    result.answers.append(
        Answer(
            question="Which start did the run of 10 epochs have?",
            answer="Printed were a cost of 11.0 and an accuracy of 0.204 after the first epoch, 6.73 and 0.36 after the last, 0.38 on the test images. "
            f"Of the starts and scalings that the notes name, {best['start and scaling']} comes nearest. With {name} the cost is within {DEVIATIONS:g} standard deviations of a single run "
            f"in {near} of {len(costs)} epochs; the printed accuracy less its mean is {above[0]:+.3f} in the first epoch and {above[1]:+.3f} in the last"
            f"{', so that the run learned as ours do from a start with luckier guesses' if alike else '; whether the run learned as ours do is not decided'}.",
            table=pd.DataFrame(rows),
            command=COMMAND,
        )
    )


def _explain_long(result: Reproduction, long: Mapping[float, Sequence[History]], others: Mapping[str, History]) -> None:
    """What differs in the runs of 80 and 100 epochs."""
    rows = []
    shown = {f"as described, rate {rate}, seed 0": histories[0] for rate, histories in long.items() if histories} | dict(others)
    for name, history in shown.items():
        row: dict[str, Any] = {"setting": name}
        for epoch in (66, 80, 100):
            row[f"cost, epoch {epoch}"] = history[epoch - 1]["last_batch_loss"]
            row[f"validation accuracy, epoch {epoch}"] = history[epoch - 1]["validation_accuracy"]
        row["test accuracy"] = history[-1]["test_accuracy"]
        rows.append(row)
    # Other settings than the notes' number of images have it in their name.
    whole = [row for row in rows if "images" not in row["setting"]]
    reached = sum(row["cost, epoch 100"] <= LAST_COST for row in whole)
    rising = sum(row["validation accuracy, epoch 100"] > row["validation accuracy, epoch 66"] for row in whole)
    nearest = min(rows, key=lambda row: abs(math.log(row["cost, epoch 100"] / LAST_COST)))
    result.answers.append(
        Answer(
            question="What differs in the runs of 80 and 100 epochs?",
            answer=f"{_described(long)}Printed is a cost that falls from 0.122 to 0.1 while the accuracy stands still at 0.869, and at rate 0.1 one of 0.2 at 0.756. "
            f"Of {len(whole)} settings with the 55,000 images of the notes {reached} reach a cost of {LAST_COST:g} (the lowest is "
            f"{min(row['cost, epoch 100'] for row in whole):.3f}), and in {rising} the accuracy still rises between epochs 66 and 100. Of all settings "
            f"here, {nearest['setting']} comes nearest to the cost, with {nearest['cost, epoch 100']:.3f} and an accuracy of "
            f"{nearest['validation accuracy, epoch 100']:.3f}, {nearest['validation accuracy, epoch 66']:.3f} in epoch 66. "
            + (
                "So these runs may have been made with fewer images than the notes say, or their cost may be another one; the printed figures "
                "do not say which."
                if not reached and nearest not in whole
                else "What differs is not decided."
            ),
            table=pd.DataFrame(rows),
            command=COMMAND,
        )
    )


def _described(long: Mapping[float, Sequence[History]]) -> str:
    """The ends of the runs as the notes describe them."""
    said = []
    moving = True
    for rate, histories in long.items():
        if histories:
            moving = moving and _moving(histories)
            cost, accuracy = (
                spread([history[-1][key] for history in histories]) for key in ("last_batch_loss", "validation_accuracy")
            )
            said.append(
                f"at rate {rate:g} the cost is {cost[0]:.2f} ± {cost[1]:.2f} and the validation accuracy {accuracy[0]:.3f} ± {accuracy[1]:.3f}"
            )
    return (
        f"As described, after 100 epochs {', and '.join(said)}{', both still on their way' if moving else ''}. " if said else ""
    )


def _moving(histories: Sequence[History]) -> bool:
    """Whether in the mean over seeds the cost still falls and the accuracy still rises in the last ten epochs."""
    before, last = (
        {key: spread([history[place][key] for history in histories])[0] for key in ("last_batch_loss", "validation_accuracy")}
        for place in (-11, -1)
    )
    return last["last_batch_loss"] < before["last_batch_loss"] and last["validation_accuracy"] > before["validation_accuracy"]


def _three_digits(result: Reproduction, settings: Settings, data: Dataset) -> None:
    """One full-batch step on the digits 0, 1 and 2, on every backend from the same bits."""
    rows = []
    for backend in settings.backends:
        trainer = trained(settings, THREE, f"003 three digits, {backend}", backend=backend, data=data)
        record = trainer.history[0]
        rows.append(
            {
                "backend": load_backend(backend).title,
                "images": len(trainer.data.train_labels),
                "loss before the step": record["loss"],
                "test loss after it": record["test_loss"],
                "test accuracy after it": record["test_accuracy"],
            }
        )
    result.tables["Digits 0, 1 and 2: one step on all images at rate 0.08"] = pd.DataFrame(rows)


def _backends(result: Reproduction, settings: Settings, data: Dataset) -> None:
    """The run of 10 epochs, seed 0, on every backend from the same bits, in float32 and float64: do they differ by rounding only?"""
    rows = []
    costs: dict[str, dict[str, float]] = {}
    for backend in dict.fromkeys(("numpy", *settings.backends)):
        title = load_backend(backend).title
        costs[title] = {}
        for dtype in ("float32", "float64"):
            overrides = {"training": {"seed": 0, "dtype": dtype}}
            last = _history(settings, data, f"N(0, 1), /255, {dtype}", overrides, backend)[-1]
            costs[title][dtype] = last["loss"]
            figures = {"loss": "mean loss", "validation_accuracy": "validation accuracy", "test_accuracy": "test accuracy"}
            rows.append({"backend": title, "precision": dtype} | {name: repr(last[key]) for key, name in figures.items()})
    scratch = costs.pop("NumPy")
    for title, found in costs.items():
        ladder = judge({dtype: abs(cost - scratch[dtype]) / scratch[dtype] for dtype, cost in found.items()})
        result.claims.append(
            Claim(
                what=f"10 epochs on {title} against NumPy",
                printed="–",
                found=f"{ladder.verdict}: " + ", ".join(f"{error:.0e} in {dtype}" for dtype, error in ladder.errors.items()),
                holds=ladder.verdict in ("exact", "rounding"),
                criterion="The difference of the last epoch's mean loss, after 4,300 steps from the same bits, falls with the precision.",
                command=COMMAND,
                seeds=(0,),
            )
        )
    result.tables["10 epochs at rate 0.001 on every backend, seed 0, from the same bits"] = pd.DataFrame(rows)
