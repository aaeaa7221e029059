"""The report page in a real browser: quiet, alone, usable by keyboard and screen reader, light in every sense."""

from __future__ import annotations

import json

import pytest
from axe_playwright_python.sync_playwright import Axe

from adapters.registry import FRAMEWORKS
from report.page import charts
from tests.browser import synthetic
from tests.browser.conftest import written
from tests.hostile import CHECKED, KNOWN, hostile

HEAVIEST = 5_000_000  # bytes
PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
UNFOLD = "document.querySelectorAll('details').forEach(item => { item.open = true; })"
LINES = "#lead .comparison:visible tbody tr:visible"
DRAWN = (
    "() => [...document.querySelectorAll('.chart')].filter(f => f.checkVisibility()).every(f => f.querySelector('svg'))"
)


def lines(page, what):
    """The facet of each line of the comparisons that are shown, in order."""
    return [line.get_attribute(f"data-{what}") for line in page.locator(LINES).all()]


def models(page):
    return {shown.get_attribute("data-model") for shown in page.locator("#lead .comparison:visible").all()}


def draw_all(page):
    """Come near every chart that is not folded, and wait until all are drawn."""
    for chart in page.locator(".chart:visible").all():
        chart.scroll_into_view_if_needed()
    page.wait_for_function(DRAWN)


def ticks(page, kind):
    """The text along the axes of the first visible chart of a kind."""
    place = page.locator(f".chart:visible [data-drawn={kind}]").first
    place.scroll_into_view_if_needed()
    page.wait_for_function("place => 'ready' in place.dataset", arg=place.element_handle())
    return place.locator(".role-axis text").all_text_contents()


def test_the_page_asks_for_nothing_and_says_nothing(opened, report):
    found = opened(report)
    draw_all(found.page)
    found.page.evaluate(UNFOLD)
    draw_all(found.page)
    assert found.page.locator("h1").inner_text()
    assert found.page.locator(".drawing svg").count() > 20
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
    text = path.read_text().replace(charts.library(), "")
    assert text.count("&lt;img src=x onerror=alert(1)") > 50  # as text
    assert all(c.isprintable() or c == "\n" for c in text)
    found = opened(path)
    found.page.evaluate(UNFOLD)
    draw_all(found.page)
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
    assert models(page) == {"mlp", "lenet"}
    told = page.locator("h1").inner_text()
    page.locator("select[name=model]").focus()
    page.keyboard.type("lenet")
    page.keyboard.press("Tab")
    page.wait_for_function("() => document.getElementById('shown').textContent")
    assert models(page) == {"lenet"}
    assert "mlp" not in page.locator("h1").inner_text()
    assert page.locator("figure[data-model=mlp]:visible").count() == 0
    assert page.locator("figure[data-model=lenet]:visible").count() > 5
    assert all(table.locator("tbody tr:visible").count() for table in page.locator(".scroll:visible").all())
    page.locator("input[value=torch]").focus()
    page.keyboard.press("Space")
    assert "torch" not in lines(page, "framework")
    page.locator("button[type=reset]").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("() => !document.getElementById('shown').textContent")
    assert models(page) == {"mlp", "lenet"}
    assert "torch" in lines(page, "framework")
    assert page.locator("h1").inner_text() == told
    assert page.evaluate("location.hash") == ""


def test_the_address_holds_the_filter_and_charts_are_drawn_anew(opened, report):
    page = opened(report).page
    whole = ticks(page, "speed")
    page.locator("select[name=model]").select_option("lenet")
    page.locator("select[name=device]").select_option("cpu")
    page.locator("select[name=batch]").select_option("1024")
    for name in FRAMEWORKS.keys() - {"jax", "torch"}:
        page.locator(f"input[value={name}]").uncheck()
    address = page.evaluate("location.hash")
    assert dict(part.split("=") for part in address[1:].split("&")) == {
        "model": "lenet", "device": "cpu", "batch": "1024", "framework": "jax,torch",
    }  # fmt: skip
    other = opened(report)
    other.page.goto(report.as_uri() + address)
    page = other.page
    assert sorted(lines(page, "framework")) == ["jax", "torch"]
    assert page.locator("#lead .comparison:visible .answer").inner_text().startswith("lenet (CPU), batch 1,024: ")
    assert page.locator("h1").inner_text().split()[0] in ("jax", "torch")
    bars = ticks(page, "bars")
    assert "torch" in bars
    assert "numpy" not in bars
    assert ticks(page, "speed") != whole
    assert (other.said, other.requests) == ([], [])


def test_a_mode_shows_all_in_it_judged_against_the_best_of_those(opened, report):
    page = opened(report).page
    page.locator("select[name=mode]").select_option("eager")
    assert set(lines(page, "mode")) == {"eager"}
    first = page.locator("#lead .comparison:visible").first
    ratios = first.locator("tbody tr:visible td:nth-child(4) > span").all_inner_texts()
    assert ratios[0] == "1"
    assert all(float(ratio) <= 1 for ratio in ratios)
    best = page.locator(".best").first
    assert best.locator("tbody tr:visible").count() == best.locator("tr[data-mode=eager]").count()


def test_no_choice_leaves_the_first_screen_empty(opened, report):
    found = opened(report)
    page = found.page
    page.goto(report.as_uri() + "#framework=numpy&device=gpu")  # which numpy does not have
    page.reload()
    assert page.locator("h1").inner_text() == "Nothing measured here has all of what is chosen"
    assert page.locator("#lead .comparison:visible").count() == 4
    page.goto(report.as_uri() + "#model=vgg")
    page.reload()
    assert page.locator("#shown").inner_text() == "not measured here: model=vgg"
    assert models(page) == {"mlp", "lenet"}
    assert found.said == []


def test_a_link_inside_the_page_keeps_the_filter_and_opens_what_is_folded(opened, report):
    page = opened(report).page
    page.goto(report.as_uri() + "#model=lenet&at=roofline")
    page.reload()
    assert page.locator("#roofline").is_visible()
    assert models(page) == {"lenet"}


def test_tables_are_sorted_by_keyboard(opened, report):
    page = opened(report).page
    page.evaluate(UNFOLD)
    table = page.locator("#batches details table")
    first = table.locator("tbody").first
    speeds = first.locator("tr:not(.group) td:nth-child(6)")
    heading = table.locator("thead th").nth(5)

    def numbers():
        return [float(cell.get_attribute("data-value")) for cell in speeds.all()]

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
    found.page.evaluate(UNFOLD)
    draw_all(found.page)
    violations = Axe().run(found.page).response["violations"]
    wrong = [violation for violation in violations if violation["impact"] in ("serious", "critical")]
    assert not wrong, json.dumps([(v["id"], [node["html"][:200] for node in v["nodes"][:3]]) for v in wrong], indent=1)


def test_nothing_is_wider_than_a_phone_which_shows_all_five_columns(opened, report):
    page = opened(report, viewport={"width": 390, "height": 844}).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    line = page.locator(LINES).first
    for cell in line.locator("th, td").all():
        box = cell.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390


ARMS = {"tensorflow": ("jax@0.4.38", "0.4.38"), "paddle": ("jax@0.7.2", "0.7.2"), "jax": ("jax", "0.10.2")}
DRAWN_AS = """(place) => [...place.querySelectorAll('.mark-symbol.role-mark path')].map((path) => {
    const style = getComputedStyle(path);
    return [style.stroke, style.fillOpacity];
})"""


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    """The page of three releases of jax."""
    folder = tmp_path_factory.mktemp("releases")
    with (folder / f"{synthetic.SWEEP}.jsonl").open("wb") as file:
        for kind, record in synthetic.records(6, ["mlp"]):
            if kind == "row" and record["framework"] in ARMS and record["mode"] == "eager":
                name, version = ARMS[record["framework"]]
                file.write(synthetic.line(kind, {**record, "framework": name, "framework_version": version}))
    return written(folder, folder / "report.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_releases_are_told_apart_without_their_colour(opened, releases, scheme):
    found = opened(releases, color_scheme=scheme)
    place = found.page.locator(".chart:visible [data-drawn=speed]").first
    place.scroll_into_view_if_needed()
    found.page.wait_for_function("place => 'ready' in place.dataset", arg=place.element_handle())
    marks = {tuple(mark) for mark in place.evaluate(DRAWN_AS)}
    assert sorted(fill for _, fill in marks) == ["0", "0.45", "1"]
    assert len({colour for colour, _ in marks}) == 3
    dashes = place.locator(".mark-line path").evaluate_all(
        "paths => paths.map(p => p.getAttribute('stroke-dasharray'))"
    )
    assert set(dashes) == {"11,2,2,2", "4,7", "4,2,4,7"}
    legend = place.locator(".role-legend-symbol path").evaluate_all(
        "paths => paths.map(p => [p.getAttribute('fill-opacity') ?? '1', getComputedStyle(p).strokeDasharray].join())"
    )
    assert sorted(legend) == ["0,none", "0.45,none", "1,none"]
    assert found.said == []
