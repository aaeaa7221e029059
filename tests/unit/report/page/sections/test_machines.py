from __future__ import annotations

import pytest

from benchmarks.record.store import append
from report.page.document import _across_machines, facts
from report.page.inputs import PAGE_COLUMNS, Inputs
from report.page.sections.machines import machines
from report.results.load import load, records
from tests.unit.known_lines import RECORDS
from tests.unit.report.known import BASE, of_attempt


@pytest.mark.parametrize("shown", [0, 1])
def test_what_was_asked_for_and_not_made_is_said_once_of_all_machines(on_machines, launches, shown):
    """Whether or not the driver's file has launches that are shown."""
    lost = of_attempt(1, launches(1, 1), "2" * 16)[1 : 1 + shown]
    members = [("small", of_attempt(1, launches(200), "1" * 16)), ("large", of_attempt(1, launches(100), "2" * 16))]
    folder = on_machines(members, lost, launches=9)
    append(folder / f"{BASE}.jsonl", "stop", {**RECORDS["stop"], "reason": "time cap"})
    append(folder / f"{BASE}.jsonl", "end", {"wall_s": {}, "reported": 3})
    inputs = Inputs(load(folder, PAGE_COLUMNS), records(folder))
    assert "6 more asked for and not made (time cap)" in list(_across_machines(inputs, machines(inputs)))
    parts = [fact for found in machines(inputs) for fact in facts(found.inputs)]
    assert not any("not made" in fact for fact in parts)
