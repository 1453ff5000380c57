"""What looking at a trained network found: in sentences, in the terminal, and as JSON."""

import math
import shlex
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from comparisons.activity import SATURATED
from comparisons.looking import Look, Mistake
from comparisons.rule_of_30 import TRUSTED
from reports.half_blocks import half_blocks
from reports.text import percent

NO_PLANE = (
    "The two-dimensional plane, its contours and its view in three dimensions are those of a network whose last hidden layer has two "
    "units. {widths} {has}. Train backproof's recipe 004-three-or-eight, or one of your own whose network.hidden ends with 2, to see them."
)
DEFINITIONS = (
    "The slope of a unit for an image is |f'(z)|, the derivative of its output after the activation f, in inference. "
    f"Saturated: the share of all pairs of image and unit whose slope is below {SATURATED}; for a ReLU, whose slope is 0 or 1, that is "
    "the share of zeros. Dead: the share of units whose slope is 0 for every image looked at. Linear layers are left out. "
    "The gradient's norm is that of all parameters of a layer taken together."
)


def sentence(look: Look) -> str:
    """The result in a sentence."""
    return (
        f"{look.right:,} of {look.images:,} test images right, {percent(look.accuracy)}; loss {look.loss:.4f}. "
        f"{' - '.join(map(str, look.widths))} units, {len(look.history)} epochs."
    )


def no_plane(look: Look) -> str:
    """Why there is no plane to look at."""
    hidden = look.widths[1:-1]
    has = f"has {hidden[-1]} there" if hidden else "has no hidden layer"
    return NO_PLANE.format(widths="-".join(map(str, look.widths)), has=has)


def rule_sentences(look: Look) -> list[str]:
    """The rule of 30 for every pair of accuracies that stand side by side."""
    return [_capital(moved.sentence(first, second)) for (first, second), moved in look.moved.items()]


def layer_rows(look: Look) -> list[tuple[str, ...]]:
    """Name, units, saturated, dead, gradient norm of every layer that has any of them."""
    names = sorted({*look.activities, *look.gradient_norms}, key=look.layers.index)
    rows: list[tuple[str, ...]] = []
    for name in names:
        activity, norm = look.activities.get(name), look.gradient_norms.get(name)
        cells = ("", "", "") if activity is None else (str(activity.units), percent(activity.saturated), percent(activity.dead))
        rows.append((name, *cells, "" if norm is None else f"{norm:.3g}"))
    return rows


def class_rows(look: Look) -> list[tuple[str, ...]]:
    """Label, images, right answers, their share, and what it is taken for most often."""
    rows: list[tuple[str, ...]] = []
    for place, label in enumerate(look.labels):
        counts = look.confusion[place].copy()
        right, total = int(counts[place]), int(counts.sum())
        counts[place] = 0
        worst = int(counts.argmax())
        taken = f"{look.labels[worst]} ({counts[worst]})" if counts[worst] else "–"
        rows.append((str(label), f"{total:,}", f"{right:,}", percent(right / total) if total else "–", taken))
    return rows


def digit(label: int) -> str:
    """A digit with its article."""
    return f"{'an' if label == 8 else 'a'} {label}"


def caption(mistake: Mistake) -> str:
    """The label, the machine's answer, and how sure it was."""
    return f"{digit(mistake.label)}, taken for {digit(mistake.answer)} with {100 * mistake.probability:.1f} %"


def show_look(look: Look, console: Console) -> None:
    """The sentence, the confusion matrix, the worst mistakes and the layers."""
    console.print()
    console.print(f"[bold]{escape(look.title)}[/bold]  {escape(sentence(look))}")
    console.print()
    console.print("[bold]Confusion matrix[/bold]  [dim]rows: labels, columns: answers[/dim]")
    console.print(_confusion_table(look))
    if look.mistakes:
        _show_mistakes(look, console)
    console.print("[bold]Layers[/bold]")
    console.print(DEFINITIONS, style="dim")
    table = Table(box=SIMPLE_HEAD)
    for index, title in enumerate(("layer", "units", "saturated", "dead", "gradient norm")):
        table.add_column(title, justify="right" if index else "left")
    for row in layer_rows(look):
        table.add_row(*row)
    console.print(table)
    console.print(f"Sum of weights {look.sums[0]:.4f}, of biases {look.sums[1]:.4f}.")
    for text in rule_sentences(look):
        console.print(escape(f"Rule of {TRUSTED}: {text}"))


def to_dict(look: Look, command: str) -> dict[str, Any]:
    """Everything found, as plain data for JSON; a number that is not finite becomes null."""
    plane = look.plane
    found = {
        "title": look.title,
        "command": command,
        "seed": look.recipe.training.seed,
        "data": look.source,
        "labels": list(look.labels),
        "widths": list(look.widths),
        "images": look.images,
        "right": look.right,
        "accuracy": look.accuracy,
        "loss": look.loss,
        "confusion": look.confusion.tolist(),
        "mistakes": [
            {
                "index": mistake.index,
                "label": mistake.label,
                "answer": mistake.answer,
                "probability": mistake.probability,
                "probability_of_label": mistake.of_label,
                "loss": mistake.loss,
            }
            for mistake in look.mistakes
        ],
        "saturated_below": SATURATED,
        "layers": {
            name: {"units": activity.units, "saturated": activity.saturated, "dead": activity.dead}
            for name, activity in look.activities.items()
        },
        "gradient_norms": dict(look.gradient_norms),
        "sum_of_weights": look.sums[0],
        "sum_of_biases": look.sums[1],
        "rule_of_30": [
            {
                "first": first,
                "second": second,
                "right": list(moved.right),
                "examples": moved.examples,
                "moved": moved.moved,
                "trusted": moved.trusted,
                "sentence": text,
            }
            for ((first, second), moved), text in zip(look.moved.items(), rule_sentences(look), strict=True)
        ],
        "history": list(look.history),
        "plane": None
        if plane is None
        else {
            "points": plane.points.tolist(),
            "labels": [plane.labels[place] for place in plane.classes],
            "probabilities": plane.probabilities.tolist(),
        },
        "no_plane": no_plane(look) if plane is None else None,
    }
    finite: dict[str, Any] = _finite(found)
    return finite


def command_line(model: str, data: str | None = None, data_dir: str | None = None) -> str:
    """What shows the same again."""
    words = ["backproof", "look", model]
    words += ["--data", data] if data else []
    words += ["--data-dir", data_dir] if data_dir else []
    return shlex.join(words)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _confusion_table(look: Look) -> Table:
    table = Table(box=SIMPLE_HEAD)
    table.add_column("")
    for label in look.labels:
        table.add_column(str(label), justify="right")
    table.add_column("right", justify="right", style="dim")
    for place, (label, row) in enumerate(zip(look.labels, look.confusion, strict=True)):
        cells = [_count(int(count), answer == place) for answer, count in enumerate(row)]
        share = percent(row[place] / row.sum()) if row.sum() else "–"
        table.add_row(Text(str(label), style="bold"), *cells, share)
    return table


def _count(count: int, right: bool) -> Text:
    return Text(str(count) if count else "·", style="green" if right else "red" if count else "dim")


def _show_mistakes(look: Look, console: Console) -> None:
    """As many of the worst as fit side by side."""
    pictures = [half_blocks(mistake.image, console) for mistake in look.mistakes[:4]]
    wide = max(len(line) for line in pictures[0].split()) + 2
    chosen = max(1, min(len(pictures), console.width // (wide + 2)))
    console.print("[bold]Worst mistakes[/bold]  [dim]the highest loss first[/dim]")
    table = Table(box=None, padding=(0, 1), show_header=False)
    for _ in range(chosen):
        table.add_column(width=wide)
    table.add_row(*pictures[:chosen])
    table.add_row(*(caption(mistake).replace(" with", "\nwith") for mistake in look.mistakes[:chosen]))
    console.print(table)
    console.print()


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
