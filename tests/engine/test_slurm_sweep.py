"""A sweep through a real Slurm, as a user types it: all rows come, and nothing stays in the queue."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.slurm import Slurm, missing, slurm
from tests.process.faults.processes import alive, until

ROOT = Path(__file__).resolve().parents[2]
SWEEP = "run --engine dask --cluster slurm --nodes 2 --framework numpy --model mlp --rounds 0 --seeds 2 --epochs 1"


@pytest.fixture
def running():
    if absent := missing():
        pytest.skip(f"Slurm is not installed here (no {', '.join(absent)}): apt-get install slurm-wlm munge")
    with slurm() as started:
        yield started


def test_a_sweep_through_slurm_ends_with_all_rows(running: Slurm, tmp_path):
    variables = {
        "PYTHONPATH": str(ROOT),
        "LOCKSTEP_CACHE": str(tmp_path / "cache"),
        "DASK_JOBQUEUE__SLURM__SCHEDULER_OPTIONS": "{'host': '127.0.0.1'}",
    }
    line = [sys.executable, "-m", "benchmarks", *SWEEP.split(), "--no-peak", "--results", str(tmp_path / "results")]
    how = {"cwd": ROOT, "capture_output": True, "text": True, "timeout": 400}
    done = subprocess.run(line, env=running.environment | variables, check=False, **how)
    printed = [path.read_text() for path in (tmp_path / "cache" / "jobs").iterdir()]
    assert done.returncode == 0, (done.stderr, printed)
    assert "1 configuration requested, 1 reported: 1 ok" in done.stdout + done.stderr
    files = [path.read_text() for path in (tmp_path / "results").glob("*.jsonl")]
    told = [json.loads(text) for file in files for text in file.splitlines()]
    rows = [record for record in told if record.get("status")]
    assert sorted((row["seed"], row["status"]) for row in rows) == [(0, "ok"), (1, "ok")]
    assert sum("begins" in text for text in printed) >= 1
    until(lambda: not running.jobs(), "an empty queue", 60, 0.2)
    until(lambda: len(alive(running.processes())) == 4, "no process of a job: four daemons")
