"""`make gallery`: the committed sample report and the pictures of it that the README shows."""

import shutil
import sys
from pathlib import Path

from comparisons.compare import compare
from reports.results import prepare, write_report
from tests.test_page import CHROMIUM, chromium

FOLDER = Path(__file__).resolve().parent.parent / "reports" / "gallery" / "compare"


def main() -> None:
    """Run the default comparison and photograph its page at 1,600 and 400 pixels, and its ladder."""
    if CHROMIUM is None:
        sys.exit("no chromium here to take the pictures with; Debian's package is called chromium.")
    shutil.rmtree(FOLDER, ignore_errors=True)
    prepare(FOLDER)
    page = write_report(compare(), FOLDER)
    with chromium() as browser:
        for width in (1600, 400):
            tab = browser.new_page(viewport={"width": width, "height": 900})
            tab.goto(page.as_uri())
            tab.wait_for_function("document.querySelectorAll('[data-plot] .main-svg').length > 0")
            tab.wait_for_timeout(500)
            tab.screenshot(path=FOLDER / f"page-{width}.png", full_page=True)
            if width == 1600:
                for plot in ("ladder", "steps"):
                    tab.locator(f"[data-plot={plot}]").screenshot(path=FOLDER / f"{plot}.png")
    print(f"The sample is in {FOLDER}")


if __name__ == "__main__":
    main()
