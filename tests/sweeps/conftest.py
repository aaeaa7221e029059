"""Real sweeps: the command line as a user types it, real workers in the frameworks' environments."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HELD_UP = "over the whole timed region"  # others ran between two chunks: rightly `invalid`, and no fault of the code
ATTEMPTS = 4  # of a measurement that others held up
# Beside another process two threads that wait for each other take many times as long as one; `six` has the default.
ONE_THREAD = ("--threads", "1")


@pytest.fixture(scope="session")
def command():
    """Run `python -m MODULE ...` and return the finished process."""

    def run(module: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **variables}
        line = [sys.executable, "-m", module, *arguments]
        return subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=900)

    return run


@pytest.fixture
def refused(command):
    """Run a command that must end as bad input: exit code 2 and one line that holds `words`."""

    def run(words: str, *line: str, **variables: str) -> None:
        done = command(*line, **variables)
        assert done.returncode == 2
        assert words in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1

    return run


PROGRAM = """
import sys
from adapters.registry import FRAMEWORKS, Framework
FRAMEWORKS["numpy"] = Framework(sys.argv.pop(1))
from benchmarks.__main__ import main
main()
"""


@pytest.fixture
def broken_command(tmp_path):
    """Run `python -m benchmarks ...` with numpy's adapter replaced; proofs are kept in tmp_path / "cache" alone."""

    def run(adapter: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "LOCKSTEP_CACHE": str(tmp_path / "cache")}
        environment["LOCKSTEP_TURN"] = os.environ["LOCKSTEP_TURN"]
        line = [sys.executable, "-c", PROGRAM, adapter, *arguments]
        return subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    return run


def swept(command, folder, *arguments: str, **variables: str):
    """Run a sweep; return (process, rows). One that others held up is made again, and its file thrown away."""
    before = set(folder.glob("*"))
    for _ in range(ATTEMPTS):
        done = command("benchmarks", "run", "--results", str(folder), *arguments, **variables)
        told = command("report", "rows", "--format", "jsonl", "--results", str(folder))
        rows = [json.loads(line) for line in told.stdout.splitlines()]
        if not any(HELD_UP in row["reason"] for row in rows):
            return done, rows
        for path in set(folder.glob("*")) - before:
            path.unlink()
    pytest.fail(f"others held up a launch in each of {ATTEMPTS} sweeps: {done.stderr}")


@pytest.fixture
def sweep(command, tmp_path):
    """Run a sweep on one thread whose rows go to a folder of the test's own; return (process, rows)."""
    return functools.partial(swept, command, tmp_path / "results", *ONE_THREAD)


@pytest.fixture(scope="session")
def six(command, tmp_path_factory):
    """Sweep all six frameworks once for the tests that only look at it; return (process, rows, folder)."""
    folder = tmp_path_factory.mktemp("six")
    return *swept(command, folder, "--model", "mlp", "--rounds", "1", "--seeds", "1", "--epochs", "3"), folder


@pytest.fixture(scope="session")
def one_launch(command, tmp_path_factory):
    """Time one launch of numpy, to be copied and resumed; return (arguments, its row, folder)."""
    folder = tmp_path_factory.mktemp("one")
    arguments = ("--framework", "numpy", "--model", "mlp", "--epochs", "0")
    done, [row] = swept(command, folder, *ONE_THREAD, *arguments, "--rounds", "1")
    assert done.returncode == 0, done.stderr
    return arguments, row, folder
