"""The doctor as a user calls it, on this checkout's own environments and the kept results."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from benchmarks.machine.environments import ROOT


def test_the_kept_results_and_this_checkout_are_sound(tmp_path):
    line = [
        sys.executable,
        "-m",
        "benchmarks",
        "info",
        "check",
        "--results",
        str(ROOT / "results" / "reference"),
        "--json",
    ]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "LOCKSTEP_CACHE": str(tmp_path)}
    done = subprocess.run(line, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    assert [item for item in found if item["level"] == "error"] == []
    assert done.returncode == 0, done.stderr
    sections = ["environments", "machine", "disk", "data", "results", "rules"]
    assert list(dict.fromkeys(item["section"] for item in found)) == sections
    assert sum(item["section"] == "rules" for item in found) == 8
