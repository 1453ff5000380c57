"""Checked derivations as one page that needs nothing beside it, and as a piece of HTML for notebooks."""

import re
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape

from comparisons.derivations.files import Checked
from comparisons.derivations.results import CheckResult, DerivationResult
from reports.derivations_plot import ladder_plot
from reports.derivations_text import RUNGS, SYMBOLS, count, error_text, findings, headline, kink_table, slope_text, where


def write_page(checked: Checked, path: Path) -> Path:
    """Write the page to that file; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_html(checked), encoding="utf-8")
    return path


def to_html(checked: Checked) -> str:
    """The page. All text of the user's is escaped; there is no script in it."""
    results = checked.results
    one = results[0].derivations[0] if len(results) == 1 and len(results[0].derivations) == 1 else None
    page: str = (
        environment()
        .get_template("check.html.j2")
        .render(
            checked=checked,
            alone=one is not None,
            title=where(results[0].file, None) if len(results) == 1 else f"{len(results)} files",
            sentence=_sentence(headline(one)) if one is not None else count(checked),
            version=version("backproof"),
        )
    )
    return page


def fragment(result: CheckResult) -> str:
    """The result for a notebook: without plots, with its own style."""
    return (
        environment()
        .from_string(
            '{% from "check_parts.html.j2" import derivation with context %}<style>{% include "check.css" %}</style>'
            '<div class="backproof">{% for found in result.derivations %}{{ derivation(found, result.file, none) }}{% endfor %}'
            '{% if result.failure %}<p class="failure">{{ result.failure | code }}</p>{% endif %}</div>'
        )
        .render(result=result)
    )


def environment() -> Environment:
    """Where templates are found that show derivations, with all that `check_parts.html.j2` needs."""
    made = Environment(loader=PackageLoader("reports"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    made.globals |= {"symbols": SYMBOLS, "rungs": RUNGS, "findings": findings}
    made.filters |= {
        "code": _code,
        "error": error_text,
        "slope": slope_text,
        "headline": lambda found: _sentence(headline(found)),
        "kinks": kink_table,
        "ladder": lambda inputs: ladder_plot(inputs) if inputs else None,
        "place": _place,
        "short": lambda file: where(file, None),
    }
    return made


def _place(found: DerivationResult, file: str | None) -> str:
    line = found.first_wrong_line or found.line
    return where(file, line) if file else f"line {line}" if line else ""


def _code(text: str) -> Markup:
    """A sentence, in which what stands in backticks is code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
