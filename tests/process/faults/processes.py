"""Looking at processes: which workers of this checkout's fakes live, and waiting for what must happen soon."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil

INSTANT = str(Path(__file__).with_name("instant.sh"))


def until(true: Callable[[], object], what: str, seconds: float = 120.0, every_s: float = 0.01) -> None:
    """Wait until something is true; AssertionError says what did not come."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(every_s)


def noted(file: Path, seconds: float = 60.0) -> list[str]:
    """Wait for what a fake notes in this file; return its lines."""
    until(lambda: file.exists() and file.read_text().endswith("\n"), f"a line in {file.name}", seconds)
    return file.read_text().splitlines()


def instant_workers() -> list[psutil.Process]:
    """Return the living workers that answer at once."""
    return [p for p in psutil.process_iter(["cmdline"]) if INSTANT in (p.info["cmdline"] or [])]


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return those that still run."""
    return [p for p in processes if running(p)]


def running(process: psutil.Process) -> bool:
    """Return whether a process runs: it may end at any moment, also while it is asked."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def ended(process: subprocess.Popen[bytes], within_s: float = 10.0) -> None:
    """Let a process end in good order, or kill it."""
    process.terminate()
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
