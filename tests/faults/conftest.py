"""Sweeps of the misbehaving adapter: the command line as a user types it, real workers, real signals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("--model", "linear", "--rounds", "1", "--seeds", "0", "--no-peak")


@pytest.fixture
def cache(tmp_path):
    """Proofs and data are kept here alone, by every process of this test."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "LOCKSTEP_CACHE": str(tmp_path / "cache")}


@pytest.fixture
def start(cache, tmp_path):
    """Start `benchmarks run` with the fakes registered, quick unless told; returns the process, rows in results/."""

    def begin(*arguments: str, **variables: str) -> subprocess.Popen[str]:
        line = [sys.executable, "-m", "tests.faults.harness", "run", *QUICK, "--results", str(tmp_path / "results")]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        begun.append(subprocess.Popen([*line, *arguments], cwd=ROOT, env={**cache, **variables}, **pipes))
        return begun[-1]

    begun: list[subprocess.Popen[str]] = []
    yield begin
    for process in begun:  # a test that failed may have left it running
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture
def program(cache, tmp_path):
    """Run a program that changes something and then is `benchmarks run` of the fakes; return the finished process."""

    def run(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-c", text, "run", *QUICK, "--results", str(tmp_path / "results"), *arguments]
        return subprocess.run(line, cwd=ROOT, env=cache, capture_output=True, text=True, check=False, timeout=300)

    return run


@pytest.fixture
def rows(cache, tmp_path):
    """Return all rows as `python -m report rows` tells them."""

    def read() -> list[dict]:
        line = [sys.executable, "-m", "report", "rows", "--format", "json", "--results", str(tmp_path / "results")]
        done = subprocess.run(line, cwd=ROOT, env=cache, capture_output=True, text=True, check=True)
        return [json.loads(row) for row in done.stdout.splitlines()]

    return read


@pytest.fixture
def sweep(start, rows):
    """Run a sweep to its end; return (exit code, what it said, rows)."""

    def run(*arguments: str, **variables: str) -> tuple[int, str, list[dict]]:
        process = start(*arguments, **variables)
        out, err = process.communicate(timeout=300)
        return process.returncode, out + err, rows()

    return run
