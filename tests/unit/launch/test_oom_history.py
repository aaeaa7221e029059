from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.launch.launcher import OomHistory
from benchmarks.plan.cells import Cell, Launch

CELL = Cell("torch", "mlp", "mnist-5k", "cpu", 100, "eager", "float32", 2)


@pytest.mark.parametrize(
    ("task", "round_", "changes", "skipped"),
    [
        ("speed", 0, {"batch_size": 101}, True),
        ("accuracy", 0, {"batch_size": 101}, True),
        ("speed", 1, {}, True),  # the very launch that failed
        ("accuracy", 0, {}, False),
        ("speed", 0, {"batch_size": 99}, False),
        ("speed", 0, {"batch_size": 200, "framework": "jax"}, False),
        ("speed", 0, {"batch_size": 200, "mode": "compiled"}, False),
        ("speed", 0, {"batch_size": 200, "revision": "0123456789ab"}, False),
    ],
)
def test_what_is_not_tried_after_memory_ran_out(task, round_, changes, skipped):
    outgrown = OomHistory()
    planned = Launch(task, round_, 0, replace(CELL, **changes))
    for status in ("crashed", "failed", "timeout", "ok"):
        outgrown.note(Launch("speed", 0, 0, CELL), status)
    assert outgrown.skipped(planned) is None
    outgrown.note(Launch("speed", 0, 0, replace(CELL, batch_size=150)), "oom")
    outgrown.note(Launch("speed", 0, 0, CELL), "oom")
    found = outgrown.skipped(planned)
    assert (found is not None) is skipped
    if found:
        assert found["status"] == "skipped"
        assert "batch 100 ran out of memory" in found["reason"]
