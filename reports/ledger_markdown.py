"""The ledger as Markdown: `docs/ledger.md`, which `make docs` writes from the entries alone."""

import re
from collections.abc import Iterable

from comparisons.ledger import Difference
from reports.ledger_text import TITLES, facts, grouped, link, paragraphs, sources

HEAD = """# The ledger of differences

Where Keras, PyTorch, JAX and the papers compute something else under the same name. Each entry says what each side computes, how large
the difference is, who follows the paper and what to write so that both agree. Its code imports only frameworks and is a test: it must print
what stands below it with the versions in [constraints.txt](../constraints.txt).

`backproof ledger NAME` shows an entry, or all about an operation, in the terminal; `--run` runs the code with the versions that you have.
This file is made from [comparisons/differences](../comparisons/differences) by `make docs`.
"""


def to_markdown(entries: Iterable[Difference]) -> str:
    """A list of all entries by kind, then each in full."""
    groups = grouped(entries)
    lines = [HEAD]
    for kind, group in groups.items():
        lines += [f"**{TITLES[kind]}**", ""]
        lines += [f"- [{entry.name}](#{entry.name}): {_text(entry.title)}" for entry in group]
        lines.append("")
    for kind, group in groups.items():
        lines += [f"## {TITLES[kind]}", ""]
        for entry in group:
            lines += _entry(entry)
    return "\n".join(lines).rstrip("\n") + "\n"


def _entry(entry: Difference) -> list[str]:
    lines = [f"### {entry.name}", "", f"**{_text(entry.title)}**", ""]
    for paragraph in paragraphs(entry.what):
        lines += [_text(paragraph), ""]
    for label, text in facts(entry):
        lines.append(f"- {label}: {_text(' '.join(paragraphs(text)))}")
    lines += [f"- {framework}: {_text(place)}" for framework, place in sources(entry)]
    if entry.choices:
        lines.append(f"- scratch: the choice `{', '.join(entry.choices)}` in scratch/optimizers.py")
    if entry.reports:
        threads = (f"[{report}]({address})" if (address := link(report)) else _text(report) for report in entry.reports)
        lines.append(f"- reports: {', '.join(threads)}")
    lines.append(f"- about: {', '.join(f'`{name}`' for name in entry.about)}")
    return [*lines, "", "```python", entry.reproducer.strip("\n"), "```", "", "```", entry.prints.strip("\n"), "```", ""]


def _text(text: str) -> str:
    """Prose in which nothing is markup but what stands in backticks."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([\\*_|<>\[\]~$#])", r"\\\1", part) for part in parts)
