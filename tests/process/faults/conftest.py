"""Sweeps of the misbehaving adapter: the command line as a user types it, real workers, real signals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[3]
QUICK = ("--model", "linear", "--rounds", "1", "--seeds", "0", "--no-peak")
ACCURACY = ("--rounds", "0", "--seeds", "1", "--epochs", "1")  # of the fakes: half a second, where a speed takes five


def marked(folder: Path) -> list[psutil.Process]:
    """Return the living processes, this one apart, whose TMPDIR is this folder: workers see it, and hand it on."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TMPDIR") == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:  # it ended meanwhile, or is another user's
            continue
    return [process for process in found if process.pid != os.getpid()]


def left(folder: Path, within_s: float = 8.0) -> list[psutil.Process]:
    """Return what is still there after some seconds of waiting; nothing is waited for where there is nothing."""
    end = time.monotonic() + within_s
    while (found := marked(folder)) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def end_and_name(processes: list[psutil.Process]) -> list[str]:
    """End processes that should not be there and say which they were."""
    named = []
    for process in processes:
        try:
            named.append(f"{process.pid}: {' '.join(process.cmdline())}")
            process.kill()
        except psutil.Error:
            continue
    return named


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch) -> Iterator[Path]:
    """TMPDIR of all that this test starts, directly or not; at its end no such process may be left."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    if named := end_and_name(left(folder)):
        pytest.fail(f"processes were left behind: {named}")


@pytest.fixture
def cache(tmp_path, temporary):
    """Proofs and data are kept here alone, by every process of this test."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "LOCKSTEP_CACHE": str(tmp_path / "cache")}


@pytest.fixture
def start(cache, tmp_path):
    """Start `benchmarks run` with the fakes registered, quick unless told; returns the process, rows in results/."""

    def begin(*arguments: str, **variables: str) -> subprocess.Popen[str]:
        line = [
            sys.executable,
            "-m",
            "tests.process.faults.harness",
            "run",
            *QUICK,
            "--results",
            str(tmp_path / "results"),
        ]
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
        line = [sys.executable, "-m", "report", "rows", "--format", "jsonl", "--results", str(tmp_path / "results")]
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
