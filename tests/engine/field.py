"""A scheduler, members and drivers as processes of their own, and the account that must come out right after each."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from benchmarks.record import store
from benchmarks.record.store import MEMBER
from tests.kept import read_all

ROOT = Path(__file__).resolve().parents[2]
HARNESS = [sys.executable, "-m", "tests.process.faults.harness"]
AXES = ("framework", "recipe", "dataset", "device", "batch_size", "mode", "dtype", "threads", "input", "revision")
STARTED_S = 60.0


class Program:
    """A process whose lines are kept in a file, to be looked for while it runs."""

    def __init__(self, line: list[str], log: Path, environment: dict[str, str], starter: Callable = subprocess.Popen):
        self.log = log
        with log.open("wb") as out:
            self.process = starter(line, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT)

    def said(self) -> str:
        return self.log.read_text()

    def until(self, pattern: str, seconds: float = STARTED_S) -> re.Match[str]:
        """Wait for words; AssertionError shows what was said instead."""
        deadline = time.monotonic() + seconds
        while not (match := re.search(pattern, self.said(), re.MULTILINE)):
            assert time.monotonic() < deadline, f"not said within {seconds} s: {pattern}\n{self.said()}"
            assert self.process.poll() is None or re.search(pattern, self.said()), f"it ended:\n{self.said()}"
            time.sleep(0.05)
        return match

    def end(self, number: int = signal.SIGTERM, seconds: float = 60.0) -> int:
        """Signal it and return how it ended."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(seconds)

    def wait(self, seconds: float = 240.0) -> int:
        return self.process.wait(seconds)


class Field:
    """What one test starts, in a folder of its own; every process has a TMPDIR there, by which it is found again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "tmp").mkdir()
        variables = {"TMPDIR": str(folder / "tmp"), "LOCKSTEP_CACHE": str(folder / "cache"), "PYTHONPATH": str(ROOT)}
        self.environment = {**os.environ, **variables, "FAKE_GRACE_S": "1", "PYTHONFAULTHANDLER": "1"}
        self.programs: list[Program] = []
        self.address = ""

    def start(self, name: str, *arguments: str, starter: Callable = subprocess.Popen, **variables: str) -> Program:
        environment = {**self.environment, **variables}
        self.programs.append(Program([*HARNESS, *arguments], self.folder / f"{name}.log", environment, starter))
        return self.programs[-1]

    def schedule(self, *arguments: str, port: str = "0", **variables: str) -> Program:
        """Start a scheduler and note its address."""
        number = len(self.programs)
        dashboard = ("--dashboard", "127.0.0.1:0")
        program = self.start(
            f"schedule-{number}", "cluster", "schedule", "--port", port, *dashboard, *arguments, **variables
        )
        self.address = program.until(r"scheduler at (\S+);")[1]
        return program

    def join(
        self, name: str, *frameworks: str, arguments: tuple[str, ...] = (), wait: bool = True, **others
    ) -> Program:
        """Start a member with a measuring lock of its own, as if it were a machine of its own."""
        turn = str(self.folder / f"{name}.turn")
        asked = ("--framework", ",".join(frameworks), "--folder", str(self.folder / name), *arguments)
        program = self.start(name, "cluster", "join", self.address, *asked, **{"LOCKSTEP_TURN": turn, **others})
        if wait:
            program.until("joined ")
        return program

    def run(self, *arguments: str, results: str = "results", **variables: str) -> Program:
        """Start a driver."""
        where = ("--engine", "dask", "--scheduler", self.address, "--results", str(self.folder / results))
        name = f"run-{len(self.programs)}"
        return self.start(name, "run", *where, "--no-peak", *arguments, **variables)

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def close(self) -> list[str]:
        """End everything; return what was left although all programs had ended."""
        for program in reversed(self.programs):
            if program.process.poll() is None:
                program.process.terminate()
        deaf = []
        for program in self.programs:
            try:
                program.process.wait(20)
            except subprocess.TimeoutExpired:
                program.process.send_signal(signal.SIGABRT)  # it says in its log where it was
                with suppress(subprocess.TimeoutExpired):
                    program.process.wait(2)
                program.process.kill()
                program.process.wait()
                deaf.append(f"{program.log.stem} did not end for SIGTERM: {program.said()[-4000:]}")
        deadline = time.monotonic() + 10
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.1)
        words = deaf + [f"{one.pid}: {' '.join(one.cmdline())}" for one in left]
        for one in left:
            one.kill()
        return words

    def processes(self) -> list[psutil.Process]:
        """Return the living processes of this field."""
        found = []
        for process in psutil.process_iter():
            try:
                mine = process.environ().get("TMPDIR") == self.environment["TMPDIR"]
                if mine and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found


def sweeps(results: Path) -> dict[str, store.SweepFile]:
    """Return a folder's sweeps by file name, each whole."""
    found = {sweep.path.stem: sweep for sweep in read_all(results)}
    assert [sweep.problems for sweep in found.values() if sweep.problems] == []
    return found


def launch(row: dict) -> tuple:
    """Return what tells a launch from others of one kind of machine."""
    return (*(row[name] for name in AXES), row["task"], row["round"], row["seed"])


def counted(results: Path, base: str) -> dict[tuple, dict]:
    """Return the row that counts of every launch of a sweep; no launch of an attempt may stand in two rows measured.

    Of a comparison and task the last attempt that measured anything counts; what stands as lost in the driver's file
    and as measured in a member's was collected later.
    """
    rows = [row for name, sweep in sweeps(results).items() if name.partition(".m")[0] == base for row in sweep.rows]
    measured = [row for row in rows if row["status"] != "interrupted"]
    twice = [key for key, count in Counter((launch(row), row["attempt"]) for row in measured).items() if count > 1]
    assert twice == []
    lost = Counter((launch(row), row["attempt"]) for row in rows if row["status"] == "interrupted")
    assert [key for key, count in lost.items() if count > 1] == []
    found: dict[tuple, dict] = {}
    last: Counter[tuple] = Counter()
    for row in measured:
        last[series(row)] = max(last[series(row)], row["attempt"])
    for row in sorted(rows, key=lambda row: row["status"] != "interrupted"):
        if row["attempt"] >= last[series(row)]:
            found[launch(row)] = row
    return found


def series(row: dict) -> tuple:
    """Return a row's comparison and task."""
    return (*(row[name] for name in AXES if name not in ("framework", "mode", "revision")), row["task"])


def settled(results: Path, requested: int) -> tuple[str, dict[tuple, dict]]:
    """Assert that the one sweep of a folder reports exactly what was requested; return its name and rows."""
    drivers = [name for name in sweeps(results) if not MEMBER.fullmatch(name)]
    assert len(drivers) == 1, drivers
    sweep = sweeps(results)[drivers[0]]
    assert sweep.run["requested"]["launches"] == requested
    assert sweep.end["reported"] + sweep.end["not_needed"] == requested
    rows = counted(results, drivers[0])
    assert len(rows) == sweep.end["reported"]
    machines = {}
    for row in rows.values():  # a ratio never crosses machines
        if row["status"] != "interrupted" and MEMBER.fullmatch(row["sweep"]):
            machines.setdefault(series(row), set()).add(row["sweep"])
    assert [names for names in machines.values() if len(names) > 1] == []
    return drivers[0], rows
