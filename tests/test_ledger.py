"""The ledger: every entry's reproducer prints what the entry says; then the command, the page and the Markdown made of them."""

import ast
import contextlib
import io
import json
import re
import signal
import tomllib
import warnings
from collections import Counter
from types import SimpleNamespace
from typing import get_args

import numpy as np
import pytest
from typer.testing import CliRunner

import backproof
from backproof.cli import app
from comparisons import ledger as ledger_module
from comparisons import reproducing
from comparisons.ledger import FOLDER, Difference, Kind, LedgerError, find, ledger
from comparisons.reproducing import Outcome, Reproduced, modules, prints_the_same, reproduce, reproduce_all
from reports.ledger_markdown import to_markdown
from reports.ledger_page import to_html
from reports.ledger_text import TITLES, link, paragraphs
from scratch.optimizers import CHOICES
from tests.make_docs import PAGE
from tests.test_page import NASTY, chromium, needs_chromium

ALLOWED = {"numpy", "torch", "tensorflow", "keras", "jax", "optax"}
LINES, COLUMNS = 15, 128
NAMES = list(ledger())


@pytest.fixture(scope="session")
def frameworks(backends):
    """All that reproducers import, loaded once: what these imports warn of is not ours to mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import jax
        import keras
        import optax
        import tensorflow
        import torch
    return SimpleNamespace(jax=jax, keras=keras, optax=optax, tensorflow=tensorflow, torch=torch)


def settings(frameworks):
    """What a reproducer could change for those after it."""
    jax, keras, tf, torch = frameworks.jax, frameworks.keras, frameworks.tensorflow, frameworks.torch
    return {
        "keras floatx": keras.config.floatx(),
        "keras epsilon": keras.config.epsilon(),
        "keras policy": keras.config.dtype_policy().name,
        "keras image data format": keras.config.image_data_format(),
        "torch default dtype": torch.get_default_dtype(),
        "torch gradients": torch.is_grad_enabled(),
        "torch threads": torch.get_num_threads(),
        "jax x64": jax.config.jax_enable_x64,
        "jax NaN checks": jax.config.jax_debug_nans,
        "jax matmul precision": jax.config.jax_default_matmul_precision,
        "tensorflow eager functions": tf.config.functions_run_eagerly(),
        "numpy errors": np.geterr(),
        "numpy printing": np.get_printoptions(),
    }


def check_entry(entry, frameworks, folder):
    """The reproducer, in this process because loading TensorFlow takes seconds, prints what the entry says and leaves no trace."""
    program = folder / f"{entry.name}.py"  # a file, because `tf.function` reads the source of what it traces
    program.write_text(entry.reproducer, encoding="utf-8")
    before = settings(frameworks)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(entry.reproducer, str(program), "exec"), {"__name__": "__main__"})
    after = settings(frameworks)
    changed = {name for name in before if before[name] != after[name]}
    assert not changed, f"{entry.name} leaves behind: {changed}"
    assert prints_the_same(entry, printed.getvalue()), f"{entry.name} prints\n{printed.getvalue()}and not\n{entry.prints}"


@pytest.mark.parametrize("name", NAMES)
def test_the_reproducer_prints_what_the_entry_says(name, frameworks, tmp_path):
    check_entry(ledger()[name], frameworks, tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_is_in_order(name):
    entry = ledger()[name]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", entry.name)
    assert set(modules(entry.reproducer)) <= ALLOWED
    imported = [node for node in ast.walk(ast.parse(entry.reproducer)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert imported
    lines = entry.reproducer.strip().splitlines()
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= COLUMNS
    assert entry.prints.strip()
    assert set(entry.choices) <= set(CHOICES)
    for operation in entry.about:
        assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", operation)
    for report in entry.reports:
        assert link(report), f"{report} names no tracker that reports/ledger_text.py knows"
    for field in ("title", "what", "size", "paper", "align"):
        text = getattr(entry, field).strip()
        assert text, field
        assert text.endswith((".", ")", "`")), f"{field} ends in the middle: ...{text[-30:]}"


def test_no_name_stands_in_two_files():
    names = Counter(name for path in FOLDER.glob("*.toml") for name in tomllib.loads(path.read_text(encoding="utf-8")))
    assert [name for name, times in names.items() if times > 1] == []
    assert set(names) == set(ledger())
    kinds_and_operations = {word for entry in ledger().values() for word in (entry.kind, *entry.about)}
    assert not kinds_and_operations & set(names)  # `backproof ledger NAME` would show one entry in the place of all


def test_every_kind_has_a_title():
    assert tuple(TITLES) == get_args(Kind)


# Planted: what must fail, fails.

PLANTED = Difference(
    name="planted",
    kind="loss",
    about=("nothing",),
    title="A planted difference.",
    what="One side prints 1.\nThe other too.\n\n- an item\n- another",
    size="0.",
    sources={"torch": "torch/nothing.py, nothing", "of one's own": "nowhere"},
    paper="None.",
    align="Nothing to do.",
    reproducer="import numpy\nprint(numpy.array(1), sep='')\n",
    prints="1",
    reports=("keras#1", "elsewhere#2"),
)


def planted(**changes):
    return PLANTED.model_copy(update=changes)


def test_a_changed_print_fails(frameworks, tmp_path):
    check_entry(PLANTED, frameworks, tmp_path)
    with pytest.raises(AssertionError, match=r"planted prints\s+1\s+and not\s+2"):
        check_entry(planted(prints="2"), frameworks, tmp_path)


TRACES = {
    "keras floatx": "import keras; keras.config.set_floatx('float64')",
    "torch default dtype": "import torch; torch.set_default_dtype(torch.float64)",
    "jax x64": "import jax; jax.config.update('jax_enable_x64', True)",
    "numpy printing": "import numpy; numpy.set_printoptions(precision=3)",
}


@pytest.mark.parametrize("trace", TRACES)
def test_a_setting_left_behind_fails(trace, frameworks, tmp_path):
    with pytest.raises(AssertionError, match=f"leaves behind: .*{trace}"):
        check_entry(planted(reproducer=f"{TRACES[trace]}; print(1)"), frameworks, tmp_path)
    frameworks.keras.config.set_floatx("float32")
    frameworks.torch.set_default_dtype(frameworks.torch.float32)
    frameworks.jax.config.update("jax_enable_x64", False)
    np.set_printoptions(precision=8)


def test_an_import_of_ours_is_seen():
    found = modules("import numpy as np, os\nfrom scratch.optimizers import Adam\ndef f():\n    import torch.nn\n")
    assert found == ["numpy", "scratch", "torch"]


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(LedgerError, match=r'nothing about "adma"; did you mean .*\badam\b'):
        find("adma")
    with pytest.raises(LedgerError, match="backproof ledger lists them all"):
        find("zzzzzz")


# Running them in processes of their own.

FATES = {
    "the same, but for spaces": ({"reproducer": "print('1  ')\nprint()"}, "same", "", ""),
    "something else": ({"prints": "2"}, "differs", "1", ""),
    "an exception": ({"reproducer": "print(1)\nraise ValueError('gone')"}, "differs", "1", "ValueError: gone"),
    "a function that is gone": ({"reproducer": "from numpy import gone"}, "differs", "", "ImportError: cannot import name"),
    "no such module inside": ({"reproducer": "import numpy.gone"}, "differs", "", "ModuleNotFoundError"),
    "a crash": ({"reproducer": "import os; os._exit(3)"}, "differs", "", "it ended with exit code 3"),
    "no end": ({"reproducer": "while True: pass"}, "late", "", "did not end within"),
    "not installed": ({"reproducer": "import not_there, nor_this"}, "skipped", "", "pip install not_there nor_this"),
    "needs what is not installed": (
        {"reproducer": "raise ModuleNotFoundError(\"No module named 'tensorflow'\")"},
        "skipped",
        "",
        "No module named 'tensorflow'",
    ),
}


@pytest.mark.parametrize("fate", FATES)
def test_what_can_become_of_a_reproducer(fate):
    changes, state, printed, reason = FATES[fate]
    outcome = reproduce(planted(**changes), timeout=0.5 if state == "late" else 60)
    assert (outcome.state, outcome.printed if state != "same" else "") == (state, printed)
    assert reason in outcome.reason
    assert bool(reason) == bool(outcome.reason)


def test_a_reproducer_sees_nothing_of_the_user(tmp_path, monkeypatch):
    (tmp_path / "numpy.py").write_text("raise RuntimeError('a stranger')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setenv("JAX_ENABLE_X64", "1")
    names = "KERAS_BACKEND", "JAX_ENABLE_X64"
    code = f"import numpy, os\nprint(*(os.environ[name] for name in {names}))"
    assert reproduce(planted(reproducer=code, prints="tensorflow 0")).state == "same"
    assert [path.name for path in tmp_path.iterdir()] == ["numpy.py"]


def test_ctrl_c_keeps_what_was_done():
    def interrupt(done, total):
        if done == 1:
            signal.raise_signal(signal.SIGINT)

    result = reproduce_all([planted(name=str(number)) for number in range(20)], progress=interrupt)
    assert result.interrupted
    assert len(result.outcomes) == 1


# The command.

LEAN = {
    "planted": PLANTED,
    "planted-changed": planted(name="planted-changed", prints="2"),
    "planted-missing": planted(name="planted-missing", kind="runtime", reproducer="import not_there", about=("something",)),
}


@pytest.fixture
def lean(monkeypatch):
    """A ledger that takes no seconds to run."""
    monkeypatch.setattr(ledger_module, "ledger", lambda: LEAN)


def invoke(*arguments, width=120):
    environment = {"COLUMNS": str(width), "TERMINAL_WIDTH": str(width)}
    return CliRunner().invoke(app, ["ledger", *map(str, arguments)], env=environment)


def words(text):
    return " ".join(text.split())


@pytest.mark.parametrize("width", [40, 80, 160])
def test_the_table_names_all(width):
    done = invoke(width=width)
    assert done.exit_code == 0, done.output
    for entry in ledger().values():
        assert entry.name in done.stdout
        assert TITLES[entry.kind] in done.stdout
        if width == 160:  # the sentence begins beside the name
            assert f"{entry.name} {words(entry.title)[:60]}" in words(done.stdout)
    assert max(map(len, done.stdout.splitlines())) <= width


@pytest.mark.parametrize("kind", get_args(Kind))
def test_one_kind(kind):
    done = invoke("--kind", kind)
    names = [entry.name for entry in ledger().values() if entry.kind == kind]
    assert done.exit_code == (0 if names else 2)
    assert {line.split()[0] for line in done.stdout.splitlines() if line.startswith("   ")} >= set(names)
    assert [title for title in TITLES.values() if f"\n{title}\n" in done.stdout] == ([TITLES[kind]] if names else [])


@pytest.mark.parametrize("width", [40, 80, 160])
def test_an_entry_is_said_in_full(width):
    entry = ledger()["adam-epsilon-hat"]
    done = invoke(entry.name, width=width)
    assert done.exit_code == 0
    shown = words(done.stdout)
    if width > 40:  # in a narrower column, long words are broken
        for text in (entry.title, entry.what, "the choice epsilon_hat", "keras#17391", "torch/optim/adam.py"):
            assert words(text) in shown
    assert entry.reproducer.strip() in done.stdout  # to be copied, so never wrapped
    assert f"prints:\n  {entry.prints}" in done.stdout


def test_an_operation_and_a_kind_are_said_in_full(lean):
    assert invoke("nothing").stdout.count("to align") == 2
    assert invoke("something").stdout.count("to align") == 1
    assert invoke("loss").stdout.count("to align") == 2
    assert invoke("runtime", "--kind", "runtime").stdout.count("to align") == 1


REFUSED = {
    "unknown": (["adam-epsilon-hatt"], 'nothing about "adam-epsilon-hatt"; did you mean adam-epsilon-hat or'),
    "not of that kind": (["adam", "--kind", "layer"], 'nothing about "adam" of the kind layer; leave out --kind'),
    "no such kind": (["--kind", "optimiser"], "Invalid value for '--kind'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_gets_a_sentence(case):
    arguments, message = REFUSED[case]
    done = invoke(*arguments, width=200)
    assert done.exit_code == 2
    assert message in words(done.stderr)
    assert done.stdout == ""


def test_help_teaches():
    done = invoke("--help")
    assert done.exit_code == 0
    for part in ("Exit code 0", "backproof ledger adam", "a fresh Python process"):
        assert part in words(done.stdout)
    for kind in get_args(Kind):
        assert kind in done.stdout


def test_a_page_that_cannot_be_written_is_said(lean, tmp_path):
    done = invoke("planted", "--html", tmp_path)
    assert done.exit_code == 2
    assert "cannot be written" in done.stderr


def test_json_holds_all_fields():
    done = invoke("adam-epsilon-hat", "--json")
    (entry,) = json.loads(done.stdout)["entries"]
    assert Difference.model_validate(entry) == ledger()["adam-epsilon-hat"]


def test_a_run_says_what_differs_and_what_is_missing(lean):
    done = invoke("--run")
    assert done.exit_code == 1
    shown = words(done.stdout)
    assert "✓ planted " in shown
    assert "✗ planted-changed " in shown
    assert "– planted-missing " in shown
    assert "prints something else here the ledger says: 2 it prints: 1" in shown
    assert "skipped: not_there cannot be found: pip install not_there" in shown
    assert "1 of 2 reproducers print the same with NumPy" in shown


RUNS = {
    "the same": (["planted"], 0, "prints the same here"),
    "another": (["planted-changed"], 1, "the ledger says: 2 it prints: 1"),
    "missing": (["planted-missing"], 2, "No reproducer could be run"),
    "some missing": (["--kind", "runtime"], 2, "No reproducer could be run"),
}


@pytest.mark.parametrize("case", RUNS)
def test_exit_codes_of_a_run(case, lean):
    arguments, code, sentence = RUNS[case]
    done = invoke(*arguments, "--run")
    assert done.exit_code == code, done.output
    assert sentence in words(done.stdout)


def test_one_that_is_too_slow_is_no_difference(lean, monkeypatch):
    late = Reproduced({"planted": Outcome("planted", "late", reason="it did not end within 1 s")}, {"numpy": "2"})
    monkeypatch.setattr(reproducing, "reproduce_all", lambda *_, **__: late)
    done = invoke("planted", "--run")
    assert done.exit_code == 2
    assert "it did not end within 1 s" in done.stdout
    assert "Too late: planted." in words(done.stdout)


def test_a_run_in_json(lean):
    done = invoke("nothing", "--run", "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert [entry["run"]["state"] for entry in found["entries"]] == ["same", "differs"]
    assert set(found["versions"]) == {"numpy"}


def test_a_stopped_run_has_its_exit_code(lean, monkeypatch):
    stopped = Reproduced({"planted": Outcome("planted", "same")}, {"numpy": "2"}, interrupted=True)
    monkeypatch.setattr(reproducing, "reproduce_all", lambda *_, **__: stopped)
    done = invoke("--run")
    assert done.exit_code == 130
    assert "Stopped by Ctrl-C" in done.stdout


def test_a_real_entry_in_a_process_of_its_own():
    done = invoke("adam-epsilon-hat", "--run")
    assert done.exit_code == 0, done.output
    assert re.search(r"1 of 1 reproducers print the same with Keras \d.*, PyTorch \d.* and TensorFlow \d", words(done.stdout))


# What is made of them.


def test_the_committed_docs_are_what_the_entries_give():
    assert PAGE.read_text(encoding="utf-8") == to_markdown(ledger().values()), "run make docs"


def test_the_markdown_escapes_what_is_no_markup():
    text = to_markdown([planted(what="a_b *c* <d> `e_f*`", name="planted")])
    assert "a\\_b \\*c\\* \\<d\\> `e_f*`" in text
    assert "[keras#1](https://github.com/keras-team/keras/issues/1), elsewhere\\#2" in text
    assert "```python\nimport numpy\n" in text


def test_paragraphs():
    assert paragraphs("\none\ntwo\n\nthree\n- four\n  five\n") == ["one two", "three", "- four", "  five"]
    assert paragraphs("one\n    x = y\ntwo") == ["one", "    x = y", "two"]


def test_the_names_of_the_front_door():
    assert backproof.ledger()["adam-epsilon-hat"].choices == ("epsilon_hat",)
    assert isinstance(backproof.ledger()["adam-epsilon-hat"], backproof.Difference)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """All real entries, a nasty one, and what became of three of them."""
    nasty = planted(name="nasty", title=NASTY, what=NASTY, reproducer=f"print({NASTY!r})", prints=NASTY, about=("a" * 90,))
    entries = [*ledger().values(), nasty, LEAN["planted-changed"], LEAN["planted-missing"]]
    outcomes = {
        "nasty": Outcome("nasty", "same", NASTY),
        "planted-changed": Outcome("planted-changed", "differs", NASTY * 9, reason=NASTY),
        "planted-missing": Outcome("planted-missing", "skipped", reason="not_there cannot be found"),
    }
    path = tmp_path_factory.mktemp("ledger") / "page.html"
    path.write_text(to_html(entries, NASTY, Reproduced(outcomes, {"numpy": "2"})), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@needs_chromium
@pytest.mark.parametrize("width", [400, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_in_a_browser(width, scheme, browser, page):
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=True, color_scheme=scheme)
    tab = context.new_page()
    errors = []
    tab.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
    tab.on("requestfailed", lambda request: errors.append(request.url))
    tab.goto(page.as_uri())
    assert errors == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate("document.title").startswith("The ledger of differences: ")
    assert tab.locator("h1").count() == 1
    assert tab.locator("article").count() == len(ledger()) + 3
    assert NASTY in tab.locator("article#nasty").inner_text()
    assert tab.locator("article#nasty pre.program").inner_text() == f"print({NASTY!r})"
    program = ledger()["adam-epsilon-hat"].reproducer.strip()
    assert tab.locator("article#adam-epsilon-hat pre.program").inner_text() == program
    assert tab.locator("article#adam-epsilon-hat .program .k").count() > 0
    assert tab.locator("[role=status]").inner_text().startswith("✗ other results here")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to the differences"
    for target in tab.evaluate("[...document.querySelectorAll('a[href^=\"#\"]')].map(a => a.hash)"):
        assert tab.evaluate("hash => document.getElementById(decodeURIComponent(hash.slice(1))) !== null", target)
    # Every region that scrolls can be reached by keyboard and says what it is.
    for region in tab.locator("article pre").all():
        assert region.get_attribute("tabindex") == "0"
        assert region.get_attribute("aria-label")
    context.close()


def test_the_page_stands_alone(page):
    text = page.read_text(encoding="utf-8")
    for word in ("<script", "@import", "url(", "<img"):
        assert word not in text


def test_a_page_without_a_run_says_nothing_about_one():
    text = to_html(list(ledger().values()))
    assert 'role="status"' not in text
    assert "prints the same here" not in text
