"""What tests and pictures of the demo's page do with a mouse."""

from __future__ import annotations

from collections.abc import Sequence

from playwright.sync_api import Page

from tests.browser.strokes import Stroke

SHOWN = """() => Object.fromEntries([...document.querySelectorAll('#frameworks > li')].map((item) => [
    item.dataset.framework,
    {state: item.dataset.state, digit: item.querySelector('.top b')?.textContent ?? null,
     whole: Number(item.dataset.whole), reason: item.querySelector('.lost span').textContent},
]))"""
READY = """(count) => {
    const items = [...document.querySelectorAll('#frameworks > li')];
    return items.length === count && items.every((item) => item.dataset.state === 'ready');
}"""


def draw(page: Page, strokes: Sequence[Stroke]) -> None:
    """Draw strokes in the box."""
    box = page.locator("#paper").bounding_box()
    for stroke in strokes:
        points = [(box["x"] + x / 100 * box["width"], box["y"] + y / 100 * box["height"]) for x, y in stroke]
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point, steps=2)
        page.mouse.up()


def settled(page: Page) -> None:
    """Wait until everything that was asked is answered, and nothing more is about to be asked."""
    page.wait_for_function("() => document.getElementById('frameworks').ariaBusy === 'false'")
