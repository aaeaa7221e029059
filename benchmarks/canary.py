"""A small fixed piece of NumPy work, timed before and after each launch: has the machine itself changed speed?

The parent runs it while no worker lives, on all the CPUs that the worker has at the same time: what virtual CPUs share
with each other, or with a neighbour on the host, only shows under load. It multiplies matrices, because that is what
slows: on one virtual machine products ran at two thirds of their speed for seconds while square roots did not change.
"""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import interruption

DRIFT = 0.05  # more than this between before and after: `disturbed`, and not left out
SLOWER = 0.15  # or so much slower than the fastest of the sweep on that CPU
VOICES = 8  # CPUs at most: with more, threads would wait for Python's lock
REPEATS = 9
PASSES = 10
# So small that BLAS takes one thread, and so many in one call (each of the three stacks 512 KiB) that Python's lock,
# which NumPy lets go meanwhile, does not matter.
MATRICES = np.full((32, 64, 64), 0.5, np.float32)


class Canary:
    """Around each launch of a sweep: the work's seconds on each CPU before and after it, and the fastest ever."""

    def __init__(self, cpus: Sequence[int], fastest: dict[int, float]) -> None:
        """Sing on these CPUs, on none if there are none; `fastest` holds seconds by CPU and is brought up to date."""
        self.cpus, self.fastest = list(cpus[:VOICES]), fastest
        self.before: list[float] = []
        self.after: list[float] = []

    def __enter__(self) -> Canary:
        self.before = sing(self.cpus)
        return self

    def __exit__(self, *ending: object) -> None:
        self.after = sing(self.cpus)
        for cpu, *taken in zip(self.cpus, self.before, self.after, strict=True):
            self.fastest[cpu] = min(*taken, self.fastest.get(cpu, taken[0]))

    def changed(self) -> bool:
        """Return whether a CPU changed its speed during the launch, or is slower than it was in this sweep before."""
        songs = zip(self.cpus, self.before, self.after, strict=True)
        return any(
            abs(after / before - 1) > DRIFT or max(before, after) > (1 + SLOWER) * self.fastest[cpu]
            for cpu, before, after in songs
        )

    def mark(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the row with its columns on the canary, and with the flag `disturbed` where the machine changed."""
        if not self.cpus:
            return row
        flags = list(row.get("flags") or [])
        if self.changed() and "disturbed" not in flags:
            flags.append("disturbed")
        return {**row, "canary_before_s": self.before, "canary_after_s": self.after, "flags": flags}


def sing(cpus: Sequence[int]) -> list[float]:
    """Return the median seconds of the work on each of these CPUs, all at once, in their order; some 20 ms."""
    if not cpus:
        return []
    together = threading.Barrier(len(cpus))
    # A signal between the starts of two voices would leave the first at the barrier, and our exit waiting for it.
    with interruption.held(), ThreadPoolExecutor(len(cpus)) as pool:
        return list(pool.map(partial(voice, together), cpus))


def voice(together: threading.Barrier, cpu: int) -> float:
    """Return the median seconds on one CPU; the thread is its own and keeps this CPU until it ends."""
    os.sched_setaffinity(0, {cpu})
    result = np.empty_like(MATRICES)
    together.wait()
    work(result)  # wakes the CPU
    return statistics.median(work(result) for _ in range(REPEATS))


def work(result: npt.NDArray[np.float32]) -> float:
    """Return the seconds of a fixed number of passes."""
    start = time.perf_counter_ns()
    for _ in range(PASSES):
        np.matmul(MATRICES, MATRICES, out=result)
    return (time.perf_counter_ns() - start) / 1e9
