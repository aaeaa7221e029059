"""The script for a machine with a GPU, whole, on the processor and with next to no work."""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks.environments import ROOT


def test_every_part_runs_and_leaves_its_rows(command, tmp_path):
    given = f"numpy={ROOT / '.tox' / 'numpy-cpu' / 'bin' / 'python'}"
    line = [sys.executable, "-m", "tests.plain.lane", str(tmp_path), "--device", "cpu", "--small", "--python", given]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout
    parts = json.loads((tmp_path / "parts.json").read_text())
    assert [part["part"] for part in parts] == ["list", "lockstep", "peak", "sweep", "page", "floors"]
    assert "gpus" in json.loads((tmp_path / "list.out").read_text())
    proofs = json.loads((tmp_path / "lockstep.out").read_text())
    verdicts = {proof["mode"]: proof["lockstep"] for proof in proofs if proof["dtype"] == "float32"}
    assert verdicts == {"eager": "pass", "compiled": "unproven", "fused": "unproven"}
    told = command("report", "rows", "--format", "json", "--results", str(tmp_path / "rows")).stdout.splitlines()
    rows = [json.loads(row) for row in told]
    assert {(row["batch_size"], row["mode"], row["status"]) for row in rows} == {
        *((size, "eager", "ok") for size in (8, 32)),
        *((size, mode, "unsupported") for size in (8, 32) for mode in ("compiled", "fused")),
    }
    assert "batch 32" in (tmp_path / "report.html").read_text()


def test_a_part_that_takes_too_long_is_ended_and_said(tmp_path):
    line = [sys.executable, "-m", "tests.plain.lane", str(tmp_path), "--device", "cpu", "--small", "--seconds", "1"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 1
    assert None in {part["exit_code"] for part in json.loads((tmp_path / "parts.json").read_text())}
