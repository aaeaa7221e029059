"""A scheduler and members as processes of this machine, for programs that measure the engine; nothing stays behind.

Several members have a turn each (LOCKSTEP_TURN), as if they were machines: else they would wait for each other.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine.environments import ROOT

READY_S = 120.0  # for a member's probes on a machine that others use
GRACE_S = 20.0


@dataclass
class Crew:
    """Where the scheduler is, and the processes."""

    address: str
    scheduler: subprocess.Popen[bytes]
    members: list[subprocess.Popen[bytes]]


def started(command: Sequence[str], said: Path, **variables: str) -> subprocess.Popen[bytes]:
    """Start a program of the checkout; what it says goes into a file."""
    with said.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )


def heard(process: subprocess.Popen[bytes], said: Path, pattern: str) -> str:
    """Return the first group of a pattern once a process has said it; SystemExit with its words where it does not."""
    deadline = time.monotonic() + READY_S
    while not (found := re.search(pattern, said.read_text(errors="replace"))):
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"expected {pattern!r}, found:\n{said.read_text(errors='replace')}")
        time.sleep(0.1)
    return found[1]


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process, in good order where it lets itself."""
    process.terminate()
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def crew(folder: Path, members: int, frameworks: str, program: Sequence[str]) -> Iterator[Crew]:
    """Yield a scheduler with members that have joined it; `folder` takes their files, `program` is how to start one.

    One member has this process's turn, so that nothing else is measured on the machine meanwhile.
    """
    with ExitStack() as undo:

        def begun(name: str, *command: str, **variables: str) -> subprocess.Popen[bytes]:
            process = started([*program, *command], folder / f"{name}.txt", **variables)
            undo.callback(end, process)
            return process

        scheduler = begun("scheduler", "cluster", "schedule", "--port", "0", "--dashboard", "127.0.0.1:0")
        address = heard(scheduler, folder / "scheduler.txt", r"scheduler at (\S+);")
        joined = {}
        for name in [f"member-{number}" for number in range(members)]:
            about = ("--framework", frameworks, "--folder", str(folder / name))
            turn = {"LOCKSTEP_TURN": str(folder.absolute() / f"{name}.turn")} if members > 1 else {}
            joined[name] = begun(name, "cluster", "join", address, *about, **turn)
        for name, process in joined.items():
            heard(process, folder / f"{name}.txt", r"(joined) tcp")
        yield Crew(address, scheduler, list(joined.values()))
