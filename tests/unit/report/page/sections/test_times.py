from __future__ import annotations

import pytest

from benchmarks.record.store import append
from report.page.inputs import PAGE_COLUMNS, Inputs
from report.page.sections import times
from report.results.load import load, records
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
