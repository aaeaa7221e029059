"""The gate in a real sweep: a framework that computes less than was declared gets no speed, and so cannot win."""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks.environments import ROOT

PROGRAM = """
import sys
from adapters.registry import ADAPTERS
ADAPTERS["numpy"] = sys.argv.pop(1)
from benchmarks.__main__ import main
main()
"""


def sweep(adapter, results, cache, *arguments):
    command = [sys.executable, "-c", PROGRAM, adapter, "run", "--framework", "numpy,torch", "--model", "mlp"]
    done = subprocess.run(
        [*command, "--rounds", "1", "--epochs", "0", "--results", str(results), *arguments],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "LOCKSTEP_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    listed = [sys.executable, "-m", "report", "rows", "--format", "json", "--results", str(results)]
    lines = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return done, {row["framework"]: row for row in map(json.loads, lines)}


def test_a_framework_that_skips_the_backward_pass_is_invalid_and_not_the_winner(tmp_path, command):
    done, rows = sweep("tests.meta.broken:SkipsBackward", tmp_path / "results", tmp_path / "cache")
    assert done.returncode == 1
    assert rows["numpy"]["status"] == "invalid"
    assert rows["numpy"]["lockstep"] == "fail"
    assert rows["numpy"]["train_samples_per_s"] is None
    assert "the loss is" in rows["numpy"]["reason"]
    assert rows["torch"]["lockstep"] == "pass"
    assert rows["torch"]["lockstep_float64_deviation"] < 1e-12
    table = command("report", "compare", "--results", str(tmp_path / "results")).stdout
    print(table)
    torch, numpy = (next(line for line in table.splitlines() if f" {name} " in line) for name in ("torch", "numpy"))
    assert table.index(torch) < table.index(numpy)
    assert "invalid" in numpy
    assert "1.000" in torch


def test_a_proof_is_kept_until_what_it_depends_on_changes(tmp_path):
    cache = tmp_path / "cache"
    sweep("adapters.numpy:NumpyAdapter", tmp_path / "results", cache)
    kept = {path: path.stat().st_mtime_ns for path in (cache / "proofs").glob("*.json")}
    assert len(kept) == 2
    sweep("adapters.numpy:NumpyAdapter", tmp_path / "results", cache)
    assert kept == {path: path.stat().st_mtime_ns for path in (cache / "proofs").glob("*.json")}
    sweep("adapters.numpy:NumpyAdapter", tmp_path / "results", cache, "--fresh-proof")
    assert all(path.stat().st_mtime_ns > before for path, before in kept.items())
    sweep("adapters.numpy:NumpyAdapter", tmp_path / "results", cache, "--seed", "1")
    assert len(list((cache / "proofs").glob("*.json"))) == 4
