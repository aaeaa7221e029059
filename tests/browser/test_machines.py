"""The page over three kinds of machine in a real browser; the rows are tests/studies/machines.py's."""

from __future__ import annotations

import json
import math
import re
import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import written
from tests.studies import machines

THREADS = {"AMD EPYC, 1 core, 24 GiB": 1, "AMD EPYC, 2 cores, 24 GiB": 2, "Made-up CPU 9000, 8 cores, 64 GiB": 8}
UNFOLD = "document.querySelectorAll('details').forEach(item => { item.open = true; })"
LINES = """(table) => [...table.querySelectorAll('tbody')].map(group => [
  group.querySelector('.group span').textContent,
  [...group.querySelectorAll('tr:not(.group)')].map(line => [...line.children].map(cell =>
    [...cell.children].map(node => node.textContent).join('|'))),
])"""


@pytest.fixture(scope="session")
def several(tmp_path_factory):
    folder = tmp_path_factory.mktemp("machines")
    machines.write(folder / "results")
    return written(folder / "results", folder / "report.html")


def groups(page, within):
    """Return by group title the lines of the first table there, a cell's note after a bar."""
    return dict(page.locator(f"{within} table").first.evaluate(LINES))


def of_model(found, model):
    """Return the lines of a network's group, by framework."""
    [lines] = [lines for title, lines in found.items() if title.startswith(f"{model},")]
    return {line[0].split("|")[0]: line for line in lines}


def test_the_page_asks_for_nothing_and_says_nothing(opened, several):
    found = opened(several)
    found.page.evaluate(UNFOLD)
    assert "Over 3 kinds of machine" in found.page.locator("h1").inner_text()
    assert found.requests == []
    assert found.said == []


def test_the_table_of_machines_leads_to_a_part_of_each(opened, several):
    page = opened(several, reduced_motion="reduce").page
    links = page.locator(".machines tbody a")
    assert links.all_inner_texts() == list(THREADS)
    members = page.locator(".machines tbody td:nth-child(6)").all_inner_texts()
    assert members == ["1", "2", "1"]
    for place, name in enumerate(THREADS, 1):
        links.nth(place - 1).click()
        assert page.evaluate("location.hash") == f"#machine-{place}"
        title = page.locator(f"#machine-{place} h2")
        assert title.inner_text().endswith(name)
        covered = page.locator("#filter").bounding_box()
        assert covered["y"] + covered["height"] <= title.bounding_box()["y"] < 900


def test_every_reference_leads_somewhere(opened, several):
    page = opened(several).page
    dangling = "[...document.querySelectorAll('a')].filter(a => !document.getElementById(a.hash.slice(1))).length"
    assert page.evaluate(dangling) == 0
    assert page.evaluate("new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size") == (
        page.locator("[id]").count()
    )


def test_no_comparison_mixes_machines(opened, several):
    """Each kind has threads of its own, which stand beside all that was measured there."""
    page = opened(several).page
    page.evaluate(UNFOLD)
    for place, (name, threads) in enumerate(THREADS.items(), 1):
        said = page.locator(f"#machine-{place}").text_content()
        assert {int(number) for number in re.findall(r"(\d+) threads?\b", said)} == {threads}
        others = THREADS.keys() - {name}
        assert not any(other in said for other in others)
        notes = page.locator(f"#machine-{place} .comparison:visible > .note").all_inner_texts()
        assert len(notes) == 2
        assert all(f"{threads} thread" in note for note in notes)


def test_what_is_said_of_all_machines_is_the_geometric_mean_of_ratios(opened, several):
    page = opened(several).page
    means = of_model(groups(page, ".means"), "mlp")
    line = "lines => lines.map(line => [line.dataset.framework, line.cells[3].querySelector('span').textContent])"
    own = [
        dict(
            page.locator(f"#machine-{place} .comparison[data-shown][data-model=mlp] tr:visible:has(td)").evaluate_all(
                line
            )
        )
        for place in (1, 2, 3)
    ]
    assert all(lines["jax"] == "1" for lines in own)  # the reference is the best of each machine
    for framework in own[0].keys() - {"jax"}:
        ratios = [float(lines[framework]) for lines in own]
        mean, between = means[framework][1].split("|")[0], means[framework][2]
        assert float(mean) == pytest.approx(math.prod(ratios) ** (1 / 3), rel=0.02)
        least, most = map(float, between.split("–"))
        assert [least, most] == pytest.approx([min(ratios), max(ratios)], abs=0.006)
    assert "samples/s" not in page.locator("#lead").text_content()


def test_the_filter_reaches_every_part(opened, several):
    page = opened(several).page
    page.locator("select[name=model]").select_option("lenet")
    page.wait_for_function("() => document.getElementById('shown').textContent")
    for within in (".means tbody tr:not(.group)", *(f"#machine-{place} .comparison" for place in (1, 2, 3))):
        assert {found.get_attribute("data-model") for found in page.locator(f"{within}:visible").all()} == {"lenet"}


@pytest.mark.parametrize(("scheme", "rules"), [("light", {}), ("dark", {"runOnly": ["color-contrast"]})])
def test_axe_finds_nothing(opened, tmp_path, scheme, rules):
    """Of the lenet rows alone: axe takes minutes for all."""
    (tmp_path / "lenet").mkdir()
    [rows] = machines.REFERENCE.glob("*-lenet.jsonl")
    shutil.copy(rows, tmp_path / "lenet")
    machines.write(tmp_path / "results", tmp_path / "lenet")
    found = opened(written(tmp_path / "results", tmp_path / "report.html"), color_scheme=scheme)
    assert found.page.locator(".machines tbody tr").count() == len(THREADS)
    found.page.evaluate(UNFOLD)
    wrong = Axe().run(found.page, options=rules).response["violations"]
    assert not wrong, json.dumps([(v["id"], [node["html"][:200] for node in v["nodes"][:3]]) for v in wrong], indent=1)


def test_nothing_is_wider_than_a_phone(opened, several):
    page = opened(several, viewport={"width": 390, "height": 844}).page
    page.evaluate(UNFOLD)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
