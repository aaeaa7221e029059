from __future__ import annotations

import pytest

from report.page.document import build
from report.page.inputs import PAGE_COLUMNS, Inputs
from report.page.sections import releases
from report.results.load import load, records

DRIFT = (1.0, 1.3, 0.7, 1.1, 0.9, 1.2)


@pytest.fixture
def inputs(write_set, launches, make):
    """Return the inputs of a page on arms: speeds by name, none for one that computes something else."""

    def made(**speeds):
        rows = []
        for number, (name, speed) in enumerate(speeds.items()):
            about = {"framework": name, "framework_version": f"0.{number}.0"}
            wrong = {"status": "invalid", "reason": "parts from the reference", "train_samples_per_s": None}
            rows += (
                launches(*(speed * d for d in DRIFT), **about)
                if speed
                else [make(round=n, **about, **wrong) for n in range(6)]
            )
        folder = write_set("set", *rows)
        return Inputs(load(folder, PAGE_COLUMNS), records(folder))

    return made


def texts(table):
    """Return the texts and notes of a table's lines, by its first cell and the headings."""
    found = {}
    for line in table.groups[0].lines:
        pairs = zip(table.columns, line.cells, strict=True)
        found[line.cells[0].text] = {
            heading: text
            for column, cell in pairs
            for heading, text in ((column.note, cell.note), (column.text, cell.text))
        }
    return found


def test_one_release_of_each_framework_is_no_section(inputs):
    alone = inputs(torch=1000, jax=900)
    assert releases.section(alone) is None
    assert ">Releases and wrappers<" not in build(alone)


def test_each_release_stands_against_the_oldest_and_one_that_computes_otherwise_has_its_reason(inputs):
    made = inputs(**{"jax@0.0.0": 1000, "jax@0.1.0": None, "jax": 900, "torch": 500})
    _, table = releases.section(made).parts
    lines = texts(table)
    assert set(lines) == {"jax", "jax@0.1.0"}
    newest, wrong = lines["jax"], lines["jax@0.1.0"]
    assert (newest["against"], newest["ratio"], newest["verdict"]) == ("jax@0.0.0", "0.900", "slower")
    assert (newest["would be found"], newest["changed with it"]) == ("0.0%", "version: 0.0.0 -> 0.2.0")
    assert newest["samples/s"] == "912"
    assert (wrong["ratio"], wrong["verdict"]) == ("–", "no longer valid")
    assert wrong["changed with it"] == "version: 0.0.0 -> 0.1.0; NEW 6 of 6 invalid (parts from the reference)"
    page = build(made)
    assert ">Releases and wrappers<" in page
    assert "Releases, against the oldest" in page


def test_wrappers_are_a_table_of_their_own(inputs):
    _, table = releases.section(inputs(**{"torch": 1000, "torch@lightning": 400})).parts
    assert table.caption == "Wrappers"
    [line] = texts(table).values()
    assert (line["against"], line["ratio"], line["verdict"]) == ("torch", "0.400", "slower")
