from __future__ import annotations

import pytest

from report.page.document import build
from report.page.inputs import PAGE_COLUMNS, Inputs
from report.page.sections import history
from report.results.load import load, records


@pytest.fixture
def inputs(launches, write_set):
    """Return the inputs of a page on sessions of these speeds, a day each."""

    def made(*speeds, **changes):
        for number, speed in enumerate(speeds, 1):
            about = {"sweep": f"202601{number:02}T000000-aaaaaa", "started_at": f"2026-01-{number:02}T10:00:00+00:00"}
            folder = write_set("set", *launches(*[speed] * 3, **about, **changes))
        return Inputs(load(folder, PAGE_COLUMNS), records(folder))

    return made


def test_one_session_has_no_history(inputs):
    alone = inputs(1000)
    assert history.section(alone) is None
    assert ">History<" not in build(alone)


def test_sessions_of_other_cells_are_no_history(write_set, launches):
    write_set("set", *launches(1000, sweep="20260101T000000-aaaaaa"))
    folder = write_set("set", *launches(1000, sweep="20260102T000000-aaaaaa", batch_size=8))
    assert history.section(Inputs(load(folder, PAGE_COLUMNS), records(folder))) is None


def test_a_chart_shows_each_session_against_the_first_and_a_table_the_steps(inputs):
    made = inputs(*[1000] * 4, *[960] * 4)
    charts, _, steps, searched = history.section(made).parts
    [chart] = charts.charts
    assert [record["at"] for record in chart.records] == list(range(1, 9))
    assert [record["value"] for record in chart.records] == pytest.approx([1.0] * 4 + [0.96] * 4)
    assert [record["low"] for record in chart.records] == pytest.approx([1.0] * 4 + [0.96] * 4)
    assert chart.records[4]["hint"].endswith("2026-01-05 (2.13.0): 960 samples/s")
    [line] = steps.groups[0].lines
    assert [cell.text for cell in line.cells][-3:] == ["2026-01-05 (2.13.0)", "-4.0 %", ""]
    [cells] = searched.groups[0].lines
    assert [cell.text for cell in cells.cells][-4:] == ["8", "1", "0.0%", "0.0 %"]
    assert ">History<" in build(made)


def test_without_a_step_it_says_so_and_few_sessions_are_not_searched(inputs):
    _, note, words, _ = history.section(inputs(*[1000] * 6)).parts
    assert words.sentences == [history.NONE_FOUND]
    assert "Fewer than 5 sessions" in note.sentences[0]


def test_two_sessions_are_drawn_and_not_searched(inputs):
    charts, _, searched = history.section(inputs(1000, 500)).parts
    assert len(charts.charts[0].records) == 2
    [cells] = searched.groups[0].lines
    assert [cell.text for cell in cells.cells][-4:] == ["2", "0", "–", "–"]
