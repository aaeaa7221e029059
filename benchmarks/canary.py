"""A small fixed piece of NumPy work, timed before and after each launch: has the machine itself changed speed?

The parent runs it while no worker lives, on each CPU that the worker has, one thread and no BLAS: it takes equally
long on a machine that is left alone, whatever framework is measured in between.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.launch import on_cpus

DRIFT = 0.05  # more than this between before and after: `disturbed` (measurement.md, One launch, 8)
REPEATS = 9
PASSES = 400
NUMBERS = np.linspace(0.0, 1.0, 4096)  # 32 KiB and as much for the result: a core's own caches hold them


class Canary:
    """Around one launch: the work's seconds on each CPU before and after it; nothing where `sings` is False."""

    def __init__(self, cpus: Sequence[int], sings: bool = True) -> None:
        self.cpus = list(cpus) if sings else []
        self.before: list[float] = []
        self.after: list[float] = []

    def __enter__(self) -> Canary:
        self.before = sing(self.cpus)
        return self

    def __exit__(self, *ending: object) -> None:
        self.after = sing(self.cpus)

    def mark(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the row with its columns on the canary, and with the flag `disturbed` where the machine changed."""
        if not self.cpus:
            return row
        flags = list(row.get("flags") or [])
        if drift(self.before, self.after) > DRIFT and "disturbed" not in flags:
            flags.append("disturbed")
        return {**row, "canary_before_s": self.before, "canary_after_s": self.after, "flags": flags}


def sing(cpus: Sequence[int]) -> list[float]:
    """Return the median seconds of the work on each of these CPUs, in their order; about 20 ms a CPU."""
    result = np.empty_like(NUMBERS)
    taken = []
    for cpu in cpus:
        with on_cpus([cpu]):
            work(result)  # wakes the CPU
            taken.append(statistics.median(work(result) for _ in range(REPEATS)))
    return taken


def work(result: npt.NDArray[np.float64]) -> float:
    """Return the seconds of a fixed number of passes."""
    start = time.perf_counter_ns()
    for _ in range(PASSES):
        np.sqrt(NUMBERS, out=result)
    return (time.perf_counter_ns() - start) / 1e9


def drift(before: Sequence[float], after: Sequence[float]) -> float:
    """Return the largest relative change of any CPU, 0.1 for one a tenth faster or slower."""
    return max(abs(late / early - 1) for early, late in zip(before, after, strict=True))
