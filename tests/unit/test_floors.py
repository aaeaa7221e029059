"""The floors of a card, read from made-up rows and ratios."""

from __future__ import annotations

from tests.studies.floors import floors

ROW = {"status": "ok", "task": "speed", "dtype": "float32", "input": "preloaded", "framework": "torch",
       "model": "lenet", "batch_size": 100, "mode": "fused", "train_samples_per_s": 300_000.0, "mfu": 0.1}  # fmt: skip


def test_each_floor_holds_does_not_or_was_not_measured():
    rows = [ROW, ROW | {"mode": "eager", "train_samples_per_s": 100_000.0}, ROW | {"batch_size": 8192, "mfu": 0.4}]
    rows += [ROW | {"train_samples_per_s": 9e9, "dtype": "bfloat16"}, ROW | {"status": "failed", "mfu": None}]
    ratio = {"framework": "jax", "model": "lenet", "batch_size": 100, "mode": "fused", "against": "loop"}
    found = list(floors(rows, [ratio | {"rates": [[1.0, 0.97], [1.0, 0.97], [1.0, 1.0]]}]))
    assert [(one["found"], one["holds"]) for one in found] == [(3e5, True), (3.0, False), (0.4, True), (0.97, False)]
    assert [one["holds"] for one in floors([], [])] == [None] * 4
