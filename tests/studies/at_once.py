"""`python -m tests.studies.at_once SECONDS ...` is `python -m benchmarks ...` whose launches only sleep for SECONDS.

For the engine's own cost: a process for each of 100,000 launches would take hours. A launch sleeps in the member itself
and has then measured what a launch of the reference run did; a proof passes at once. So there is no worker, no canary
and no watch of the machine. All else is the harness's own: lines and their fsyncs, orders, Dask, the driver.

AT_ONCE_TIMES names a file that takes a driver's times as JSON: seconds on the monotonic clock, CPU seconds.
"""

from __future__ import annotations

import cProfile
import json
import os
import queue
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.__main__ import main
from benchmarks.launch import proof
from benchmarks.launch.launcher import Launcher
from benchmarks.launch.proof import Proof
from benchmarks.machine.environments import ROOT
from benchmarks.sweep.dask import workers
from benchmarks.sweep.dask.driver import Driver
from benchmarks.sweep.dask.events import Events
from benchmarks.worker.protocol import SpeedAnswer
from tests.kept import read_file
from tests.process.faults.harness import register

REFERENCE = ROOT / "results" / "reference"
CANARY = ("canary_before_s", "canary_after_s")


def sleep_only(seconds: float) -> None:
    """Put the stand-ins in the places of launches and proofs."""
    kept = read_file(min(REFERENCE.glob("*.jsonl")))
    row = next(row for row in kept.rows if row["status"] == "ok" and row["task"] == "speed")
    answer = {name: row[name] for name in row if name in SpeedAnswer.__annotations__}
    answer |= {name: row[name] for name in CANARY}

    def measured(launcher: Launcher, planned: object, folder: Path) -> dict[str, Any]:
        if seconds:
            time.sleep(seconds)
        return dict(answer)

    Launcher.measured = measured
    passed = Proof("pass", "", kept.proofs[0]["verdict"])
    proof.Gate.proofs = lambda self, wanted: ((one, passed) for one in wanted)


class Inbox(queue.SimpleQueue):
    """A driver's queue that knows how long it was waited for."""

    waited_s = 0.0

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        begin = time.monotonic()
        try:
            return super().get(block, timeout)
        finally:
            self.waited_s += time.monotonic() - begin


def note_times(path: Path) -> None:
    """Let a driver write when its first block was ordered and when each was done, and what it spent between."""
    run, order, finish, times = Driver.run, workers.measuring, Events.finish, dict[str, Any]()

    def ordered(*about: Any) -> Any:
        if not times:
            begin = {"begin_s": time.monotonic(), "cpu_s": time.process_time(), "waited_s": inbox.waited_s}
            times.update(begin, done_s=[])
        return order(*about)

    def finished(self: Events, *about: Any) -> None:
        finish(self, *about)
        times["done_s"].append(time.monotonic())

    def noted(self: Driver) -> None:
        self.events.inbox = inbox
        run(self)
        times["cpu_s"], times["waited_s"] = time.process_time() - times["cpu_s"], inbox.waited_s - times["waited_s"]
        path.write_text(json.dumps(times))

    inbox = Inbox()
    Driver.run, workers.measuring, Events.finish = noted, ordered, finished


def profiled(work: Callable[[], object], path: str) -> None:
    """Do it under cProfile: of the main thread, which is all of a driver but its messages."""
    profile = cProfile.Profile()
    try:
        profile.runcall(work)
    finally:
        profile.dump_stats(path)


if __name__ == "__main__":
    sleep_only(float(sys.argv.pop(1)))
    if told := os.environ.get("AT_ONCE_TIMES"):
        note_times(Path(told))
    register()
    if told := os.environ.get("AT_ONCE_PROFILE"):
        profiled(main, told)
    else:
        main()
