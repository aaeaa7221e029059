from __future__ import annotations

from benchmarks.sessions import newest, sessions


def test_sessions_go_through_what_lies_between():
    runs = [{"sweep": "1"}, {"sweep": "2", "resumes": ["1"]}, {"sweep": "3", "resumes": ["2"]}]
    assert sessions(runs) == {"1": "3", "2": "3"}


def test_only_an_older_sweep_can_be_resumed():
    circle = [{"sweep": "1", "resumes": ["2", "1"]}, {"sweep": "2", "resumes": ["1"]}]
    assert sessions(circle) == {"1": "2"}
    assert sessions([{}, {"resumes": ["1"]}]) == {"1": "None"}


def test_tables_count_the_newest_session_of_each_cell_and_task(row):
    rows = [
        {**row, "revision": revision, "sweep": sweep, "task": task, "framework": framework}
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
