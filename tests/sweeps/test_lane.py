"""The script for a machine with a GPU, whole, on the processor and with next to no work."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

from benchmarks.machine.environments import ROOT
from tests.studies import lane

PARTS = [
    "list", "lockstep", "peak", "sweep", "ratios of numpy", "floors", "sweep of sizes", "peak of narrow types",
    "sweep of narrow types", "lockstep of narrow types", "page",
]  # fmt: skip


def test_every_part_runs_and_leaves_its_rows(command, tmp_path):
    given = f"numpy={ROOT / '.tox' / 'numpy-cpu' / 'bin' / 'python'}"
    line = [sys.executable, "-m", "tests.studies.lane", str(tmp_path), "--device", "cpu", "--small", "--python", given]
    line += ["--seconds", "2000"]  # nothing is ended early, however busy the machine is
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout
    parts = json.loads((tmp_path / "parts.json").read_text())
    assert [part["part"] for part in parts] == PARTS
    assert "gpus" in json.loads((tmp_path / "list.out").read_text())
    proofs = json.loads((tmp_path / "lockstep.out").read_text())
    verdicts = {proof["mode"]: proof["lockstep"] for proof in proofs if proof["dtype"] == "float32"}
    assert verdicts == {"eager": "pass", "compiled": "unproven", "fused": "unproven"}
    told = command("report", "rows", "--format", "json", "--results", str(tmp_path / "rows")).stdout.splitlines()
    rows = [json.loads(row) for row in told]
    measured = {(row["dtype"], row["batch_size"], row["mode"], row["status"]) for row in rows}
    assert measured == {
        ("float32", 8, "eager", "ok"),
        ("float32", 8, "compiled", "unsupported"),
        ("float32", 8, "fused", "unsupported"),
        ("float32", 32, "eager", "ok"),
        ("float32", 32, "fused", "unsupported"),
        ("tf32", 8, "eager", "unsupported"),
        ("bfloat16", 8, "eager", "unsupported"),
    }
    said = [json.loads(line) for line in (tmp_path / "floors.out").read_text().splitlines()]
    assert [one["who"] for one in said if "over the plain loop" in one["floor"]] == ["numpy"]
    assert "batch 32" in (tmp_path / "report.html").read_text()


def test_a_part_that_takes_too_long_is_ended_and_said(tmp_path):
    line = [sys.executable, "-m", "tests.studies.lane", str(tmp_path), "--device", "cpu", "--small", "--seconds", "1"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 1
    assert None in {part["exit_code"] for part in json.loads((tmp_path / "parts.json").read_text())}


def test_the_shares_of_all_parts_are_the_whole_time_at_most(tmp_path):
    for small in (False, True):
        given = {"small": small, "python": ["torch=a", "jax=b"], "device": "gpu", "data_dir": "c", "seconds": 460.0}
        assert sum(share for _, share, _ in lane.parts(argparse.Namespace(out=tmp_path, **given))) <= 100
