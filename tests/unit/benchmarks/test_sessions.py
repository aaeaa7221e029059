from __future__ import annotations

import pytest

from benchmarks.sessions import newest, session, sessions

ALONE = {"revision": None, "attempt": None}  # what a row of a sweep on one machine has besides what every row has


def test_sessions_go_through_what_lies_between():
    runs = [{"sweep": "1"}, {"sweep": "2", "resumes": ["1"]}, {"sweep": "3", "resumes": ["2"]}]
    assert sessions(runs) == {"1": "3", "2": "3"}


def test_only_an_older_sweep_can_be_resumed():
    circle = [{"sweep": "1", "resumes": ["2", "1"]}, {"sweep": "2", "resumes": ["1"]}]
    assert sessions(circle) == {"1": "2"}
    assert sessions([{}, {"resumes": ["1"]}]) == {"1": "None"}


def test_tables_count_the_newest_session_of_each_cell_and_task(row):
    alone = {**ALONE, **row, "machine_kind": "a"}
    rows = [
        {**alone, "revision": revision, "sweep": sweep, "task": task, "framework": framework}
        for sweep, task, framework, revision in [
            ("1", "speed", "torch", None), ("2", "speed", "torch", None), ("3", "speed", "torch", None),
            ("1", "accuracy", "torch", None), ("1", "speed", "jax", None), ("3", "speed", "torch", "abc"),
        ]
    ]  # fmt: skip
    counted = newest(rows, {"2": "3"})
    assert [(found["sweep"], found["task"], found["framework"]) for found in counted] == [
        ("2", "speed", "torch"), ("3", "speed", "torch"), ("1", "accuracy", "torch"), ("1", "speed", "jax"),
    ]  # fmt: skip
    assert not any(found["revision"] for found in counted)


def test_members_are_of_the_session_of_the_sweep_that_they_are_part_of():
    runs = [
        {"sweep": "1"},
        {"sweep": "1.m01"},
        {"sweep": "2.m01", "resumes": ["1.m01"]},
        {"sweep": "3", "resumes": ["2"]},
    ]
    last = sessions(runs)
    assert [session(name, last) for name in ("1.m01", "1", "2.m02", "3.m01", "3")] == ["3"] * 5
    assert session("4.m01", last) == "4"
    assert session("20260101T000000.846-abcdef", last) == "20260101T000000.846-abcdef"


def test_a_newer_machine_hides_none_of_another_kind(row):
    rows = [{**ALONE, **row, "sweep": sweep, "machine_kind": kind} for sweep, kind in (("1", "a"), ("2", "b"))]
    assert newest(rows, {}) == rows
    assert newest([{**found, "machine_kind": "a"} for found in rows], {}) == [{**rows[1], "machine_kind": "a"}]


@pytest.fixture
def made(row):
    """Return rows from (sweep, round, kind of machine, attempt, status); a later attempt has the slower clock."""

    def write(*launches):
        names = ("sweep", "round", "machine_kind", "attempt", "status")
        rows = [{**ALONE, **row, **dict(zip(names, launch, strict=True))} for launch in launches]
        return [{**found, "started_at": f"2026-01-01T00:00:0{9 - found['attempt']}"} for found in rows]

    return write


def counted(rows):
    return [(found["sweep"], found["round"], found["status"]) for found in newest(rows, {})]


def test_the_last_attempt_counts_whatever_names_and_clocks_say(made):
    """The member with the smaller number took over; one of another kind has its own comparison."""
    rows = made(
        ("1.m02", 0, "a", 1, "ok"), ("1.m02", 1, "a", 1, "ok"), ("1.m01", 2, "a", 2, "invalid"),
        ("1.m03", 0, "b", 1, "ok"), ("1", 3, "a", 1, "interrupted"),
    )  # fmt: skip
    assert counted(rows) == [("1.m01", 2, "invalid"), ("1.m03", 0, "ok")]


def test_an_attempt_that_measured_nothing_overtakes_nothing_and_is_there_once(made):
    rows = made(
        ("1.m02", 0, "a", 1, "ok"), ("1", 0, "a", 2, "interrupted"), ("1", 1, "a", 2, "interrupted"),
        ("1", 1, "a", 3, "interrupted"),
    )  # fmt: skip
    assert counted(rows) == [("1.m02", 0, "ok"), ("1", 1, "interrupted")]


def test_what_was_collected_after_it_was_given_up_counts_as_measured_once(made):
    rows = made(("1", 0, "a", 1, "interrupted"), ("1", 1, "a", 1, "interrupted"), ("1.m01", 0, "a", 1, "ok"))
    assert counted(rows) == [("1", 1, "interrupted"), ("1.m01", 0, "ok")]


def test_an_attempt_that_measured_another_revision_alone_counts(made):
    first, second = made(("1.m01", 0, "a", 1, "ok"), ("1.m02", 0, "a", 2, "ok"))
    assert counted([first, {**second, "revision": "abc"}]) == []


def test_what_a_resumed_sweep_makes_anew_takes_the_place_of_half_a_comparison(made):
    half = made(("1.m01", 0, "a", 2, "ok"), ("1.m01", 1, "a", 2, "ok"))
    anew = made(("2", 1, "a", 1, "interrupted"), ("2.m01", 0, "a", 1, "ok"))
    last = sessions([{"sweep": "1"}, {"sweep": "2", "resumes": ["1.m01"]}])
    assert newest([*half, anew[0]], last) == half
    assert newest([*half, *anew], last) == anew
    single = [{**row, "sweep": "2", "attempt": None, "round": 2} for row in half[:1]]  # on one machine: goes on
    assert newest([*half, *single], last) == [*half, *single]
