"""How long a comparison takes, and how much memory, with ten thousand to a million rows, cold and warm.

`python tests/studies/scale.py` in .tox/bench makes the rows (rows.py) in a temporary folder that it deletes, and runs
`python -m report compare` on them in processes of their own: once without a cache, then from the Parquet files that
this left. It takes 3 GB of disk and some minutes; nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import rows

from benchmarks.machine.environments import ROOT
from report.results.arrow import SETTLED_S

POINTS = (10_000, 100_000, 1_000_000)
WARM_RUNS = 3  # the median is shown


def measured(command: list[str], cache: Path) -> tuple[float, float, int]:
    """Run a command; return its seconds, its CPU seconds and the largest memory it had, in bytes."""
    variables = {**os.environ, "LOCKSTEP_CACHE": str(cache), "PYTHONPATH": str(ROOT)}
    started = time.perf_counter()
    with subprocess.Popen(command, env=variables, cwd=ROOT, stdout=subprocess.PIPE) as process:
        shown = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds, process.returncode = time.perf_counter() - started, os.waitstatus_to_exitcode(status)
    if process.returncode or not shown:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}, {len(shown)} bytes shown")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def size(folder: Path) -> int:
    """Return the bytes of a folder's files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def point(count: int, command: list[str]) -> str:
    """Return a line of the table for this many rows."""
    with tempfile.TemporaryDirectory(prefix="lockstep-scale-") as folder:
        results, cache = Path(folder) / "results", Path(folder) / "cache"
        rows.write(results, count)
        time.sleep(SETTLED_S + 1)  # what has just been written is not kept
        cold_s, cold_cpu_s, cold_bytes = measured([*command, str(results)], cache)
        warm = sorted(measured([*command, str(results)], cache) for _ in range(WARM_RUNS))
        warm_s, warm_cpu_s, _ = warm[WARM_RUNS // 2]
        peaks = cold_bytes, max(peak for _, _, peak in warm)
        megabytes = [f"{n / 1e6:,.0f}" for n in (*peaks, size(results), size(cache))]
        figures = [f"{count:,}", *(f"{s:.1f}" for s in (cold_s, cold_cpu_s, warm_s, warm_cpu_s)), *megabytes]
        return f"| {' | '.join(figures)} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=lambda text: [int(n) for n in text.split(",")], default=POINTS)
    parser.add_argument("command", nargs="*", default=[sys.executable, "-m", "report", "compare", "--results"])
    given = parser.parse_args()
    headings = [
        "rows",
        "cold s",
        "CPU s",
        "warm s",
        "CPU s",
        "cold peak MB",
        "warm peak MB",
        "JSON lines MB",
        "cache MB",
    ]
    print(f"| {' | '.join(headings)} |")
    print("| --- " * len(headings) + "|")
    for rows_wanted in given.points:
        print(point(rows_wanted, given.command), flush=True)
