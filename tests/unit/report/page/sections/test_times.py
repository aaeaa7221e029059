from __future__ import annotations

import pytest

from benchmarks.record.store import append
from report.page.inputs import PAGE_COLUMNS, Inputs
from report.page.sections import times
from report.results.load import load, records
from report.tables.pays import pays
from tests.unit.known_lines import RECORDS


def test_host_feeding_is_what_an_epoch_takes_longer(write_set, launches):
    rows = [*launches(1000.0), *launches(800.0, input="host")]
    found = times._spent(Inputs(load(write_set("host", *rows), PAGE_COLUMNS), [])).set_index("input")
    assert found.loc["preloaded", "steps"] == pytest.approx(60)
    assert found.loc["host", "steps"] == pytest.approx(60)
    assert found.loc["host", "host feeding"] == pytest.approx(15)


def test_an_epoch_has_as_many_images_as_the_data_set(write_set, launches):
    folder = write_set("small", *launches(1000.0, dataset="mnist-5k"))
    [path] = folder.iterdir()
    counts = {"train_counts": [400] * 10, "test_counts": [100] * 10}
    append(path, "dataset", {**RECORDS["dataset"], "name": "mnist-5k", **counts})
    inputs = Inputs(load(folder, PAGE_COLUMNS), records(folder))
    assert times._spent(inputs)["steps"].tolist() == pytest.approx([4])
    assert times.section(inputs).parts[0].charts[0].caption == (
        "mlp, batch 100, mnist-5k: 4,000 images trained on, 1,000 tested"
    )


def compiled(launches, first, speeds, **changes):
    rows = launches(*speeds, mode="compiled", **changes)
    return [{**row, "first_step_s": first[n]} for n, row in enumerate(rows)]


def test_compiling_pays_after_what_its_first_step_lost(write_set, launches):
    """Eager takes 0.1 s a step of 100 and 0.1 s for the first; compiled 0.05 s, and 2.1 s more for the first."""
    eager = launches(1000.0, 1000.0, 1000.0, mode="eager", first_step_s=0.1)
    inputs = Inputs(load(write_set("a", *eager, *compiled(launches, [2.2] * 3, [2000.0] * 3)), PAGE_COLUMNS), [])
    [line] = pays(inputs.speeds).to_dict("records")
    assert (line["mode"], line["rounds"]) == ("compiled", 3)
    assert (line["steps"], line["low"], line["high"]) == pytest.approx((42, 42, 42))
    [charts, _, table] = times._compiling(inputs)
    assert [cell.text for cell in table.groups[0].lines[0].cells][-1] == "42"
    assert {record["at"]: record["value"] for record in charts.charts[0].records if record["mode"] == "compiled"}[
        100
    ] == pytest.approx(2.2 + 99 * 0.05)


@pytest.mark.parametrize(
    ("first", "speed", "shown"), [(2.2, 900.0, "never"), (0.05, 2000.0, "at once"), (0.05, 900.0, "never")]
)
def test_compiling_may_pay_never_or_at_once(write_set, launches, first, speed, shown):
    eager = launches(1000.0, 1000.0, 1000.0, mode="eager", first_step_s=0.1)
    inputs = Inputs(load(write_set("a", *eager, *compiled(launches, [first] * 3, [speed] * 3)), PAGE_COLUMNS), [])
    [cell] = [line.cells[-1] for line in times._compiling(inputs)[2].groups[0].lines]
    assert (cell.text, cell.note) == (shown, "n = 3")


def test_where_rounds_do_not_agree_that_it_pays_there_is_no_interval(write_set, launches):
    eager = launches(1000.0, 1000.0, 1000.0, mode="eager", first_step_s=0.1)
    rows = compiled(launches, [2.1] * 3, [2000.0, 2000.0, 999.0])
    [line] = pays(Inputs(load(write_set("a", *eager, *rows), PAGE_COLUMNS), []).speeds).to_dict("records")
    assert line["steps"] == pytest.approx(60, rel=0.01)
    assert line["low"] != line["low"]


def test_one_mode_alone_says_nothing_of_compiling(write_set, launches):
    assert times._compiling(Inputs(load(write_set("a", *launches(1000.0)), PAGE_COLUMNS), [])) == []
