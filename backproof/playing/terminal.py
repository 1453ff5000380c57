"""The duel in a terminal, or through a pipe: a digit, a guess, the machine's answer with its probabilities, the score."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from comparisons.playing.duel import EARLY, Duel, Round, choices
from reports.half_blocks import half_blocks
from scratch.arrays import Array

BAR = 24
"""Characters of a bar that stands for certainty."""
SHOWN = 0.005
"""From this probability on a label has a bar of its own."""
EIGHTHS = " ▏▎▍▌▋▊▉"


def duel_in_terminal(duel: Duel, machine: str, side: int, console: Console) -> None:
    """Play until the person types q or the input ends; Ctrl-C comes through as KeyboardInterrupt, with the score shown."""
    try:
        while True:
            console.print()
            console.print(half_blocks(duel.image.reshape(side, side), console))
            guess = _guess(duel.labels, console)
            if guess is None:
                break
            _show(duel.guess(guess), duel, machine, console)
    finally:
        console.print()
        console.print(_score(duel, machine), soft_wrap=True)
        if worth := duel.worth():
            console.print(worth, style="dim", soft_wrap=True)


def _guess(labels: Sequence[int], console: Console) -> int | None:
    """What the person says it is, one of the labels; None to stop."""
    while True:
        try:
            text = console.input(f"Which digit is it, {choices(labels)}? (q stops) ").strip().lower()
        except EOFError:
            console.print()
            return None
        if not sys.stdin.isatty():  # what comes through a pipe is not echoed, nor the end of its line
            console.print(text, markup=False)
        if text in ("q", "quit"):
            return None
        if (label := {str(label): label for label in labels}.get(text)) is not None:
            return label
        what = f'"{text}" is not one of them' if text else "Nothing was typed"
        console.print(f"{what}. Type {choices(labels)}, or q to stop.", markup=False, soft_wrap=True)


def _show(done: Round, duel: Duel, machine: str, console: Console) -> None:
    console.print(Text(f"It is a {done.truth}.", style="bold"))
    for who, answer, right in (("You", done.person, done.person_right), (machine, done.machine, done.machine_right)):
        mark = Text("right", style="green") if right else Text("wrong", style="bold red")
        console.print(Text.assemble(f"{who:<{max(3, len(machine))}}  {answer}  ", mark))
    ascii_only = console.options.ascii_only
    for label, probability in zip(duel.labels, done.probabilities, strict=True):
        if probability >= SHOWN or label == done.machine:
            console.print(Text(f"  {label} {_bar(float(probability), ascii_only):<{BAR}} {100 * probability:5.1f} %"))
    if rest := _rest(duel.labels, done.probabilities, done.machine):
        console.print(Text(f"  {rest}", style="dim"))
    console.print(_score(duel, machine))
    if duel.played % EARLY == 0:
        console.print(duel.worth(), style="dim", soft_wrap=True)


def _rest(labels: Sequence[int], probabilities: Array, machine: int) -> str:
    """What is left for the labels without a bar."""
    left = [float(p) for label, p in zip(labels, probabilities, strict=True) if p < SHOWN and label != machine]
    return f"{len(left)} other{'s' if len(left) > 1 else ''} {100 * sum(left):.1f} %" if left else ""


def _bar(share: float, ascii_only: bool) -> str:
    if ascii_only:
        return "#" * round(BAR * share)
    eighths = round(8 * BAR * share)
    return ("█" * (eighths // 8) + EIGHTHS[eighths % 8]).rstrip()


def _score(duel: Duel, machine: str) -> str:
    return f"You {duel.person} : {duel.machine} {machine}, after {duel.played} digit{'s' if duel.played != 1 else ''}"
