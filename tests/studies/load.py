"""What a sweep costs beside its workers, and how its memory grows, with a hundred to ten thousand cells.

`python tests/studies/load.py` in .tox/test sweeps over workers that answer at once (tests/process/faults/instant.sh),
each cell proven and then measured once. A cell takes a start of a worker, and a share of one that proves several;
starts are timed bare for comparison. What remains is ours: the run's own start, files, fsyncs, rows, the display, and
the canary, which is part of measuring and shown apart; on a busy machine it takes several times as long, and
--without-canary leaves it out. Nothing else should run meanwhile; ten thousand cells take ten minutes, two without the
canary. The rows' folder is deleted.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.launch.process import Place, launch
from benchmarks.launch.proof import IN_ONE_PROCESS
from benchmarks.machine import environments, hardware, noise
from benchmarks.record.store import files, rows
from benchmarks.worker.protocol import ProbeRequest

POINTS = (100, 1_000, 10_000)
FRAMEWORKS = 10
STARTS = 1 + 1 / IN_ONE_PROCESS  # of a worker for a cell: its launch, its share of a process of proofs
HEADINGS = (
    "cells", "rows ok", "seconds", "ms a cell", "of which workers", "canary", "rest: ours", "peak MB", "rows MB",
)  # fmt: skip
PROGRAM = """
import sys
from benchmarks.machine import noise
from tests.process.faults.harness import main, register
if sys.argv.pop(1) == "without":
    noise._run_on = lambda cpus: [1.0] * len(cpus)
register()
main()
"""
PROBE = ProbeRequest(task="probe", adapter="instant", device="cpu")
WORKER = environments.ROOT / "tests" / "process" / "faults" / "instant.sh"


def bare_start_ms() -> float:
    """Return the median milliseconds of one worker, started and attended as a sweep does."""
    cpus = hardware.physical_cpus()
    place = Place(WORKER, environments.variables(len(cpus)), tuple(cpus))
    taken = []
    for _ in range(101):
        begin = time.perf_counter()
        ending = launch(place, PROBE, 60.0)
        taken.append(time.perf_counter() - begin)
        if ending.status != "ok":
            raise SystemExit(f"the worker ended {ending.status}: {ending.reason}")
    return 1000 * statistics.median(taken)


def canary_ms() -> float:
    """Return the median milliseconds of both songs around a launch."""
    taken = []
    for _ in range(21):
        begin = time.perf_counter()
        noise._run_on(hardware.physical_cpus())
        noise._run_on(hardware.physical_cpus())
        taken.append(time.perf_counter() - begin)
    return 1000 * statistics.median(taken)


def peak_bytes(process: subprocess.Popen[bytes]) -> int:
    """Wait for a process's end; return its largest resident memory (proc(5), VmHWM), looked up twice a second."""
    largest = 0
    while process.poll() is None:
        try:
            found = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
        except (FileNotFoundError, ProcessLookupError):
            found = None
        largest = max(largest, int(found[1]) * 1024 if found else 0)
        time.sleep(0.5)
    return largest


def point(cells: int, start_ms: float, songs_ms: float) -> str:
    """Return a line of the table for this many cells; without the canary where its milliseconds are 0."""
    with tempfile.TemporaryDirectory(prefix="lockstep-load-") as folder:
        names = ",".join(f"instant-{number}" for number in range(FRAMEWORKS))
        sizes = ",".join(str(size) for size in range(1, cells // FRAMEWORKS + 1))
        line = [sys.executable, "-c", PROGRAM, "with" if songs_ms else "without", "run", "--framework", names]
        line += [
            "--batch-size",
            sizes,
            "--model",
            "linear",
            "--rounds",
            "1",
            "--seeds",
            "0",
            "--no-peak",
            "--results",
            f"{folder}/results",
        ]
        variables = {**os.environ, "PYTHONPATH": str(environments.ROOT), "LOCKSTEP_CACHE": f"{folder}/cache"}
        begin = time.perf_counter()
        with open(f"{folder}/said", "wb") as said:
            process = subprocess.Popen(line, cwd=environments.ROOT, env=variables, stdout=said, stderr=said)
            largest = peak_bytes(process)
        seconds = time.perf_counter() - begin
        [path] = files(Path(folder) / "results")
        good = sum(row["status"] == "ok" for row in rows(path))
        each_ms = 1000 * seconds / cells
        rest_ms = each_ms - STARTS * start_ms - songs_ms
        figures = [f"{cells:,}", f"{good:,}", f"{seconds:,.0f}"]
        figures += [f"{value:.1f}" for value in (each_ms, STARTS * start_ms, songs_ms, rest_ms)]
        return f"| {' | '.join([*figures, f'{largest / 1e6:.0f}', f'{path.stat().st_size / 1e6:.0f}'])} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=lambda text: [int(n) for n in text.split(",")], default=POINTS)
    parser.add_argument("--without-canary", action="store_true")
    given = parser.parse_args()
    print(f"| {' | '.join(HEADINGS)} |\n{'| --- ' * len(HEADINGS)}|")
    for wanted in given.points:
        print(point(wanted, bare_start_ms(), 0.0 if given.without_canary else canary_ms()), flush=True)
