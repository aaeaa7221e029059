from __future__ import annotations

from benchmarks.sessions import newest, session, sessions


def test_sessions_go_through_what_lies_between():
    runs = [{"sweep": "1"}, {"sweep": "2", "resumes": ["1"]}, {"sweep": "3", "resumes": ["2"]}]
    assert sessions(runs) == {"1": "3", "2": "3"}


def test_only_an_older_sweep_can_be_resumed():
    circle = [{"sweep": "1", "resumes": ["2", "1"]}, {"sweep": "2", "resumes": ["1"]}]
    assert sessions(circle) == {"1": "2"}
    assert sessions([{}, {"resumes": ["1"]}]) == {"1": "None"}


def test_tables_count_the_newest_session_of_each_cell_and_task(row):
    rows = [
        {**row, "revision": revision, "sweep": sweep, "task": task, "framework": framework, "machine_kind": "a"}
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
    rows = [{**row, "revision": None, "sweep": sweep, "machine_kind": kind} for sweep, kind in (("1", "a"), ("2", "b"))]
    assert newest(rows, {}) == rows
    assert newest([{**found, "machine_kind": "a"} for found in rows], {}) == [{**rows[1], "machine_kind": "a"}]


def test_a_comparison_that_began_anew_counts_where_it_began_last(row):
    """The member with the smaller number took over: names say nothing of the order."""
    made = [("1.m02", 0, "a"), ("1.m02", 1, "a"), ("1.m01", 2, "a"), ("1.m03", 0, "b")]
    rows = [
        {**row, "revision": None, "sweep": sweep, "machine_kind": kind, "started_at": f"2026-01-01T00:00:0{second}"}
        for sweep, second, kind in made
    ]
    assert [found["sweep"] for found in newest(rows, {})] == ["1.m01", "1.m03"]
    lost = {**rows[0], "sweep": "1.m04", "status": "interrupted", "started_at": "2026-01-01T00:00:09"}
    assert "1.m01" in {found["sweep"] for found in newest([*rows, lost], {})}
