"""`python -m tests.browser.screenshots PAGE FOLDER`: the pictures of a page that docs/ shows, to be looked at.

Of a page over several machines (rows by `python -m tests.studies.machines`) it is machines.png, of any other
page-*.png.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import FloatRect, Page, sync_playwright

from tests.browser import chromium

WINDOWS = {
    "light": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "device_scale_factor": 2},
}


DRAWN = """() => [...document.querySelectorAll('.chart')].filter((chart) => chart.checkVisibility()
  && chart.getBoundingClientRect().top < innerHeight).every((chart) => chart.querySelector('[data-ready] svg'))"""


def take(page: Path, folder: Path) -> None:
    """Write machines.png, or page-light.png, page-dark.png and page-phone.png."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.executable(), args=list(chromium.FLAGS))
        for name, window in WINDOWS.items():
            context = browser.new_context(**window)
            shown = context.new_page()
            shown.goto(page.resolve().as_uri())
            shown.wait_for_function(DRAWN)
            if shown.locator(".machines").count() == 0:
                shown.screenshot(path=folder / f"page-{name}.png")
            elif name == "light":
                shown.screenshot(path=folder / "machines.png", full_page=True, clip=summary(shown))
            context.close()
        browser.close()


def summary(shown: Page) -> FloatRect:
    """Return where the title, the table of machines and their means lie."""
    means = shown.locator(".means").bounding_box()
    return {"x": 0, "y": 0, "width": WINDOWS["light"]["viewport"]["width"], "height": means["y"] + means["height"] + 16}


if __name__ == "__main__":
    take(Path(sys.argv[1]), Path(sys.argv[2]))
