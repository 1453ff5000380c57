"""A grey image in a terminal: two pixels to a character, in grey levels where there are colours."""

from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

from scratch.arrays import Array

BLOCKS = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}
ASCII = {" ": " ", "▀": '"', "▄": "_", "█": "#"}
INK = 0.35
"""From this brightness on a pixel is set where there are no grey levels: strokes stay joined and holes open."""
SMALLEST = 24
"""Pixels of an edge that is still easy to read; smaller images are enlarged."""


def half_blocks(image: Array, console: Console) -> Text:
    """The image (height, width) in [0, 1] as lines of text; ink is bright on a dark ground, as in MNIST's images."""
    times = max(1, -(-SMALLEST // max(image.shape)))
    pixels = image.repeat(times, axis=0).repeat(times, axis=1)
    lines = []
    for upper, lower in zip(pixels[::2], [*pixels[1::2], pixels[-1] * 0][: len(pixels[::2])], strict=True):
        line = Text()
        for top, bottom in zip(upper, lower, strict=True):
            if console.color_system:
                line.append("▀", Style(color=_grey(top), bgcolor=_grey(bottom)))
            else:
                block = BLOCKS[bool(top >= INK), bool(bottom >= INK)]
                line.append(ASCII[block] if console.options.ascii_only else block)
        lines.append(line)
    return Text("\n").join(lines)


def _grey(brightness: float) -> Color:
    level = round(255 * float(brightness))
    return Color.from_rgb(level, level, level)
