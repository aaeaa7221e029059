"""Each list of columns that a table chooses names columns that there are, and follows from the one definition."""

from __future__ import annotations

import pytest

from benchmarks.plan import cells
from benchmarks.record import schema
from benchmarks.record.schema import BY_NAME
from report.page import inputs
from report.page.sections import batches, repeat, roofline, times
from report.results import load, rules
from report.results.load import COLUMN_NAMES, KEYS
from report.tables import history, metrics, over_machines, sides
from report.tables.compare import APART, CELL, COMPARISON, MACHINE, REQUIRED_COLUMNS

CHOSEN = {
    "load.KEYS": KEYS,
    "compare.REQUIRED_COLUMNS": REQUIRED_COLUMNS,
    "sides.READ": sides.READ,
    "history.COLUMNS": history.COLUMNS,
    "families.READ": load.READ,
    "rules.AXES": rules.AXES,
    "rules.READ": rules.READ,
    "rules.UNNAMED": rules.UNNAMED,
    "inputs.COLUMNS": inputs.PAGE_COLUMNS,
    "over_machines.POINT": over_machines.POINT,
    "pivot.APART": APART,
    "batches.SHARED": batches.SHARED,
    "times.SHARED": times.SHARED,
    "times.MEASURED": times.MEASURED.values(),
    "roofline.MACHINE": roofline.MACHINE,
    "again.AXES": repeat.AXES.values(),
    "metrics": (*metrics.AXES, *metrics.LEARNT, *metrics.HIGHER, *metrics.LOWER),
}


@pytest.mark.parametrize("name", CHOSEN)
def test_every_chosen_column_is_one(name):
    assert set(CHOSEN[name]) <= set(COLUMN_NAMES)


def test_what_a_comparison_shares_follows_from_a_cell():
    """A new axis of Cell is shared by comparisons everywhere, and tells cells apart, without another list."""
    assert set(cells.AXES) == {*cells.SHARED, *cells.APART}
    assert set(cells.SHARED) <= BY_NAME.keys()
    assert {*COMPARISON} == {*cells.SHARED, "model", *MACHINE}
    assert {*CELL} == {*COMPARISON, *cells.APART} - {"revision"}
    assert [column.name for column in schema.CELL] == list(cells.SHARED)
