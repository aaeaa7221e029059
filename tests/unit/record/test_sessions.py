from __future__ import annotations

from benchmarks.record.store import session, sessions


def test_sessions_go_through_what_lies_between():
    runs = [{"sweep": "1"}, {"sweep": "2", "resumes": ["1"]}, {"sweep": "3", "resumes": ["2"]}]
    assert sessions(runs) == {"1": "3", "2": "3"}


def test_only_an_older_sweep_can_be_resumed():
    circle = [{"sweep": "1", "resumes": ["2", "1"]}, {"sweep": "2", "resumes": ["1"]}]
    assert sessions(circle) == {"1": "2"}
    assert sessions([{}, {"resumes": ["1"]}]) == {"1": "None"}


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
