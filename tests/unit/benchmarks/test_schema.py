from __future__ import annotations

import math

import pytest

from benchmarks.errors import SchemaError
from benchmarks.schema import BY_NAME, COLUMNS, validate


def test_a_valid_row_gets_every_column_in_order(row):
    complete = validate({**row, "train_samples_per_s": 1e5, "flags": ["not_steady"]})
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
        ("flags", "not_steady"),
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
