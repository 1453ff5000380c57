"""The page of `backproof play --web`: its three files, made of the templates. What happens on it comes over a websocket."""

import json
from collections.abc import Sequence
from importlib.resources import files

from jinja2 import Environment, PackageLoader

TEMPLATES = files("reports") / "templates"


def to_html(title: str, labels: Sequence[int], choices: str, side: int, canvas: int) -> str:
    """The page for a model of that title, with its labels, as numbers and in words; an image has `side` pixels an edge."""
    environment = Environment(loader=PackageLoader("reports"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    page: str = environment.get_template("play.html.j2").render(
        title=title, labels=labels, labels_json=json.dumps(list(labels)), choices=choices, side=side, canvas=canvas
    )
    return page


def stylesheet() -> str:
    """The styles that all pages share, and those of this one."""
    return "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.css", "check.css", "play.css"))


def script() -> str:
    """What the browser runs."""
    return (TEMPLATES / "play.js").read_text(encoding="utf-8")
