"""A page in a real browser that reaches nothing: what it asks for, says and throws is kept for the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

from report.page.document import build
from report.page.inputs import PAGE_COLUMNS, Inputs
from report.results.load import load, records
from tests.browser import chromium, synthetic


@dataclass
class Opened:
    """A page that is open, with everything it did that it should not do."""

    page: Page
    requests: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def see(self) -> None:
        """Watch the page from before it loads; every request but for the file itself is noted and refused."""
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", self.dialog)
        self.page.route("**/*", self.route)

    def dialog(self, dialog) -> None:
        self.said.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def route(self, route: Route) -> None:
        if route.request.is_navigation_request():
            route.continue_()
        else:
            self.requests.append(route.request.url)
            route.abort()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium.executable(), args=list(chromium.FLAGS))
        yield started
        started.close()


@pytest.fixture
def opened(browser) -> Iterator[Callable[..., Opened]]:
    """Open a file in a fresh window; keywords are those of a Playwright context."""
    contexts = []

    def open_file(path: Path, **settings) -> Opened:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **settings})
        contexts.append(context)
        found = Opened(context.new_page())
        found.see()
        found.page.goto(path.as_uri())
        return found

    yield open_file
    for context in contexts:
        context.close()


def written(folder: Path, path: Path) -> Path:
    """Write the page of a results folder and return its path."""
    path.write_text(build(Inputs(load(folder, PAGE_COLUMNS), records(folder))))
    return path


@pytest.fixture(scope="session")
def report(tmp_path_factory) -> Path:
    """The page of 10,000 launches."""
    folder = tmp_path_factory.mktemp("many")
    return written(synthetic.write(folder / "results", rounds=28), folder / "report.html")
