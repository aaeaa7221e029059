"""How many threads really compute: counted while the framework multiplies matrices. Runs in its environment.

What a framework says of its threads is what it was told. The kernel knows how much CPU time each thread got, and
threads that share a product get about equal parts, however busy the machine is; a ratio of CPU time to wall time would
fall with every load beside it.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from adapters.contract import Adapter

SIZE = 768  # large enough that every BLAS shares it out, small enough to take milliseconds
PROBE_S = 0.05
SHARE = 0.1  # of the busiest thread's CPU time: less is waiting, waking, or Python


def computing(adapter: Adapter) -> int:
    """Return how many threads of this process computed while the adapter multiplied matrices on the CPU."""
    operand = np.eye(SIZE, dtype=adapter.dtype)
    work = adapter.products(operand, operand)
    adapter.synchronise(work(1))  # compiles, and wakes the pool
    before = cpu_ns()
    end = time.perf_counter() + PROBE_S
    while time.perf_counter() < end:
        adapter.synchronise(work(4))
    return active({thread: taken - before.get(thread, 0) for thread, taken in cpu_ns().items()})


def active(taken_ns: dict[int, int]) -> int:
    """Return how many threads took a share worth counting, by thread and nanoseconds."""
    most = max(taken_ns.values())
    return sum(taken >= SHARE * most > 0 for taken in taken_ns.values())


def cpu_ns() -> dict[int, int]:
    """Return the CPU nanoseconds of each thread of this process so far, by its kernel id (proc(5), schedstat)."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            found[int(task.name)] = int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            continue
    return found
