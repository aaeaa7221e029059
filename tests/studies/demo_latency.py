"""`python -m tests.studies.demo_latency URL`: milliseconds from a drawing to a framework's bars, in Chromium.

One stroke is drawn point by point, as fast as a hand does; exit code 1 when torch's median is 50 ms or more.
"""

from __future__ import annotations

import statistics
import sys

from playwright.sync_api import sync_playwright

from tests.browser import chromium
from tests.browser.drawing import SHOWN
from tests.browser.strokes import arc

POINTS = 100
HAND_MS = 60  # between two points
BOUND_MS = 50.0


def measured(url: str) -> dict[str, list[float]]:
    """Return for each framework the milliseconds that the page showed after each point."""
    found: dict[str, list[float]] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.executable(), args=list(chromium.FLAGS))
        page = browser.new_page()
        page.goto(url)
        page.wait_for_selector("[data-framework=torch][data-state=ready]")
        box = page.locator("#paper").bounding_box()
        assert box is not None
        points = arc(50, 50, 25, 35, -90, -90 + 15 * POINTS)
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.15)
        page.mouse.down()
        for x, y in points:
            page.mouse.move(box["x"] + x / 100 * box["width"], box["y"] + y / 100 * box["height"])
            page.wait_for_timeout(HAND_MS)
            for name, answer in page.evaluate(SHOWN).items():
                if answer["digit"] is not None:
                    found.setdefault(name, []).append(answer["whole"])
        browser.close()
    return found


if __name__ == "__main__":
    milliseconds = measured(sys.argv[1])
    for framework, values in milliseconds.items():
        p95 = statistics.quantiles(values, n=20)[-1]
        print(
            f"{framework}: median {statistics.median(values):.1f} ms, 95 % within {p95:.1f} ms, {len(values)} answers"
        )
    sys.exit(statistics.median(milliseconds["torch"]) >= BOUND_MS)
