"""Did the machine itself hold still during a launch: was it suspended, has it changed its speed?

Everything is timed by CLOCK_MONOTONIC, which neither a jump of the wall clock nor a suspend moves (clock_gettime(2));
CLOCK_BOOTTIME goes on during a suspend, so the difference of the two grows by its length. The canary is a small fixed
piece of NumPy work, timed before and after each launch on all CPUs that the worker uses, at the same time: what virtual
CPUs share shows under load alone. It multiplies matrices: on one virtual machine products ran at two thirds of their
speed for seconds while square roots did not change.
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

from benchmarks.machine import signals

AWAKE_S = 0.01  # the two clocks are read one after the other


class Suspend:
    """Measures for how long the machine was suspended during a launch: `asleep_s`."""

    asleep_s = 0.0

    def __enter__(self) -> Suspend:
        self.before = _suspended_s()
        return self

    def __exit__(self, *_: object) -> None:
        self.asleep_s = _suspended_s() - self.before

    def flags(self) -> set[str]:
        """Return `noisy` if the machine slept."""
        return set() if self.asleep_s < AWAKE_S else {"noisy"}


def _suspended_s() -> float:
    """Return the seconds for which this machine has been suspended since it was started."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


DRIFT = 0.05  # relative; a larger difference between before and after is `noisy`
SLOWER = 0.15  # relative; a CPU so much slower than its fastest in the sweep is `noisy` too
MAX_CPUS = 8  # with more, threads would wait for Python's lock
REPEATS = 9
PASSES = 10
# So small that BLAS takes one thread, and so many in one call (each of the three stacks 512 KiB) that Python's lock,
# which NumPy releases during the call, does not matter.
MATRICES = np.full((32, 64, 64), 0.5, np.float32)


class Canary:
    """Times a fixed piece of NumPy work on each CPU before and after a launch, in seconds."""

    def __init__(self, cpus: Sequence[int], fastest: dict[int, float]) -> None:
        """Run on the first MAX_CPUS of these CPUs; `fastest` holds the sweep's best seconds by CPU and is updated."""
        self.cpus, self.fastest = list(cpus[:MAX_CPUS]), fastest
        self.before: list[float] = []
        self.after: list[float] = []

    def __enter__(self) -> Canary:
        self.before = _run_on(self.cpus)
        return self

    def __exit__(self, *_: object) -> None:
        self.after = _run_on(self.cpus)
        for cpu, *taken in zip(self.cpus, self.before, self.after, strict=True):
            self.fastest[cpu] = min(*taken, self.fastest.get(cpu, taken[0]))

    def changed(self) -> bool:
        """Return whether a CPU changed its speed during the launch, or was faster earlier in this sweep."""
        return any(
            abs(after / before - 1) > DRIFT or max(before, after) > (1 + SLOWER) * self.fastest[cpu]
            for cpu, before, after in zip(self.cpus, self.before, self.after, strict=True)
        )

    def columns(self) -> dict[str, Any]:
        """Return the row's columns on the canary, seconds of each CPU; nothing where it ran on no CPU."""
        return {"canary_before_s": self.before, "canary_after_s": self.after} if self.cpus else {}

    def flags(self) -> set[str]:
        """Return `noisy` if the machine changed its speed."""
        return {"noisy"} if self.changed() else set()


def _run_on(cpus: Sequence[int]) -> list[float]:
    """Return the median seconds of the work on each of these CPUs, all at once, in their order; some 20 ms."""
    if not cpus:
        return []
    together = threading.Barrier(len(cpus))
    # A signal between the starts of two threads would leave the first at the barrier, and our exit waiting for it.
    with signals.deferred(), ThreadPoolExecutor(len(cpus)) as pool:
        return list(pool.map(partial(_run_one, together), cpus))


def _run_one(together: threading.Barrier, cpu: int) -> float:
    """Return the median seconds on one CPU; this thread stays on that CPU until it ends."""
    os.sched_setaffinity(0, {cpu})
    result = np.empty_like(MATRICES)
    together.wait()
    _work(result)  # wakes the CPU
    return statistics.median(_work(result) for _ in range(REPEATS))


def _work(result: npt.NDArray[np.float32]) -> float:
    """Return the seconds of a fixed number of passes."""
    start = time.perf_counter_ns()
    for _ in range(PASSES):
        np.matmul(MATRICES, MATRICES, out=result)
    return (time.perf_counter_ns() - start) / 1e9
