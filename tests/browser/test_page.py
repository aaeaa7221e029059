"""The report page in a real browser: quiet, alone, usable by keyboard and screen reader, light in every sense."""

from __future__ import annotations

import json

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser import synthetic
from tests.browser.conftest import written
from tests.hostile import CHECKED, KNOWN, hostile

HEAVIEST = 5_000_000  # bytes
PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
SHOWN = "() => [...document.querySelectorAll('#lead tbody tr:not(.group)')].filter(e => !e.hidden).map(e => e.dataset)"


def lines(page, what):
    """The facet of each line of the headline that is shown, in order."""
    return [found[what] for found in page.evaluate(SHOWN)]


def test_the_page_asks_for_nothing_and_says_nothing(opened, report):
    found = opened(report)
    found.page.evaluate("document.querySelectorAll('details').forEach(item => { item.open = true; })")
    assert found.page.locator("h1").inner_text()
    assert found.requests == []
    assert found.said == []


def test_the_page_is_light_and_paints_at_once(opened, report, capsys):
    found = opened(report)
    found.page.wait_for_function(f"() => {PAINT.removesuffix('.startTime')}")
    paint_ms, weight = found.page.evaluate(PAINT), report.stat().st_size
    with capsys.disabled():
        print(f"\n10,000 launches: {weight / 1e6:.2f} MB, first contentful paint after {paint_ms:.0f} ms")
    assert weight < HEAVIEST


@pytest.mark.fault(29)
@pytest.mark.parametrize("spared", [CHECKED, CHECKED | KNOWN], ids=["all text", "names and facts"])
def test_what_rows_and_records_say_runs_no_script(opened, tmp_path, spared):
    folder = tmp_path / "results"
    folder.mkdir()
    with (folder / "one.jsonl").open("wb") as file:
        for kind, record in synthetic.records(2, ["mlp"]):
            file.write(synthetic.line(kind, hostile(record, spared)))
    path = written(folder, tmp_path / "report.html")
    text = path.read_text()
    assert text.count("&lt;img src=x onerror=alert(1)") > 50  # as text
    assert all(c.isprintable() or c == "\n" for c in text)
    found = opened(path)
    found.page.wait_for_timeout(200)
    assert found.page.evaluate("window.ran") is None
    assert found.page.locator("img[src=x]").count() == 0
    assert (found.said, found.requests) == ([], [])


def test_the_policy_stops_a_script_that_slips_in(opened, report, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(report.read_text().replace("<main>", "<main onclick='window.ran=1'><script>window.ran=1</script>"))
    found = opened(path)
    assert found.page.evaluate("window.ran") is None
    assert any("Content Security Policy" in text for text in found.said)


def test_filters_work_by_keyboard(opened, report):
    page = opened(report).page
    assert set(lines(page, "model")) == {"mlp", "lenet"}
    page.locator("select[name=model]").focus()
    page.keyboard.type("lenet")
    page.keyboard.press("Tab")
    page.wait_for_function("() => document.getElementById('shown').textContent")
    assert set(lines(page, "model")) == {"lenet"}
    assert page.locator("figure[data-model=mlp]:visible").count() == 0
    assert page.locator("figure[data-model=lenet]:visible").count() > 5
    page.locator("input[value=torch]").focus()
    page.keyboard.press("Space")
    assert "torch" not in lines(page, "framework")
    assert page.locator("figure svg [data-framework=torch]:visible").count() == 0
    page.locator("button[type=reset]").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("() => !document.getElementById('shown').textContent")
    assert set(lines(page, "model")) == {"mlp", "lenet"}
    assert "torch" in lines(page, "framework")


def test_tables_are_sorted_by_keyboard(opened, report):
    page = opened(report).page
    first = page.locator("#lead tbody").first
    speeds = first.locator("tr:not(.group) td:nth-child(3)")
    heading = page.locator("#lead thead th").nth(2)

    def numbers():
        return [float(cell.get_attribute("data-value")) for cell in speeds.all()]

    assert numbers() == sorted(numbers(), reverse=True)
    heading.locator("button").focus()
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert numbers() == sorted(numbers())
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    assert numbers() == sorted(numbers(), reverse=True)
    assert first.locator("tr").first.get_attribute("class") == "group"  # titles stay on top


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(opened, tmp_path, scheme):
    path = written(synthetic.write(tmp_path / "results", 2, ["mlp"]), tmp_path / "report.html")
    found = opened(path, color_scheme=scheme)
    found.page.evaluate("document.querySelectorAll('details').forEach(item => { item.open = true; })")
    violations = Axe().run(found.page).response["violations"]
    wrong = [violation for violation in violations if violation["impact"] in ("serious", "critical")]
    assert not wrong, json.dumps([(v["id"], [node["html"][:200] for node in v["nodes"][:3]]) for v in wrong], indent=1)


def test_nothing_is_wider_than_a_phone(opened, report):
    page = opened(report, viewport={"width": 390, "height": 844}).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
