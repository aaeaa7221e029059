"""Every parser under a coverage-guided fuzzer for some seconds: nothing but its typed errors may leave it.

LOCKSTEP_FUZZ_SECONDS=120 gives each parser two minutes; `-m soak` one.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGETS = sorted(path.stem.removeprefix("target_") for path in Path(__file__).parent.glob("target_*.py"))
FEWEST = 50  # executions below which a run has shown nothing
SECONDS = {"csv": 12}  # pyarrow makes 785 converters for each file


def fuzz(target, seconds, folder, *options):
    command = [sys.executable, "-m", "tests.fuzz.fuzzing", target, str(folder), str(seconds), *options]
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds + 60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    executions, took_s = map(int, re.search(r"Done (\d+) runs in (\d+) second", done.stderr).groups())
    print(f"{target}: {executions:,} executions in {took_s} s")
    assert executions >= FEWEST


@pytest.mark.parametrize("target", TARGETS)
def test_only_typed_errors_leave_a_parser(tmp_path, target):
    if seconds := os.environ.get("LOCKSTEP_FUZZ_SECONDS"):
        fuzz(target, int(seconds), tmp_path)
    else:
        fuzz(target, SECONDS.get(target, 3), tmp_path, "-seed=1")  # what is tried first is the same for everyone


@pytest.mark.soak
@pytest.mark.parametrize("target", TARGETS)
def test_only_typed_errors_leave_a_parser_in_a_minute(tmp_path, target):
    fuzz(target, 60, tmp_path)
