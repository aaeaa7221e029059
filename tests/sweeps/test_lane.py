"""The command for a machine with a GPU, and our own study with it, on the processor and with next to no work."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from benchmarks.checks import gpu_lane
from benchmarks.machine.environments import ROOT
from tests.studies.lane import parts

PARTS = [
    "list", "verify", "peak", "sweep", "ratios of numpy", "floors", "sweep of sizes", "peak of narrow types",
    "sweep of narrow types", "verify narrow types", "page",
]  # fmt: skip


def test_every_part_runs_and_leaves_its_rows(command, tmp_path):
    given = f"numpy={ROOT / '.tox' / 'numpy-cpu' / 'bin' / 'python'}"
    line = [sys.executable, "-m", "tests.studies.lane", str(tmp_path), "--device", "cpu", "--small", "--python", given]
    line += ["--seconds", "2000"]  # nothing is ended early, however busy the machine is
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout
    ended = json.loads((tmp_path / "parts.json").read_text())
    assert [part["part"] for part in ended] == PARTS
    assert "gpus" in json.loads((tmp_path / "list.out").read_text())
    proofs = json.loads((tmp_path / "verify.out").read_text())
    verdicts = {proof["mode"]: proof["lockstep"] for proof in proofs if proof["dtype"] == "float32"}
    assert verdicts == {"eager": "pass", "compiled": "unproven", "fused": "unproven"}
    told = command("report", "rows", "--format", "jsonl", "--results", str(tmp_path / "rows")).stdout.splitlines()
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


def test_a_part_that_takes_too_long_is_ended_and_said(command, tmp_path):
    done = command("benchmarks", "selftest", "--device", "cpu", "--out", str(tmp_path), "--small", "--seconds", "1")
    assert done.returncode == 1
    found = json.loads((tmp_path / "parts.json").read_text())
    assert [json.loads(line) for line in done.stdout.splitlines()] == found
    assert [part["part"] for part in found] == [name for name in PARTS if name not in ("ratios of numpy", "floors")]
    assert None in {part["exit_code"] for part in found}


@pytest.mark.parametrize("small", [False, True])
def test_the_shares_of_all_parts_are_the_whole_time_at_most(tmp_path, small):
    options = gpu_lane.Lane(tmp_path, "gpu", ["torch=a", "jax=b"], tmp_path, small=small)
    assert sum(part.share for part in parts(options)) <= 100
