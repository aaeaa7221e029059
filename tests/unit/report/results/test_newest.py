"""Which launches count, where some were interrupted and made later."""

from __future__ import annotations

import pytest

from report.results.load import load
from report.tables.compare import compare, newest

FIRST, SECOND = "20260101T000000-aaaaaa", "20260102T000000-aaaaaa"


@pytest.fixture
def counted(write_set):
    """Return (day of the sweep, round, status) of the launches that count."""

    def run(*rows, resumes=()):
        folder = write_set("set", *[row for row in rows if row["sweep"] == FIRST])
        write_set("set", *[row for row in rows if row["sweep"] == SECOND], resumes=list(resumes))
        frame = newest(load(folder))
        return sorted(zip(frame["sweep"].str[7].astype(int), frame["round"], frame["status"], strict=True))

    return run


def lost(row):
    return {**row, "status": "interrupted", "train_samples_per_s": None, "flops_per_s": None}


def test_what_was_interrupted_and_resumed_is_not_counted_as_missing(counted, launches):
    one, two = launches(1000, 1000)
    again = {**two, "sweep": SECOND}
    assert counted(one, lost(two), again, resumes=[FIRST]) == [(1, 0, "ok"), (2, 1, "ok")]


def test_what_was_interrupted_and_not_resumed_is_shown(counted, launches):
    one, two = launches(1000, 1000)
    assert counted(one, lost(two)) == [(1, 0, "ok"), (1, 1, "interrupted")]


def test_what_failed_before_is_shown_beside_what_went_well_later(counted, launches):
    """A worker that crashed is news of its framework; one that was never started is none."""
    [one] = launches(1000)
    found = counted({**lost(one), "status": "crashed"}, {**one, "sweep": SECOND}, resumes=[FIRST])
    assert [status for _, _, status in found] == ["crashed", "ok"]


def test_an_interrupted_sweep_hides_no_older_one(counted, launches):
    one, two = launches(1000, 1000)
    found = counted(one, two, *(lost({**row, "sweep": SECOND}) for row in (one, two)))
    assert found == [(1, 0, "ok"), (1, 1, "ok"), (2, 0, "interrupted"), (2, 1, "interrupted")]


def test_a_launch_that_was_interrupted_twice_is_shown_once(counted, launches):
    [one] = launches(1000)
    assert counted(lost(one), lost({**one, "sweep": SECOND})) == [(2, 0, "interrupted")]


def test_launches_of_another_identity_count_no_more(counted, launches):
    """The environment changed between two sweeps, of which the second resumed the first for another cell's sake."""
    rows = launches(1000, 1000, 1000)
    new = [{**row, "sweep": SECOND, "cell": "1" * 16} for row in rows[:2]]
    assert counted(*rows, *new, resumes=[FIRST]) == [(2, 0, "ok"), (2, 1, "ok")]


def test_a_table_says_that_some_were_interrupted(write_set, launches):
    one, two = launches(1000, 1000)
    [line] = compare(load(write_set("set", one, lost(two)))).to_dict("records")
    assert (line["launches"], line["status"]) == (1, "interrupted, ok")
