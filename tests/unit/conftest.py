from __future__ import annotations

import pytest

from benchmarks.schema import SCHEMA_VERSION


@pytest.fixture
def row():
    """A row with every required column and nothing else."""
    return {
        "schema_version": SCHEMA_VERSION,
        "sweep": "20260101T000000-abcdef",
        "cell": "0" * 16,
        "started_at": "2026-01-01T00:00:00+00:00",
        "framework": "torch",
        "model": "mlp",
        "recipe": "mlp",
        "dataset": "mnist-5k",
        "device": "cpu",
        "device_name": "A processor",
        "batch_size": 100,
        "mode": "eager",
        "dtype": "float32",
        "pipeline": "resident",
        "threads": 2,
        "task": "speed",
        "round": 0,
        "seed": 0,
        "status": "ok",
        "lockstep": "pass",
        "train_flops_per_sample": 454_400,
        "train_all_flops_per_sample": 457_200.0,
    }
