"""Numbers of groups, and loading only the launches that a table needs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.record.store import append
from report.results.load import load
from report.tables import groups
from report.tables.compare import REQUIRED_COLUMNS, compare, shown_rows


@pytest.mark.parametrize("largest", [groups.LARGEST, 40])
def test_numbers_are_those_of_pandas_own_grouping(monkeypatch, largest):
    monkeypatch.setattr(groups, "LARGEST", largest)
    rng = np.random.default_rng(0)
    n = 500
    frame = pd.DataFrame({
        "text": pd.Series(rng.choice(["b", "a", None], n), dtype="string"),
        "category": pd.Categorical(rng.choice(["z", "y", "x"], n), categories=["z", "unused", "x", "y"]),
        "number": pd.Series(rng.integers(0, 9, n), dtype="Int64").mask(rng.random(n) < 0.1),
        "flag": rng.random(n) < 0.5,
    })  # fmt: skip
    plain = frame.astype({"category": "string"})
    expected = plain.groupby(list(plain), dropna=False, observed=True).ngroup()
    assert groups.number(frame, list(frame)).tolist() == expected.tolist()
    assert groups.number(frame.iloc[:0], list(frame)).tolist() == []


def test_a_table_of_the_rows_it_needs_is_that_of_all(tmp_path, row):
    def put(sweep, **run):
        append(tmp_path / f"{sweep}.jsonl", "run", {"sweep": sweep, "machine_kind": "abc", **run})

    def launch(sweep, number, **changes):
        measured = {"train_samples_per_s": 1000.0 + number, "flags": ["noisy"] * (number % 2)}
        append(tmp_path / f"{sweep}.jsonl", "row", {**row, "sweep": sweep, "round": number, **measured, **changes})

    put("1")
    put("2", resumes=["1"])
    for number in range(4):
        for framework in ("torch", "jax"):
            launch("1", number, framework=framework)
        launch("2", number, framework="torch", cell="1" * 16)
        launch("2", number, framework="mxnet", status="interrupted")
        launch("2", number, framework="torch", revision="abc")
    launch("1", 0, framework="tinygrad", revision="abc")
    whole, needed = load(tmp_path, REQUIRED_COLUMNS), load(tmp_path, REQUIRED_COLUMNS, which=shown_rows)
    assert len(needed) < len(whole)
    pd.testing.assert_frame_equal(compare(needed), compare(whole))
    assert set(needed["framework"]) == set(whole["framework"])


def test_files_that_change_between_the_two_readings_are_read_whole(tmp_path, row):
    append(tmp_path / "a.jsonl", "row", {**row, "train_samples_per_s": 1.0})

    def shrinks(frame):
        (tmp_path / "a.jsonl").write_bytes(b"")
        return np.ones(len(frame), bool)

    assert load(tmp_path, REQUIRED_COLUMNS, which=shrinks).empty

    append(tmp_path / "a.jsonl", "row", {**row, "train_samples_per_s": 2.0})

    def grows(frame):
        append(tmp_path / "a.jsonl", "row", {**row, "train_samples_per_s": 3.0})
        return np.ones(len(frame), bool)

    assert load(tmp_path, REQUIRED_COLUMNS, which=grows)["train_samples_per_s"].tolist() == [2.0]
