"""`python -m tests.browser.demo_pictures URL FOLDER`: pictures of the demo's page that runs there, to be looked at."""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser import chromium
from tests.browser.drawing import draw, settled
from tests.browser.strokes import DIGITS

WINDOWS = {
    "demo": {"viewport": {"width": 1120, "height": 800}, "color_scheme": "light"},
    "demo-dark": {"viewport": {"width": 1120, "height": 800}, "color_scheme": "dark"},
    "demo-phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"},
}
DRAWN = 4  # of strokes.DIGITS: a two


def take(url: str, folder: Path) -> None:
    """Write a picture of each window, with a digit drawn in it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.executable(), args=list(chromium.FLAGS))
        for name, window in WINDOWS.items():
            page = browser.new_context(**window).new_page()
            page.goto(url)
            page.wait_for_selector("[data-state=ready]")
            draw(page, DIGITS[DRAWN][1])
            settled(page)
            page.screenshot(path=folder / f"{name}.png", full_page=name == "demo-phone")
        browser.close()


if __name__ == "__main__":
    take(sys.argv[1], Path(sys.argv[2]))
