"""Reproductions: what a report holds, how the command keeps what is done, and the page in a browser."""

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

import comparisons.sources
import reports.reproduction
from backproof.cli import app
from comparisons import datasets
from comparisons.derivations.files import check_files
from comparisons.sources.reproduction import (
    DERIVATIONS,
    Answer,
    Claim,
    Curve,
    Picture,
    Reproduction,
    Settings,
    printed,
    run_parts,
    trained,
)
from reports.reproduction import read_results, to_dict, write_overview, write_report
from reports.reproduction_text import escape, holds, listed_seeds, sentence
from tests.test_page import NASTY, chromium, needs_chromium

RUNNER = CliRunner()
CIRCUMSTANCES = {"backends": ["numpy"], "quick": True, "seeds": None}


class Digits:
    """What the command asks of the data."""

    content = 1

    @property
    def checksum(self):
        return self.content


DIGITS = Digits()


def claim(holds, what="accuracy"):
    return Claim(what, "0.9", "0.91 ± 0.01", holds, "Within `two` standard errors.", "backproof reproduce 009", (0, 1, 2))


def made(*states, **changes):
    result = Reproduction("009", f"a title {NASTY}", f"A summary {NASTY}", ("default",), [claim(state) for state in states])
    for name, value in changes.items():
        setattr(result, name, value)
    return result


@pytest.fixture(scope="module")
def whole():
    """A reproduction with something of everything."""
    return made(
        True,
        False,
        None,
        curves=[
            Curve(
                "error",
                "epoch",
                "error",
                {"printed": ([1, 2], [3.0, 2.0]), "NumPy": ([1, 2], [3.0, float("nan")])},
                "command",
                NASTY,
            )
        ],
        tables={f"a table {NASTY}": pd.DataFrame({"a": [1, float("nan")], NASTY: ["x" * 80, NASTY]})},
        answers=[Answer(f"why {NASTY}?", "Because of `this`.", pd.DataFrame({"n": [1.0, 2.5]}), "command")],
        audits=[check_files([DERIVATIONS / "002_sgd.py"])],
        pictures=[
            Picture("points", {"data": [{"type": "scatter", "x": [1], "y": [2]}], "layout": {}}, "command", "One point.")
        ],
    )


def test_everything_found_is_in_the_folder(whole, tmp_path):
    results = write_report(whole, tmp_path, CIRCUMSTANCES)
    write_overview(tmp_path, [results])
    assert results == json.loads((tmp_path / "009" / "results.json").read_text()) == read_results(tmp_path, "009")
    assert [one["holds"] for one in results["claims"]] == [True, False, None]
    assert results["curves"][0]["lines"]["NumPy"] == [[1, 2], [3.0, None]]
    assert results["audits"][0]["file"] == "comparisons/sources/derivations/002_sgd.py"
    assert {"python", "numpy"} <= set(results["versions"])
    page, summary = ((tmp_path / "009" / name).read_text() for name in ("index.html", "summary.md"))
    for text in (page, summary, (tmp_path / "index.html").read_text()):
        assert "</script><script>" not in text
        assert "1 of 3 figures are reached, 1 is not, 1 is left open" in text
    assert "missing-factor" in page
    assert "missing-factor" in summary
    assert "backproof reproduce 009" in summary
    assert not list(tmp_path.rglob("*.new"))


@pytest.mark.parametrize(
    ("states", "interrupted", "expected"),
    [
        ((True, True), False, True),
        ((True, None), False, True),
        ((True, False), True, False),
        ((None,), False, None),
        ((True,), True, None),
    ],
)
def test_whether_a_source_holds(states, interrupted, expected):
    results = to_dict(made(*states, interrupted=interrupted), CIRCUMSTANCES)
    assert holds(results) is expected
    assert ("Stopped" in sentence(results)) is interrupted


@pytest.mark.parametrize(
    ("seeds", "text"), [((0, 1, 2, 3), "seeds 0 to 3"), ((1,), "seed 1"), ((0, 2), "seeds 0, 2"), ((0, 1), "seeds 0, 1")]
)
def test_seeds_in_words(seeds, text):
    assert listed_seeds(seeds) == text


def test_markdown_keeps_code_and_escapes_the_rest():
    assert escape("a_b `c_d|e` <f>") == r"a\_b `c_d\|e` \<f\>"


def test_parts_that_were_done_are_kept_when_it_is_stopped():
    def stop(result):
        raise KeyboardInterrupt

    told = []
    parts = [("first", lambda result: result.claims.append(claim(True))), ("second", stop), ("third", stop)]
    result = run_parts(made(), parts, lambda *what: told.append(what))
    assert (len(result.claims), result.interrupted) == (1, True)
    assert told == [("009: first", 0, 3), ("009: first", 3, 3), ("009: second", 1, 3)]


def test_a_run_is_kept_and_goes_on(tmp_path):
    """What was stopped after an epoch ends with the same bits; what is done is not trained again."""
    small = {"data": {"name": "digits"}, "training": {"epochs": 3}}
    told = []
    settings = Settings(keep=tmp_path, progress=lambda *what: told.append(what[1:]))
    whole = trained(Settings(), "default", "a run, of mine", overrides=small)

    def stop(trainer):
        if trainer.epoch == 3:
            raise KeyboardInterrupt
        trainer.save(tmp_path / "a-run-of-mine.safetensors")
        return {"extra": trainer.epoch}

    with pytest.raises(KeyboardInterrupt):
        trained(settings, "default", "a run, of mine", overrides=small, measure=stop)
    told.clear()
    again = trained(settings, "default", "a run, of mine", overrides=small)
    assert told == [(2, 3), (3, 3)]
    assert (again.twin.parameters() == whole.twin.parameters()).all()
    told.clear()
    trained(settings, "default", "a run, of mine", overrides=small)
    assert told == [(3, 3)]
    told.clear()
    trained(settings, "default", "a run, of mine", overrides={**small, "optimizer": {"learning_rate": 0.01}})
    assert told[0] == (0, 3)  # another recipe's run is no beginning of this one


@pytest.mark.parametrize("source", ["002", "003", "004"])
def test_printed_tables_have_all_their_digits(source):
    table = printed(source)
    assert len(table) > 20
    assert all(isinstance(value, str) for value in table.iloc[0])


@pytest.fixture
def sources(monkeypatch):
    """Two sources, 008 and 009, which note how often they were run; and digits that need no folder."""
    runs = []

    def source(name, *states, **changes):
        def reproduce(settings):
            runs.append((name, settings))
            result = made(*states, **changes)
            result.source = name
            return result

        return reproduce

    monkeypatch.setattr(comparisons.sources, "SOURCES", {"008": source("008", True), "009": source("009", True, None)})
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: DIGITS)
    return source, runs


def invoke(*arguments):
    return RUNNER.invoke(app, ["reproduce", *map(str, arguments), "--backends", "numpy"])


def test_all_goes_on_where_it_stopped(sources, tmp_path):
    _, runs = sources
    assert invoke("009", "--out", tmp_path).exit_code == 0
    assert invoke("--out", tmp_path).exit_code == 0
    assert [name for name, _ in runs] == ["009", "008"]
    assert invoke("--out", tmp_path, "--quick").exit_code == 0  # another kind of run
    assert [name for name, _ in runs[2:]] == ["008", "009"]
    assert invoke("all", "--out", tmp_path, "--quick", "--again").exit_code == 0
    assert invoke("008", "--out", tmp_path, "--quick").exit_code == 0  # asked for by name: run, whatever is there
    assert [name for name, _ in runs[4:]] == ["008", "009", "008"]
    assert "009" in (tmp_path / "index.html").read_text()
    assert (tmp_path / "plotly.min.js").exists()


@pytest.mark.parametrize("what", ["version", "digits"])
def test_other_versions_and_other_digits_are_run_anew(what, sources, monkeypatch, tmp_path):
    """Neither the finished source nor its kept runs are taken for those of this run."""
    _, runs = sources
    assert invoke("--out", tmp_path).exit_code == 0
    assert invoke("--out", tmp_path).exit_code == 0
    assert len(runs) == 2
    if what == "version":
        monkeypatch.setattr(reports.reproduction, "_version", lambda name: "0.0.0")
    else:
        monkeypatch.setattr(DIGITS, "content", 2)
    assert invoke("--out", tmp_path).exit_code == 0
    assert [name for name, _ in runs] == ["008", "009", "008", "009"]
    assert runs[0][1].keep != runs[2][1].keep
    assert "provenance" in read_results(tmp_path, "008")["circumstances"]


def test_without_a_folder_it_asks_for_one(monkeypatch, tmp_path):
    def none(*_):
        raise datasets.DataError("no folder for mnist is given. Use --data mnist-5k.")

    monkeypatch.setattr(datasets, "load_dataset", none)
    monkeypatch.delenv(datasets.DATA_DIR_VARIABLE, raising=False)
    done = invoke("002", "--out", tmp_path)
    assert done.exit_code == 2
    said = " ".join(done.stderr.split())
    assert "name the one that holds its four IDX files with --data-dir or BACKPROOF_MNIST." in said
    assert "mnist-5k" not in said


def test_what_the_command_hands_on(sources, tmp_path):
    _, runs = sources
    done = invoke("008", "--out", tmp_path, "--seeds", "3", "--quick", "--json")
    settings = runs[0][1]
    assert (settings.seeds, settings.quick, settings.backends) == (3, True, ("numpy",))
    assert settings.keep.parent == tmp_path / "008"
    assert settings.keep.name.startswith("quick-runs-")
    assert [results["source"] for results in json.loads(done.stdout)] == ["008"]


@pytest.mark.parametrize(
    ("states", "interrupted", "code"),
    [((True,), False, 0), ((True, False), False, 1), ((None,), False, 0), ((True,), True, 130)],
)
def test_exit_codes(states, interrupted, code, sources, monkeypatch, tmp_path):
    source, _ = sources
    monkeypatch.setattr(comparisons.sources, "SOURCES", {"009": source("009", *states, interrupted=interrupted)})
    done = invoke("--out", tmp_path)
    assert done.exit_code == code, done.output
    assert read_results(tmp_path, "009")["interrupted"] is interrupted


def test_ctrl_c_within_a_source_keeps_the_others(sources, monkeypatch, tmp_path):
    source, _ = sources

    def stop(settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(comparisons.sources, "SOURCES", {"008": source("008", True), "009": stop})
    done = invoke("--out", tmp_path)
    assert done.exit_code == 130
    assert "the same command goes on from there" in done.stderr
    assert read_results(tmp_path, "008") is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["007"], "there is no source 007. Choose among 008, 009 and all."),
        (["008", "--out", "/dev/null/x"], "Give another folder with --out."),
    ],
)
def test_what_cannot_be_is_said(arguments, message, sources):
    done = invoke(*arguments)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())


def test_without_digits_it_says_so(monkeypatch, tmp_path):
    done = invoke("002", "--data-dir", tmp_path / "nowhere", "--out", tmp_path)
    assert done.exit_code == 2
    assert "there is no such folder" in " ".join(done.stderr.split())


@needs_chromium
@pytest.mark.parametrize("width", [400, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_in_a_browser(whole, width, scheme, tmp_path):
    write_overview(tmp_path, [write_report(whole, tmp_path, CIRCUMSTANCES)])
    with chromium() as browser:
        tab = browser.new_context(viewport={"width": width, "height": 900}, offline=True, color_scheme=scheme).new_page()
        errors = []
        tab.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
        tab.on("pageerror", lambda error: errors.append(str(error)))
        for page in ("index.html", "009/index.html"):
            tab.goto((tmp_path / page).as_uri())
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
        tab.wait_for_function("document.querySelectorAll('[data-plot] .main-svg').length > 1")
        assert tab.title().startswith("009: a title")
        assert tab.locator("[data-plot]").count() == 2
        assert tab.locator(".derivation").count() == 3
        assert errors == []
