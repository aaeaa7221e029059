"""distributed's own scheduler and workers in places of a network, and a client that tells what it sees."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.machine.environments import ROOT
from tests.engine.namespaces import DRIVER, SCHEDULER, Network

PORT = 8786
WORKER_PORT = 9000  # a worker that comes back has the address of the one that went
SETTINGS = {  # what a driver of ours asks of Dask: a task is never run again, nor elsewhere
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
    "DASK_DISTRIBUTED__SCHEDULER__WORK_STEALING": "False",
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
}
Seen = dict[str, Any]


class Places:
    """What runs in a network; every process's output goes to a file of its own in `folder`."""

    def __init__(self, network: Network, folder: Path, **settings: str):
        self.network = network
        self.folder = folder
        self.env = {**os.environ, "PYTHONPATH": str(ROOT), **SETTINGS, **settings}
        self.url = f"tcp://{network.address(SCHEDULER)}:{PORT}"

    def run(self, place: str, *arguments: str, before: tuple[str, ...] = ()) -> subprocess.Popen[Any]:
        """Start `python -m ...` in a place; `before` are modules that run it."""
        with (self.folder / f"{place}.log").open("ab") as log:
            line = [sys.executable, "-m", *before, *arguments]
            return self.network.start(place, line, self.env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def scheduler(self, before: tuple[str, ...] = ()) -> subprocess.Popen[Any]:
        line = ("distributed.cli.dask_scheduler", "--host", self.network.address(SCHEDULER), "--port", str(PORT))
        return self.run(SCHEDULER, *line, "--no-dashboard", before=before)

    def worker(self, place: str, before: tuple[str, ...] = (), nanny: str = "--no-nanny") -> subprocess.Popen[Any]:
        line = ("distributed.cli.dask_worker", self.url, "--host", self.network.address(place), "--name", place)
        options = (nanny, "--no-dashboard", "--nthreads", "1", "--memory-limit", "0", "--worker-port", str(WORKER_PORT))
        return self.run(place, *line, *options, "--local-directory", str(self.folder / place), before=before)

    def log(self, place: str) -> str:
        return (self.folder / f"{place}.log").read_text()

    def watcher(self, task: str, seconds: float, *workers: str) -> Watcher:
        """Start a client in the driver's place that gives each worker a task of some seconds, "sleep" or "burn"."""
        line = [sys.executable, "-m", "tests.engine.watcher", self.url, task, str(seconds), *workers]
        with (self.folder / f"{DRIVER}.log").open("ab") as log:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log, "text": True}
            return Watcher(self.network.start(DRIVER, line, self.env, **pipes))


class Watcher:
    """What a client in the driver's place has seen so far, in order."""

    def __init__(self, process: subprocess.Popen[str]):
        self.process = process
        self.seen: list[Seen] = []
        self.lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.put(line)

    def until(self, true: Callable[[Seen], object], what: str, within_s: float = 30.0, since_s: float = 0.0) -> Seen:
        """Return the first thing seen since a moment of the monotonic clock that is true, and wait for it if need be.

        AssertionError says what did not come.
        """
        deadline = time.monotonic() + within_s
        while not (found := [seen for seen in self.seen if seen["at_s"] >= since_s and true(seen)]):
            try:
                self.seen.append(json.loads(self.lines.get(timeout=max(0.0, deadline - time.monotonic()))))
            except queue.Empty:
                raise AssertionError(f"not within {within_s} s: {what}; seen: {self.seen}") from None
        return found[0]

    def submitted(self) -> Seen:
        return self.until(lambda seen: seen["what"] == "submitted", "the client has given the workers their tasks")

    def done(self, worker: str, within_s: float = 30.0) -> Seen:
        """Wait until a worker's future has ended."""
        return self.until(
            lambda seen: seen["what"] == "done" and seen["worker"] == worker, f"{worker}'s future", within_s
        )

    def state(self, what: str, is_now: object, within_s: float = 30.0, since_s: float = 0.0) -> Seen:
        """Wait until the "workers" that the scheduler knows, the "client"'s status or the "futures" are these."""
        return self.until(
            lambda seen: seen["what"] == what and seen["is_now"] == is_now, f"{what} {is_now}", within_s, since_s
        )

    def memberships(self) -> list[Any]:
        """Return who the scheduler knew, change by change."""
        return [seen["is_now"] for seen in self.seen if seen["what"] == "workers"]
