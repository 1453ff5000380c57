"""The ledger as one page that needs nothing beside it."""

import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape
from rich.syntax import Syntax

from comparisons.ledger import Difference
from comparisons.reproducing import Reproduced
from reports.ledger_text import SYMBOLS, TITLES, count, facts, grouped, link, outcome_sentence, paragraphs, sources

CLASSES = {"same": "correct", "differs": "wrong", "late": "inconclusive", "skipped": "inconclusive"}
TOKENS = {"Keyword": "k", "Comment": "c", "Operator.Word": "k", "Literal.String": "s", "Literal.Number": "n"}
"""The classes of what stands out in the code, by the names of its tokens."""


def write_page(
    entries: Sequence[Difference], path: Path, about: str | None = None, reproduced: Reproduced | None = None
) -> Path:
    """Write the page to that file; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_html(entries, about, reproduced), encoding="utf-8")
    return path


def to_html(entries: Sequence[Difference], about: str | None = None, reproduced: Reproduced | None = None) -> str:
    """The page of these entries; `about` is what they were asked for by, and stands in the title."""
    environment = Environment(loader=PackageLoader("reports"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.globals |= {"symbols": SYMBOLS, "classes": CLASSES, "titles": TITLES}
    environment.filters |= {
        "code": _code,
        "facts": facts,
        "highlighted": _highlighted,
        "link": link,
        "outcome": outcome_sentence,
        "paragraphs": paragraphs,
        "sources": sources,
    }
    page: str = environment.get_template("ledger.html.j2").render(
        groups=grouped(entries),
        number=len(entries),
        about=about,
        reproduced=reproduced,
        verdict=_verdict(reproduced),
        sentence=count(reproduced) if reproduced else "",
        version=version("backproof"),
    )
    return page


def _verdict(reproduced: Reproduced | None) -> str:
    """The worst of the outcomes, as the exit code has it."""
    if reproduced is None:
        return ""
    if reproduced.names("differs"):
        return "differs"
    return "late" if reproduced.names("late") or not reproduced.names("same") else "same"


def _code(text: str) -> Markup:
    """Prose, in which what stands in backticks is code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _highlighted(program: str) -> Markup:
    """Python with a class on what stands out; rich brings the lexer."""
    lexer = Syntax(program, "python").lexer
    pieces = []
    for token, text in lexer.get_tokens(program.strip("\n")) if lexer else [("Token.Text", program)]:
        name = str(token).removeprefix("Token.")
        style = next((style for kind, style in TOKENS.items() if name == kind or name.startswith(f"{kind}.")), None)
        pieces.append(f'<span class="{style}">{escape(text)}</span>' if style else str(escape(text)))
    return Markup("".join(pieces).strip("\n"))
