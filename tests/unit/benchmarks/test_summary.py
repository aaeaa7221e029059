"""The tables at a sweep's end: which launches stand in one table, and in one line."""

from __future__ import annotations

from benchmarks.cli import summary
from benchmarks.record.schema import validate

ROW = {
    **{"schema_version": 5, "sweep": "s", "cell": "c", "started_at": "now", "framework": "torch", "dataset": "mnist"},
    **{"model": "mlp", "recipe": "mlp", "device": "cpu", "device_name": "some", "batch_size": 100, "mode": "eager"},
    **{"dtype": "float32", "input": "preloaded", "threads": 2, "task": "speed", "round": 0, "seed": 0, "flags": []},
    **{"status": "ok", "lockstep": "pass", "train_flops_per_sample": 1, "train_all_flops_per_sample": 1.0},
    "train_samples_per_s": 1000.0,
}


def test_two_recipes_of_one_network_are_two_comparisons():
    tables = list(summary.summary([validate(ROW), validate(ROW | {"recipe": "mlp_tutorial"})]))
    assert [table.title.split(",")[0] for table in tables] == ["mlp", "mlp_tutorial"]
    assert [list(table.columns[3].cells) for table in tables] == [["1"], ["1"]]
