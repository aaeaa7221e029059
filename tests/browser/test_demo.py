"""The demo's page in a real browser, over real workers with a network that was really trained."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from PIL import Image, ImageDraw

from benchmarks.models.demo import _cached_network
from tests.browser.drawing import READY, SHOWN, draw, settled
from tests.browser.strokes import DIGITS
from tests.unit.models.demo.conftest import wait_for

ROOT = Path(__file__).resolve().parents[2]
FRAMEWORKS = ("torch", "numpy")


@pytest.fixture(scope="session")
def lenet(tmp_path_factory) -> Path:
    """A folder with lenet, trained as the demo trains it where it has no weights."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCKSTEP_CACHE", str(tmp_path_factory.mktemp("demo")))
        return _cached_network(["torch"], True, print).folder


class Demo:
    """The command as a user starts it."""

    def __init__(self, weights: Path):
        line = [sys.executable, "-m", "benchmarks", "demo", "--weights", str(weights), "--port", "0"]
        line += ["--framework", ",".join(FRAMEWORKS)]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        self.process = subprocess.Popen(line, cwd=ROOT, env=environment, text=True, **pipes)
        ended = threading.Timer(60, self.process.kill)
        ended.start()
        self.said = self.process.stdout.readline()
        ended.cancel()
        self.url = next(word for word in self.said.split() if word.startswith("http"))

    def worker(self, framework: str) -> psutil.Process:
        """Return the process that computes in a framework."""
        found = psutil.Process(self.process.pid).children(recursive=True)
        return next(each for each in found if f"{framework}-cpu" in " ".join(each.cmdline()) and not each.children())

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(20)
        self.process.stdout.close()
        return code


@pytest.fixture(scope="module")
def demo(lenet):
    started = Demo(lenet)
    yield started
    started.end()


@pytest.fixture
def page(browser, demo):
    """The page, with all frameworks ready; it must say nothing in the console."""
    context = browser.new_context(viewport={"width": 1120, "height": 800})
    opened = context.new_page()
    said = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.goto(demo.url)
    opened.wait_for_function(READY, arg=len(FRAMEWORKS))
    yield opened
    context.close()
    assert [text for text in said if "422" not in text] == []  # Chromium notes what was refused


def shown(page, strokes):
    """Draw on an empty paper and return what the page shows."""
    page.keyboard.press("Escape")
    draw(page, strokes)
    settled(page)
    return page.evaluate(SHOWN)


def test_all_ten_digits_are_read_while_one_draws(page, capsys):
    right, whole = dict.fromkeys(FRAMEWORKS, 0), []
    wrong = []
    for digit, strokes in DIGITS:
        found = shown(page, strokes)
        whole.append(found["torch"]["whole"])
        for framework in FRAMEWORKS:
            right[framework] += found[framework]["digit"] == str(digit)
        if found["torch"]["digit"] != str(digit):
            wrong.append((digit, found["torch"]["digit"]))
    with capsys.disabled():
        print(f"\n{right['torch']} of {len(DIGITS)} drawn digits right; wrong (drawn, read): {wrong}")
        print(f"from drawing to bars in torch: median {statistics.median(whole):.0f} ms")
    assert min(right.values()) >= 18


def test_what_the_network_sees_is_shown_and_escape_clears_all(page):
    pixels = "() => document.getElementById('seen').toDataURL()"
    blank = page.evaluate(pixels)
    found = shown(page, DIGITS[2][1])
    assert found["torch"]["digit"] == "1"
    assert page.evaluate(pixels) != blank
    assert page.locator("#digit").inner_text() == "1"
    page.wait_for_function("() => document.getElementById('live').textContent.startsWith('1.')")
    page.keyboard.press("Escape")
    assert page.locator("#digit").text_content() == ""
    assert page.evaluate(SHOWN)["torch"]["digit"] is None
    assert page.evaluate(pixels) == blank


def test_a_picture_is_uploaded_and_hostile_ones_get_one_line(page, tmp_path):
    path = tmp_path / "seven.png"
    image = Image.new("L", (400, 300), 230)
    ImageDraw.Draw(image).line([(120, 60), (280, 60), (180, 250)], fill=20, width=26)
    image.save(path)
    page.set_input_files("#file", path)
    settled(page)
    assert page.evaluate(SHOWN)["torch"]["digit"] == "7"
    for content, words in ((b"<script>alert(1)</script>", "not a PNG or JPEG"), (b"x" * (2 << 20), "More than 1 MiB")):
        path.write_bytes(content)
        page.set_input_files("#file", path)
        page.wait_for_function("(words) => document.getElementById('problem').textContent.includes(words)", arg=words)
    assert shown(page, DIGITS[14][1])["numpy"]["digit"] == "7"
    assert page.locator("#problem").text_content() == ""


def test_fingers_draw_too(browser, demo):
    context = browser.new_context(**{"viewport": {"width": 390, "height": 844}, "has_touch": True})
    page = context.new_page()
    page.goto(demo.url)
    page.wait_for_function(READY, arg=len(FRAMEWORKS))
    touch = context.new_cdp_session(page)
    box = page.locator("#paper").bounding_box()
    for kind, y in (("touchStart", 20), *(("touchMove", y) for y in range(24, 88, 8))):
        point = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] * y / 100}
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_function("() => document.getElementById('digit').textContent === '1'")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("scrollY") == 0
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_and_all_controls_take_the_focus(page, scheme):
    page.emulate_media(color_scheme=scheme)
    shown(page, DIGITS[4][1])
    violations = Axe().run(page).response["violations"]
    wrong = [violation for violation in violations if violation["impact"] in ("serious", "critical")]
    assert not wrong, json.dumps([(v["id"], [node["html"][:200] for node in v["nodes"][:3]]) for v in wrong], indent=1)
    page.locator("#paper").focus()
    for name in ("clear", "upload"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == name


def test_a_killed_worker_is_told_the_others_go_on_and_it_starts_again(page, demo):
    shown(page, DIGITS[2][1])
    demo.worker("torch").kill()
    page.wait_for_selector("[data-framework=torch][data-state=lost]")
    assert "SIGKILL" in page.evaluate(SHOWN)["torch"]["reason"]
    found = shown(page, DIGITS[14][1])
    assert found["numpy"]["digit"] == "7"
    assert found["torch"]["digit"] is None
    page.locator("[data-framework=torch] button").click()
    page.wait_for_function(READY, arg=len(FRAMEWORKS))
    page.wait_for_function("() => document.querySelector('[data-framework=torch] .top b')?.textContent === '7'")


def test_ctrl_c_ends_all_workers(lenet):
    started = Demo(lenet)
    wait_for(lambda: "starting" not in requests.get(f"{started.url}state", timeout=20).text, 60)
    children = psutil.Process(started.process.pid).children(recursive=True)
    assert len(children) == 2 * len(FRAMEWORKS)  # a keeper and a worker each
    assert started.end() == 130
    assert not any(child.is_running() for child in children)
