from __future__ import annotations

import math

import pytest

from benchmarks.errors import SchemaError
from benchmarks.plan.cells import AXES
from benchmarks.record.schema import BY_NAME, COLUMNS, KINDS, TASKS, names, validate
from benchmarks.worker.protocol import ANSWERS, SpeedAnswer
from benchmarks.worker.speed import PLAN
from benchmarks.worker.validate import _fields


def test_a_valid_row_gets_every_column_in_order(row):
    complete = validate({**row, "train_samples_per_s": 1e5, "flags": ["drifting"]})
    assert list(complete) == [column.name for column in COLUMNS]
    assert complete["accuracy"] is None


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("status", "fine"),
        ("batch_size", 0),
        ("batch_size", True),
        ("batch_size", "100"),
        ("round", -1),
        ("train_samples_per_s", 0.0),
        ("train_samples_per_s", math.nan),
        ("train_samples_per_s", math.inf),
        ("accuracy", 98.0),
        ("seed", 2**63),
        ("loss", 10**400),
        ("flags", "drifting"),
        ("train_chunk_s", [0.1, None]),
        ("device", "tpu"),
        ("schema_version", 1),
        ("framework", None),
    ],
)
def test_what_does_not_fit_is_refused_by_name(row, column, value):
    with pytest.raises(SchemaError, match=column):
        validate({**row, column: value})


def test_unknown_and_missing_columns_are_refused(row):
    with pytest.raises(SchemaError, match="speed"):
        validate({**row, "speed": 1.0})
    del row["seed"]
    with pytest.raises(SchemaError, match="'seed'"):
        validate(row)


def test_no_two_columns_share_a_name():
    assert len(BY_NAME) == len(COLUMNS)


def test_what_a_worker_answers_are_columns_and_nothing_of_what_the_harness_decides():
    answers = {name: kind for task in TASKS for name, (kind, _) in _fields(ANSWERS[task]).items()}
    for name, kind in answers.items():
        assert kind in (KINDS[BY_NAME[name].kind], KINDS[BY_NAME[name].kind] | None), name
    assert {"status", "reason", "flags", "train_chunk_s"} <= answers.keys()
    decided = {*AXES, "seed", "round", "attempt", "lockstep", "mfu", "canary_before_s", "gpu_power_w"}
    assert not answers.keys() & decided


def test_a_speed_answer_has_the_plan_of_later_launches():
    answer = _fields(SpeedAnswer)
    assert all(answer[name] == (int, True) for name in PLAN)


def test_a_choice_of_columns_is_held_to_the_table():
    assert names("status", "flags", "status") == ("status", "flags")
    with pytest.raises(KeyError, match="statsu"):
        names("statsu")
