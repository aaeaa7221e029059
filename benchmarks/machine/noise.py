"""Was the machine asleep meanwhile? What was measured around a suspend is no measurement of a running machine.

Everything here is timed by CLOCK_MONOTONIC, which neither a jump of the wall clock nor a suspend moves
(clock_gettime(2)); CLOCK_BOOTTIME goes on during a suspend, so the difference of the two grows by its length.

A small fixed piece of NumPy work, timed before and after each launch: has the machine itself changed speed?

The parent runs it while no worker lives, on all the CPUs that the worker has at the same time: what virtual CPUs share
with each other, or with a neighbour on the host, only shows under load. It multiplies matrices, because that is what
slows: on one virtual machine products ran at two thirds of their speed for seconds while square roots did not change.

What a GPU did while a launch ran on it: clock, temperature, power, energy, memory, what held it back, who was there.

The parent asks the driver while it waits for the worker: a worker imports nothing but its framework. Both read
CLOCK_MONOTONIC, so that what the card did can be laid beside the chunks that the worker timed.
"""

from __future__ import annotations

import itertools
import os
import statistics
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.machine import signals
from benchmarks.machine.hardware import Card, nvml

AWAKE_S = 0.01  # the two clocks are read one after the other


class Suspend:
    """Around a launch: `asleep_s` is how long the machine was suspended during it."""

    asleep_s = 0.0

    def __enter__(self) -> Suspend:
        self.before = _suspended_s()
        return self

    def __exit__(self, *ending: object) -> None:
        self.asleep_s = _suspended_s() - self.before

    def mark(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the row, with the flag `noisy` where the machine slept."""
        flags = list(row.get("flags") or [])
        if self.asleep_s < AWAKE_S or "noisy" in flags:
            return row
        return {**row, "flags": [*flags, "noisy"]}


def _suspended_s() -> float:
    """Return the seconds for which this machine has been suspended since it was started."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


DRIFT = 0.05  # more than this between before and after: `noisy`, and not left out
SLOWER = 0.15  # or so much slower than the fastest of the sweep on that CPU
MAX_CPUS = 8  # CPUs at most: with more, threads would wait for Python's lock
REPEATS = 9
PASSES = 10
# So small that BLAS takes one thread, and so many in one call (each of the three stacks 512 KiB) that Python's lock,
# which NumPy lets go meanwhile, does not matter.
MATRICES = np.full((32, 64, 64), 0.5, np.float32)


class Canary:
    """Around each launch of a sweep: the work's seconds on each CPU before and after it, and the fastest ever."""

    def __init__(self, cpus: Sequence[int], fastest: dict[int, float]) -> None:
        """Sing on these CPUs, on none if there are none; `fastest` holds seconds by CPU and is brought up to date."""
        self.cpus, self.fastest = list(cpus[:MAX_CPUS]), fastest
        self.before: list[float] = []
        self.after: list[float] = []

    def __enter__(self) -> Canary:
        self.before = _run_on(self.cpus)
        return self

    def __exit__(self, *ending: object) -> None:
        self.after = _run_on(self.cpus)
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
        """Return the row with its columns on the canary, and with the flag `noisy` where the machine changed."""
        if not self.cpus:
            return row
        flags = list(row.get("flags") or [])
        if self.changed() and "noisy" not in flags:
            flags.append("noisy")
        return {**row, "canary_before_s": self.before, "canary_after_s": self.after, "flags": flags}


def _run_on(cpus: Sequence[int]) -> list[float]:
    """Return the median seconds of the work on each of these CPUs, all at once, in their order; some 20 ms."""
    if not cpus:
        return []
    together = threading.Barrier(len(cpus))
    # A signal between the starts of two voices would leave the first at the barrier, and our exit waiting for it.
    with signals.deferred(), ThreadPoolExecutor(len(cpus)) as pool:
        return list(pool.map(partial(_run_one, together), cpus))


def _run_one(together: threading.Barrier, cpu: int) -> float:
    """Return the median seconds on one CPU; the thread is its own and keeps this CPU until it ends."""
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


BUSY_PERCENT = 5  # as for CPUs: evidence.FOREIGN
INTERVAL_S = 0.05  # a reading takes less than 1 ms; a chunk lasts 100 or more

# Why the clock is below what it could be (nvml.h, nvmlClocksEventReasons). Idle is no reason to doubt a speed, and
# clocks that someone has set are read beside it.
THROTTLES = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "thermal slowdown, software",
    0x40: "thermal slowdown, hardware",
    0x80: "power brake",
}


class Reading(NamedTuple):
    """One card at one moment; None for what it does not tell."""

    at_s: float
    sm_clock_mhz: float | None
    temperature_c: float | None
    power_w: float | None
    energy_j: float | None  # since the driver was loaded
    throttles: int
    used_bytes: int | None
    load_percent: float | None = None  # of the driver's last sampling period, 1/6 to 1 s


class CardWatch:
    """Reads one card while a launch runs, from a thread that sleeps in between; does nothing without a card."""

    def __init__(self, card: Card | None) -> None:
        self.library = nvml() if card else None
        self.handle = self.library.nvmlDeviceGetHandleByIndex(card.index) if self.library and card else None
        self.readings: list[Reading] = []
        self.others = 0  # processes that were on the card while the worker was not
        self.busy = False  # the card worked before the launch; a process of another container is seen by that alone
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def __enter__(self) -> CardWatch:
        if self.library:
            self.others, self.busy = self.processes(), (self.load_percent() or 0.0) > BUSY_PERCENT
            self.thread.start()
        return self

    def __exit__(self, *ending: object) -> None:
        if self.library:
            self.over.set()
            self.thread.join()
            self.others = max(self.others, self.processes())

    def watch(self) -> None:
        """Read until the launch is over."""
        while not self.over.is_set():
            self.readings.append(self.reading())
            self.over.wait(INTERVAL_S)

    def reading(self) -> Reading:
        """Return the card as it is now."""
        library, handle = self.library, self.handle

        def ask(name: str, *arguments: Any) -> Any:
            try:
                return getattr(library, name)(handle, *arguments)
            except library.NVMLError:  # type: ignore[union-attr]  # not every card tells everything
                return None

        power, energy = ask("nvmlDeviceGetPowerUsage"), ask("nvmlDeviceGetTotalEnergyConsumption")
        memory = ask("nvmlDeviceGetMemoryInfo")
        return Reading(
            time.monotonic(),
            ask("nvmlDeviceGetClockInfo", getattr(library, "NVML_CLOCK_SM", 1)),
            ask("nvmlDeviceGetTemperature", getattr(library, "NVML_TEMPERATURE_GPU", 0)),
            None if power is None else power / 1e3,
            None if energy is None else energy / 1e3,
            ask("nvmlDeviceGetCurrentClocksThrottleReasons") or 0,
            None if memory is None else memory.used,
            self.load_percent(),
        )

    def processes(self) -> int:
        """Return how many processes compute on the card; their numbers mean nothing inside a container."""
        try:
            return len(self.library.nvmlDeviceGetComputeRunningProcesses(self.handle))  # type: ignore[union-attr]
        except self.library.NVMLError:  # type: ignore[union-attr]
            return 0

    def load_percent(self) -> float | None:
        """Return how much of the last moments something computed on the card; None where it does not tell."""
        try:
            return float(self.library.nvmlDeviceGetUtilizationRates(self.handle).gpu)  # type: ignore[union-attr]
        except self.library.NVMLError:  # type: ignore[union-attr]
            return None

    def mark(self, row: Mapping[str, Any], timed: Sequence[float] | None) -> dict[str, Any]:
        """Return the row with its columns on the card, and with flags where the card or others slowed it.

        `timed` are the two moments between which training was timed; without them there is nothing to say of clocks.
        """
        if not self.library:
            return dict(row)
        found = _columns(self.readings, timed, _samples(row))
        flags = list(row.get("flags") or [])
        flags += ["noisy"] if (self.others or self.busy) and "noisy" not in flags else []
        flags += ["throttled"] if found.get("gpu_throttles") else []
        return {**row, **found, "flags": flags, "gpu_other_processes": self.others}


def _samples(row: Mapping[str, Any]) -> float | None:
    """Return how many samples the timed chunks of training held."""
    if not row.get("train_samples_per_s"):
        return None
    return float(row["train_samples_per_s"] * statistics.median(row["train_chunk_s"]) * len(row["train_chunk_s"]))


def _columns(readings: Sequence[Reading], timed: Sequence[float] | None, trained: float | None) -> dict[str, Any]:
    """Return the row's columns: memory over the whole launch, the rest while training was timed."""
    used = [reading.used_bytes for reading in readings if reading.used_bytes is not None]
    found: dict[str, Any] = {"gpu_memory_peak_bytes": max(used) - used[0] if used and max(used) > used[0] else None}
    if timed is None or trained is None:
        return found
    begin, end = timed
    inside = [reading for reading in readings if begin <= reading.at_s <= end]
    clocks = [reading.sm_clock_mhz for reading in inside if reading.sm_clock_mhz is not None]
    degrees = [reading.temperature_c for reading in inside if reading.temperature_c is not None]
    loads = [reading.load_percent for reading in inside if reading.load_percent is not None]
    reasons = {name for bit, name in THROTTLES.items() if any(reading.throttles & bit for reading in inside)}
    power_w = _mean_power_w(inside)
    return found | {
        "gpu_busy_share": statistics.fmean(loads) / 100 if loads else None,
        "gpu_sm_clock_mhz": statistics.median(clocks) if clocks else None,
        "gpu_temperature_c": max(degrees, default=None),
        "gpu_power_w": power_w,
        "gpu_energy_j_per_sample": None if power_w is None else power_w * (end - begin) / trained,
        "gpu_throttles": sorted(reasons),
    }


def _mean_power_w(readings: Sequence[Reading]) -> float | None:
    """Return the mean power between the first and the last reading, from the energy counter where there is one.

    The counter moves every 20 to 100 ms: only moments at which it moved are edges that mean something.
    """
    moved = [late for early, late in itertools.pairwise(readings) if late.energy_j != early.energy_j]
    if len(moved) > 1 and moved[0].energy_j is not None and moved[-1].energy_j is not None:
        return (moved[-1].energy_j - moved[0].energy_j) / (moved[-1].at_s - moved[0].at_s)
    powers = [reading.power_w for reading in readings if reading.power_w is not None]
    return statistics.fmean(powers) if powers else None
