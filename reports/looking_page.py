"""A look at a trained network as a page that opens offline: one HTML file beside plotly's script."""

import base64
import json
import struct
import zlib
from importlib.metadata import version
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader

from comparisons.looking import Look
from comparisons.rule_of_30 import TRUSTED
from reports.looking import (
    DEFINITIONS,
    caption,
    class_rows,
    layer_rows,
    no_plane,
    rule_sentences,
    sentence,
    to_dict,
)
from reports.looking_plots import looking_plots
from reports.plots import figure_json, script_json
from reports.text import percent
from scratch.arrays import Array


def write_page(look: Look, path: Path, command: str) -> Path:
    """Write the page to that file and plotly's script beside it; its folder is made."""
    from plotly.offline import get_plotlyjs

    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")
    path.write_text(to_html(look, command), encoding="utf-8")
    return path


def write_folder(look: Look, folder: Path, command: str) -> Path:
    """Write the page, plotly's script and results.json into a folder, which is made; returns the page's path."""
    page = write_page(look, folder / "index.html", command)
    results = json.dumps(to_dict(look, command), indent=1, allow_nan=False)
    (folder / "results.json").write_text(results + "\n", encoding="utf-8")
    return page


def to_html(look: Look, command: str) -> str:
    """The page. All text is escaped; the plots' data is JSON that cannot end its script element."""
    environment = Environment(loader=PackageLoader("reports"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"picture": picture, "caption": caption}
    plots = looking_plots(look)
    page: str = environment.get_template("looking.html.j2").render(
        look=look,
        sentence=sentence(look),
        accuracy=percent(look.accuracy),
        plots=plots,
        plot_data=script_json({plot.key: figure_json(plot) for plot in plots}),
        numbered=[(label, *row) for label, row in zip(look.labels, look.confusion.tolist(), strict=True)],
        classes=class_rows(look),
        layers=layer_rows(look),
        definitions=DEFINITIONS,
        rules=rule_sentences(look),
        trusted=TRUSTED,
        no_plane=no_plane(look) if look.plane is None else "",
        command=command,
        recipe_text=look.recipe.to_toml(),
        version=version("backproof"),
    )
    return page


def picture(image: Array) -> str:
    """The image (height, width) in [0, 1] as the address of a PNG in itself: ink is dark on white."""
    return f"data:image/png;base64,{base64.b64encode(png(1 - image)).decode()}"


def png(image: Array) -> bytes:
    """A grey image (height, width) in [0, 1] as a PNG file of 8 bits: W3C, PNG Specification (third edition), section 5."""
    height, width = image.shape
    grey = np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
    lines = np.concatenate([np.zeros((height, 1), np.uint8), grey], axis=1)  # every line starts with its filter, none
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes())), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
