from __future__ import annotations

import pytest

from report.page.inputs import PAGE_COLUMNS, Inputs
from report.page.sections import times
from report.results.load import load


def test_host_feeding_is_what_an_epoch_takes_longer(write_set, launches):
    rows = [*launches(1000.0), *launches(800.0, input="host")]
    found = times._spent(Inputs(load(write_set("host", *rows), PAGE_COLUMNS), [])).set_index("input")
    assert found.loc["preloaded", "steps"] == pytest.approx(60)
    assert found.loc["host", "steps"] == pytest.approx(60)
    assert found.loc["host", "host feeding"] == pytest.approx(15)
