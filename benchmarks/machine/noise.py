"""Did the machine hold still during a launch: was it suspended, has it changed its speed, what did its GPU do?

Everything is timed by CLOCK_MONOTONIC, which neither a jump of the wall clock nor a suspend moves (clock_gettime(2));
CLOCK_BOOTTIME goes on during a suspend, so the difference of the two grows by its length. The canary is a small fixed
piece of NumPy work, timed before and after each launch on all CPUs that the worker uses, at the same time: what virtual
CPUs share shows under load alone. It multiplies matrices: on one virtual machine products ran at two thirds of their
speed for seconds while square roots did not change.

The harness asks the GPU's driver while it waits for the worker: a worker imports nothing but its framework. Both read
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


BUSY_PERCENT = 5  # as for CPUs: worker/interference.py, FOREIGN
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
    """One card at one moment; None where it does not report a value."""

    at_s: float
    sm_clock_mhz: float | None
    temperature_c: float | None
    power_w: float | None
    energy_j: float | None  # since the driver was loaded
    throttles: int
    used_bytes: int | None
    load_percent: float | None = None  # of the driver's last sampling period, 1/6 to 1 s


class CardWatch:
    """Reads one card while a launch runs, from a thread that sleeps in between; it does nothing without a card."""

    def __init__(self, card: Card | None) -> None:
        self.library = nvml() if card else None
        self.handle = self.library.nvmlDeviceGetHandleByIndex(card.index) if self.library and card else None
        self.readings: list[Reading] = []
        self.others = 0  # processes that were on the card while the worker was not
        self.busy = False  # the card worked before the launch: the only sign of a process in another container
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def __enter__(self) -> CardWatch:
        if self.library:
            self.others, self.busy = self.processes(), (self.load_percent() or 0.0) > BUSY_PERCENT
            self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
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
        library, ask = self.library, self.ask
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

    def ask(self, name: str, *arguments: Any) -> Any:
        """Return the driver's answer about the card, None where this card does not report it."""
        try:
            return getattr(self.library, name)(self.handle, *arguments)
        except self.library.NVMLError:  # type: ignore[union-attr]
            return None

    def processes(self) -> int:
        """Return how many processes compute on the card; their numbers mean nothing inside a container."""
        return len(self.ask("nvmlDeviceGetComputeRunningProcesses") or ())

    def load_percent(self) -> float | None:
        """Return in how much of the last sampling period something computed on the card; None if it does not say."""
        rates = self.ask("nvmlDeviceGetUtilizationRates")
        return None if rates is None else float(rates.gpu)

    def columns(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Return the row's columns on the card, nothing without one.

        The worker's answer says between which moments it timed training; without them only memory is known.
        """
        if not self.library:
            return {}
        found = _columns(self.readings, answer.get("train_timed_between_s"), _samples(answer))
        return {**found, "gpu_other_processes": self.others}

    def flags(self, columns: Mapping[str, Any]) -> set[str]:
        """Return `noisy` if others used the card, `throttled` if its columns() say that it held its clock back."""
        noisy = {"noisy"} if self.others or self.busy else set[str]()
        return noisy | ({"throttled"} if columns.get("gpu_throttles") else set())


def _samples(answer: Mapping[str, Any]) -> float | None:
    """Return how many samples the timed chunks of training held."""
    if not answer.get("train_samples_per_s"):
        return None
    seconds = statistics.median(answer["train_chunk_s"]) * len(answer["train_chunk_s"])
    return float(answer["train_samples_per_s"] * seconds)


def _columns(readings: Sequence[Reading], timed: Sequence[float] | None, trained: float | None) -> dict[str, Any]:
    """Return the row's columns: memory over the whole launch, all others while training was timed."""
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

    The counter moves every 20 to 100 ms, so only moments at which it moved are exact edges.
    """
    moved = [late for early, late in itertools.pairwise(readings) if late.energy_j != early.energy_j]
    if len(moved) > 1 and moved[0].energy_j is not None and moved[-1].energy_j is not None:
        return (moved[-1].energy_j - moved[0].energy_j) / (moved[-1].at_s - moved[0].at_s)
    powers = [reading.power_w for reading in readings if reading.power_w is not None]
    return statistics.fmean(powers) if powers else None
