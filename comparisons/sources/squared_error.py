"""Source 002: one hidden layer, half the squared error, three programs, as printed and with the right derivatives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pandas as pd

from backends import load_backend
from comparisons.datasets import Dataset, load_dataset
from comparisons.sources.reproduction import (
    Answer,
    Claim,
    Curve,
    Reproduction,
    Settings,
    audited,
    printed,
    run_parts,
    trained,
)

PROGRAMS = ("sgd", "dropout", "batched")
COMMAND = "backproof reproduce 002"
DIGITS = 10
"""So many digits of every printed figure have to be met."""
HEADINGS = {
    "printed_error": "training error",
    "printed_correct": "training accuracy",
    "printed_test_err": "test error",
    "printed_test_acc": "test accuracy",
}
"""What the columns of the source's table are called, by the names in its file."""
SHORT = {"batched": 21}
"""Epochs of the mended programs that take too long for all: 100 gradients a batch, where the printed one has a single one."""


@dataclass(frozen=True)
class Run:
    """One program on one backend, epoch by epoch."""

    program: str
    backend: str
    mended: bool
    rows: tuple[Mapping[str, float], ...]
    """From epoch 1, with the columns of HEADINGS by what they are."""


def reproduce(settings: Settings) -> Reproduction:
    """Run the three programs again: all epochs in NumPy, the first printed row on the other backends."""
    data = load_dataset("mnist", settings.data_dir)
    result = Reproduction(
        source="002",
        title="one hidden layer, squared error, three programs",
        summary="Three programs for 784 inputs, one hidden layer and 10 linear outputs, on the first 10,000 training images in file order. As "
        "printed they are met to rounding, mistakes and all; the mistakes are found in the derivatives alone, and mended.",
        recipes=tuple(f"002-{program}" for program in PROGRAMS),
        data="MNIST: the first 10,000 training images, all 10,000 test images.",
    )
    runs: list[Run] = []
    epochs = 1 if settings.quick else 81
    others = [name for name in settings.backends if name != "numpy"]

    def train(program: str, backend: str, epochs: int, *, mended: bool) -> None:
        runs.append(_run(program, backend, epochs, data, settings, mended=mended))

    def programs(_: Reproduction) -> None:
        for program in PROGRAMS:
            train(program, "numpy", epochs, mended=False)

    def mended(_: Reproduction) -> None:
        for program in PROGRAMS:
            train(program, "numpy", min(epochs, SHORT.get(program, epochs)), mended=True)

    def on_the_others(_: Reproduction) -> None:
        for backend in others:
            for program in PROGRAMS[: 1 if settings.quick else None]:
                for right in (False, True):
                    train(program, backend, 1, mended=right)

    parts = [("derivations", _audit), ("as printed", programs), ("mended", mended), ("other backends", on_the_others)]
    run_parts(result, parts, settings.progress)
    _report(result, runs)
    return result


def _run(program: str, backend: str, epochs: int, data: Dataset, settings: Settings, *, mended: bool) -> Run:
    overrides: dict[str, Any] = {"training": {"epochs": epochs}}
    if mended:
        overrides["mistakes"] = []
    name = f"002 {program}{', mended' if mended else ''}, {backend}"
    trainer = trained(settings, f"002-{program}", name, backend=backend, overrides=overrides, data=data)
    return Run(program, backend, mended, tuple(figures(record) for record in trainer.history))


def figures(record: Mapping[str, Any]) -> dict[str, float]:
    """The source's four figures of an epoch. Its errors are whole squares, which our loss has half of: exactly half."""
    return {
        "training error": 2 * record["loss"],
        "training accuracy": record["train_accuracy"],
        "test error": 2 * record["test_loss"],
        "test accuracy": record["test_accuracy"],
    }


def _audit(result: Reproduction) -> None:
    result.audits += audited("002_sgd", "002_dropout", "002_batched")


def _found(result: Reproduction) -> None:
    """Whether what is known to be wrong in the derivatives was found by the checker alone."""
    if not result.audits:
        return
    found = {
        (checked.results[0].file or "").rsplit("/")[-1].removesuffix(".py").removeprefix("002_") + " " + one.name: one
        for checked in result.audits
        for one in checked.results[0].derivations
    }
    for name, codes, what in (
        ("sgd printed", ("missing-factor",), "relu2deriv asks x >= 0 of what the ReLU has left: its mask is missing"),
        (
            "dropout printed",
            ("missing-factor",),
            "the mask of the ReLU and the factor 2 of the dropout are missing in the backward pass",
        ),
        (
            "dropout relu_mended",
            ("scale",),
            "with the ReLU mended: the factor 2 of the forward mask is missing in the backward pass",
        ),
        ("batched first_update_relu_mended", ("scale",), "the same in a batch's first update"),
        (
            "batched all_updates",
            ("wrong-operand", "missing-term"),
            "the updates go through a matrix that has moved on since the forward pass",
        ),
        (
            "batched later_update",
            ("wrong-operand",),
            "from the second update on, the output delta is that of the weights before",
        ),
    ):
        one = found.get(name)
        said = [] if one is None else [d for d in one.diagnosis if d.code in codes and (d.line or one.first_wrong_line)]
        line = one.first_wrong_line if one else None
        file = f"comparisons/sources/derivations/002_{name.split()[0]}.py"
        result.claims.append(
            Claim(
                what=what,
                printed="known",
                found=f"{said[0].code}, line {line}" if said else "not named",
                holds=bool(said),
                criterion="`backproof check` names the cause and its line, and nothing has told it what to look for.",
                command=f"backproof check {file} --name {name.split()[1]}",
            )
        )
    for name in ("sgd mended", "dropout mended", "batched first_update_mended"):
        one = found.get(name)
        result.claims.append(
            Claim(
                what=f"{name.split()[0]}, mended: the gradients are right",
                printed="–",
                found=one.verdict if one else "not checked",
                holds=one is not None and one.verdict == "correct",
                criterion="The error falls with the precision, from float32 to float128.",
                command=f"backproof check comparisons/sources/derivations/002_{name.split()[0]}.py --name {name.split()[1]}",
            )
        )


def _report(result: Reproduction, runs: Sequence[Run]) -> None:
    """Claims, tables and curves from the runs that there are."""
    table = printed("002")
    columns: list[dict[str, Any]] = []
    for program in PROGRAMS:
        rows = table[table["program"] == program]
        run = next((run for run in runs if (run.program, run.backend, run.mended) == (program, "numpy", False)), None)
        if run is None:
            continue
        rows = rows[rows["epoch"].astype(int) <= len(run.rows)]
        readings = {column: read_column(rows, run, column) for column in HEADINGS}
        columns += [{"program": program, **reading} for reading in readings.values()]
        result.claims += _met(program, rows, run, readings, whole=len(run.rows) >= 81)
        result.tables[f"{program}: printed beside reproduced"] = _beside(rows, run, readings)
    _columns(result, columns)
    _found(result)
    _on_backends(result, table, runs)
    _curves(result, table, runs)
    _cost(result, runs)


def read_column(rows: pd.DataFrame, run: Run, column: str) -> dict[str, Any]:
    """Which of our figures a printed column is: the one that lies nearest in its worst row, whatever its heading says."""
    worst = {}
    for figure in HEADINGS.values():
        if figure.endswith("accuracy") == column.endswith(("correct", "acc")):
            worst[figure] = max(_difference(row[column], run.rows[int(row["epoch"]) - 1][figure]) for _, row in rows.iterrows())
    nearest = min(worst, key=worst.__getitem__)
    return {
        "heading": HEADINGS[column],
        "is": nearest,
        "difference": worst[nearest],
        "difference from what it is called": worst[HEADINGS[column]],
    }


def _difference(text: str, value: float) -> float:
    """Relative to what was printed."""
    return abs(value - float(text)) / abs(float(text))


def _met(program: str, rows: pd.DataFrame, run: Run, readings: Mapping[str, Mapping[str, Any]], *, whole: bool) -> list[Claim]:
    claims = []
    errors = [name for name in readings if "acc" not in name and "correct" not in name]
    worst = max(readings[name]["difference"] for name in errors)
    epochs = f"epochs {rows['epoch'].iloc[0]} to {rows['epoch'].iloc[-1]}" if len(rows) > 1 else "epoch 1"
    missing = "" if whole else " A quick run: the other printed rows are left open."
    good = worst < 0.5 * 10.0**-DIGITS
    taken = "Each printed column is compared with the figure nearest to it, whatever its heading says: " + "; ".join(
        f"{reading['heading']} with the {reading['is']}" for reading in readings.values()
    )
    claims.append(
        Claim(
            what=f"{program}: the errors, {epochs}",
            printed=f"{rows['printed_error'].iloc[-1]} in the last of {len(rows)} row{'s' if len(rows) > 1 else ''}",
            found=f"{run.rows[int(rows['epoch'].iloc[-1]) - 1][readings['printed_error']['is']]!r}; largest difference {worst:.0e}",
            holds=good if whole or not good else None,
            criterion=f"At least {DIGITS} digits of every printed row.{missing}",
            command=COMMAND,
            seeds=(1,),
            note=f"{taken}.",
        )
    )
    accuracies = [name for name in readings if name not in errors]
    off = sum(
        float(row[name]) != run.rows[int(row["epoch"]) - 1][readings[name]["is"]]
        for _, row in rows.iterrows()
        for name in accuracies
    )
    claims.append(
        Claim(
            what=f"{program}: the accuracies, {epochs}",
            printed=f"{rows['printed_correct'].iloc[-1]} and {rows['printed_test_acc'].iloc[-1]} in the last row",
            found=f"{len(rows) * len(accuracies) - off} of {len(rows) * len(accuracies)} the same",
            holds=(off == 0) if whole or off else None,
            criterion=f"Every image is classified alike: the same shares, exactly.{missing}",
            command=COMMAND,
            seeds=(1,),
            note=f"{taken}.",
        )
    )
    return claims


def _beside(rows: pd.DataFrame, run: Run, readings: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    content = []
    for _, row in rows.iterrows():
        ours = run.rows[int(row["epoch"]) - 1]
        line: dict[str, Any] = {"epoch": row["epoch"]}
        for column in HEADINGS:
            line[f"{HEADINGS[column]}, printed"] = row[column]
            line[f"{readings[column]['is']}, found"] = repr(ours[readings[column]["is"]])
        content.append(line)
    return pd.DataFrame(content)


def _columns(result: Reproduction, columns: Sequence[Mapping[str, Any]]) -> None:
    """What the printed columns really are."""
    if not columns:
        return
    wrong = [row for row in columns if row["heading"] != row["is"]]
    said = "; ".join(f"{row['program']} prints the {row['is']} as {row['heading']}" for row in wrong)
    met = sum(row["difference"] < 0.5 * 10.0**-DIGITS for row in columns)
    least = min((row["difference from what it is called"] for row in wrong), default=0.0)
    missed = f"; those under another heading miss what they are called by {100 * least:.0f} % or more" if wrong else ""
    result.answers.append(
        Answer(
            question="What are the printed columns?",
            answer=f"{said or 'What they are called'}. {met} of {len(columns)} columns are met to {DIGITS} digits by one of the four figures{missed}.",
            table=pd.DataFrame(columns).assign(
                **{key: [f"{row[key]:.1e}" for row in columns] for key in ("difference", "difference from what it is called")}
            ),
            command=COMMAND,
        )
    )


def _on_backends(result: Reproduction, table: pd.DataFrame, runs: Sequence[Run]) -> None:
    """The first printed row on every backend, as printed and mended; both in float64 from the same bits."""
    content = []
    scratch = {(run.program, run.mended): run.rows[0] for run in runs if run.backend == "numpy"}
    for run in runs:
        ours = run.rows[0]
        content.append(
            {
                "program": run.program,
                "derivatives": "mended" if run.mended else "as printed",
                "backend": load_backend(run.backend).title,
                **{name: repr(value) for name, value in ours.items()},
            }
        )
        expected = scratch.get((run.program, run.mended))
        if run.backend == "numpy" or expected is None:
            continue
        worst = max(abs(ours[name] - expected[name]) / expected[name] for name in HEADINGS.values())
        result.claims.append(
            Claim(
                what=f"{run.program} {'mended' if run.mended else 'as printed'}, epoch 1, on {load_backend(run.backend).title}",
                printed=_first(table, run.program) if not run.mended else "–",
                found=f"{worst:.0e} from NumPy",
                holds=worst < 0.5 * 10.0**-DIGITS,
                criterion=f"All four figures of the epoch as in NumPy, to {DIGITS} digits.",
                command=COMMAND,
                seeds=(1,),
            )
        )
    if content:
        content.sort(key=lambda row: (PROGRAMS.index(row["program"]), row["derivatives"]))
        result.tables["Epoch 1 on every backend"] = pd.DataFrame(content)


def _first(table: pd.DataFrame, program: str) -> str:
    return str(table[table["program"] == program]["printed_error"].iloc[0])


def _curves(result: Reproduction, table: pd.DataFrame, runs: Sequence[Run]) -> None:
    for program in PROGRAMS:
        rows = table[table["program"] == program]
        own = [run for run in runs if run.program == program and len(run.rows) > 1]
        if not own:
            continue
        shown = {"sgd": "test error", "dropout": "training error", "batched": "training error"}[program]
        accuracy = {"sgd": "printed_correct", "dropout": None, "batched": "printed_test_acc"}[program]
        for figure, column in ((shown, "printed_error"), ("test accuracy", accuracy)):
            lines: dict[str, tuple[Sequence[float], Sequence[float]]] = {}
            if column is not None:
                lines["printed"] = ([int(epoch) for epoch in rows["epoch"]], [float(value) for value in rows[column]])
            for run in own:
                name = f"{load_backend(run.backend).title}{', mended' if run.mended else ''}"
                lines[name] = (list(range(1, len(run.rows) + 1)), [row[figure] for row in run.rows])
            note = (
                f"The source's column is headed {HEADINGS[column]} and is the {figure}."
                if column
                else "The source printed no figure that is one."
            )
            result.curves.append(Curve(f"{program}: {figure}", "epoch", figure, lines, COMMAND, note))


def _cost(result: Reproduction, runs: Sequence[Run]) -> None:
    """What the mistakes did to the result."""
    content: list[dict[str, Any]] = []
    for program in PROGRAMS:
        pair = {run.mended: run.rows for run in runs if run.program == program and run.backend == "numpy"}
        if len(pair) < 2:
            continue
        last = min(len(rows) for rows in pair.values())
        for epoch in dict.fromkeys((1, min(11, last), last)):
            row: dict[str, Any] = {"program": program, "epoch": epoch}
            for figure in ("training error", "test error", "training accuracy", "test accuracy"):
                row[f"{figure}, as printed"], row[f"{figure}, mended"] = (
                    pair[right][epoch - 1][figure] for right in (False, True)
                )
            content.append(row)
    if not content:
        return
    ends = [row for row, after in pairwise([*content, {"program": ""}]) if row["program"] != after["program"]]
    said = "; ".join(
        f"{row['program']} after {row['epoch']} epoch{'s' if row['epoch'] > 1 else ''} gets {100 * row['test accuracy, mended']:.2f} % of the "
        f"test images right, and {100 * row['test accuracy, as printed']:.2f} % with its mistakes"
        for row in ends
    )
    result.answers.append(
        Answer(
            question="What did the mistakes cost?",
            answer=f"{said}. Same initial weights, same order and, in its first update, the same masks. `batched` mended takes 100 gradients of "
            "the batch's loss, each with a mask of its own, and its training figures are those before all of them.",
            table=pd.DataFrame(content),
            command=COMMAND,
        )
    )
