"""The page in a real browser: headless Chromium, offline, narrow and wide."""

import os
import shutil
from contextlib import contextmanager
from dataclasses import replace
from tempfile import TemporaryDirectory

import pytest

from comparisons.compare import compare
from reports.results import to_dict, write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here; Debian's package is called chromium")
NASTY = "</script><script>document.title='broken'</script> <b>& \"quotes\" | `code` 784"


@pytest.fixture(scope="module")
def result():
    return compare(
        backends=["numpy", "torch"],
        overrides={"data": {"name": "digits"}, "training": {"epochs": 1, "batch_size": 100}},
    )


@pytest.fixture(scope="module")
def page(result, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    titles = result.backends | {"torch": NASTY}  # a third party's, and drawn in every plot
    named = replace(result, recipe=result.recipe.model_copy(update={"title": NASTY}), backends=titles)
    return write_report(named, folder)


@contextmanager
def chromium():
    """Headless Chromium, whose own files go to a home that is deleted afterwards."""
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with TemporaryDirectory(ignore_cleanup_errors=True) as home, sync_playwright() as playwright:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("XDG_")} | {"HOME": home}
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments, env=environment)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


def opened(browser, page, width):
    """The page at that width, with everything that went wrong while it loaded."""
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
    tab = context.new_page()
    errors = []
    tab.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("requestfailed", lambda request: errors.append(request.url))
    tab.goto(page.as_uri())
    tab.wait_for_function("document.querySelectorAll('[data-plot] .main-svg').length > 0")
    return tab, errors


@needs_chromium
@pytest.mark.parametrize("width", [400, 1600])
def test_every_plot_is_drawn_and_nothing_is_cut_off(width, browser, page):
    tab, errors = opened(browser, page, width)
    assert errors == []
    plots = tab.locator("[data-plot]")
    assert plots.count() == 3  # no accuracy after a single epoch
    for index in range(3):
        plot = plots.nth(index)
        assert plot.locator(".main-svg").count() > 0
        traces = plot.locator(".trace, .bars .point")
        assert traces.count() > 0, plot.get_attribute("data-plot")
        box = plot.bounding_box()
        assert box["width"] <= width
        assert box["height"] >= 300
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate("document.title").startswith("rounding: ")
    # The legend does not lie on the axis titles.
    assert tab.evaluate(
        """() => [...document.querySelectorAll('[data-plot]')].every(plot => {
            const legend = plot.querySelector('.legend')?.getBoundingClientRect();
            return !legend || [...plot.querySelectorAll('.xtitle, .xtick')].every(title => {
                const box = title.getBoundingClientRect();
                return box.bottom <= legend.top || box.top >= legend.bottom;
            });
        })"""
    )
    tab.context.close()


@needs_chromium
def test_user_text_is_shown_and_not_run(browser, page):
    tab, _ = opened(browser, page, 1600)
    assert NASTY in tab.locator("h1").inner_text()
    assert NASTY in tab.locator("#table-gradients").inner_text()
    assert tab.evaluate("document.title") != "broken"
    tab.context.close()


@needs_chromium
def test_keyboard_and_screen_reader(browser, page):
    tab, _ = opened(browser, page, 1600)
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to the verdicts"
    tab.keyboard.press("Enter")
    assert tab.evaluate("location.hash") == "#verdicts"
    assert tab.evaluate("document.documentElement.lang") == "en"
    assert tab.locator("[role=status]").inner_text().startswith("✓ rounding")
    for plot in tab.locator("[data-plot]").all():
        assert plot.get_attribute("role") == "img"
        assert len(plot.get_attribute("aria-label")) > 40
    for region in tab.locator(".scroll").all():
        assert region.get_attribute("tabindex") == "0"
        assert region.get_attribute("aria-label")
        assert region.locator("th[scope=col]").count() > 1
    assert tab.locator("h1").count() == 1
    tab.context.close()


def test_the_page_holds_the_verdict_without_scripts(page):
    text = page.read_text(encoding="utf-8")
    assert text.index("Every difference is rounding") < text.index("<nav")
    assert text.count("<script>document.title") == 0
    assert "backproof compare recipe.toml" in text
    for word in ("http://", "https://"):
        assert word not in text


def test_an_empty_and_an_inconclusive_comparison_can_be_reported(result, tmp_path):
    import pandas as pd

    empty = replace(result, interrupted=True, **{name: pd.DataFrame() for name in TABLES})
    assert to_dict(empty)["verdict"] == "inconclusive"
    assert "Nothing was judged" in write_report(empty, tmp_path).read_text(encoding="utf-8")
    doubtful = result.gradients.assign(verdict="inconclusive", reason="only one rung", slope=None)
    text = write_report(replace(result, gradients=doubtful), tmp_path).read_text(encoding="utf-8")
    assert "Nothing is wrong, but 12 of" in text
    assert "only one rung" in text


@pytest.mark.parametrize("table", ["truth", "gradients", "optimizers", "training"])
def test_each_table_alone_makes_the_verdict(table, result, tmp_path):
    planted = getattr(result, table).copy()
    planted.loc[planted.index[-1], "verdict"] = "wrong"
    wrong = replace(result, **{table: planted})
    assert result.verdict == "rounding"
    assert wrong.verdict == "wrong"
    assert "The mathematics differs in 1 of" in write_report(wrong, tmp_path).read_text(encoding="utf-8")


TABLES = ("gradients", "pairs", "truth", "optimizers", "conventions", "training", "steps", "epochs")
