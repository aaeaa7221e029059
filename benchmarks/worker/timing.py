"""The clock: how the work of one launch is timed. Runs inside a framework's environment.

A chunk is k steps that last at least 100 ms, synchronised at its edges and never inside; k and the number of
warm-up chunks are found by the first launch of a cell and then frozen. The clock is perf_counter_ns. What else
happened on the machine is read between chunks (interference.py).
"""

from __future__ import annotations

import gc
import itertools
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from adapters.contract import Adapter, DeviceTimer, Feed, Preloaded
from benchmarks.worker import interference
from benchmarks.worker.inputs import Array
from benchmarks.worker.interference import Counters

CHUNK_S = 0.1
MAX_WARM_UP_CHUNKS = 20
MAX_AMOUNT = 10**6  # no step takes less than 100 ns
REGION_TOLERANCE = 0.1  # between two chunks next to nothing happens
STEADY = 0.05  # two windows whose speeds differ by less are steady

Work = Callable[[int], None]
Settle = Callable[[], object]


class Inconsistent(RuntimeError):
    """Two ways of computing one speed disagree: a unit or a count is wrong."""


@dataclass(frozen=True)
class Timed:
    """Seconds of each timed chunk, CPU and wall seconds of them all, whether the speed held, what else happened."""

    chunk_s: list[float]
    cpu_s: float
    wall_s: float
    steady: bool
    counters: tuple[Counters, ...] = ()  # a chunk's each
    device_s: tuple[float, ...] = ()  # a chunk's each by the device's own clock, where it has one


def clock(work: Work, amount: int) -> float:
    """Return the wall seconds of `work(amount)`."""
    start = time.perf_counter_ns()
    work(amount)
    return (time.perf_counter_ns() - start) / 1e9


class DeviceClock:
    """The device's own seconds of a chunk: events at its edges, while it is `armed` and the device has any."""

    def __init__(self, timer: DeviceTimer | None) -> None:
        self.timer, self.armed = timer, False

    def start(self) -> None:
        """Note that work is about to be asked for."""
        if self.armed and self.timer:
            self.timer.start()

    def stop(self) -> None:
        """Note that all work has been asked for."""
        if self.armed and self.timer:
            self.timer.stop()

    def seconds(self) -> tuple[float, ...]:
        """Return the seconds between the last two notes, nothing without any; for a device that has finished."""
        found = self.timer.seconds() if self.armed and self.timer else 0.0
        return (found,) if found > 0 else ()  # 0 is the answer of events that do not tell


class Stopwatch:
    """Sums the wall seconds of its `with` blocks, the collector switched off inside them."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> None:
        gc.disable()
        self.start_ns = time.perf_counter_ns()

    def __exit__(self, *_: object) -> None:
        self.seconds += (time.perf_counter_ns() - self.start_ns) / 1e9
        gc.enable()


NO_CLOCK = DeviceClock(None)


def training(adapter: Adapter, preloaded: Preloaded, clock: DeviceClock = NO_CLOCK) -> Work:
    """Return work(steps) that trains on where it left off and returns when the device has finished."""
    position = 0

    def work(steps: int) -> None:
        nonlocal position
        clock.start()
        adapter.train(preloaded, position % preloaded.steps, steps)
        clock.stop()
        adapter.synchronise()
        position += steps

    return work


def feeding(
    adapter: Adapter, images: Array, labels: Array, order: Array, clock: DeviceClock = NO_CLOCK
) -> tuple[Work, Callable[[], None]]:
    """Return work(steps) that trains on batches fed from host memory, and what ends their stream.

    The stream is made by the first call: that belongs to the first step and never to a chunk.
    """
    made: list[Feed] = []

    def work(steps: int) -> None:
        if not made:
            made.append(adapter.feed(images, labels, order))
        clock.start()
        adapter.train_fed(made[0], steps)
        clock.stop()
        adapter.synchronise()

    def close() -> None:
        for feed in made:
            feed.close()

    return work, close


def evaluation(adapter: Adapter, preloaded: Preloaded) -> tuple[Work, Settle]:
    """Return work(passes) over all batches, which returns when every output has been computed, and its settling."""

    def work(passes: int) -> None:
        pending = [adapter.evaluate(preloaded, 0, preloaded.steps) for _ in range(passes)]
        adapter.synchronise(pending)
        kept[:] = pending[-1:]

    kept: list[Any] = []
    return work, lambda: adapter.fetch(kept[0])


def calibrate(work: Work, amount: int = 1, chunk_s: float = CHUNK_S) -> int:
    """Return an amount of work, `amount` or more, that lasts at least `chunk_s`, with a fifth to spare.

    Each amount is tried twice: on a busy machine a single step may happen to last as long as a chunk. Inconsistent
    where no amount lasts so long: nothing waits for the work.
    """
    while (took := min(clock(work, amount), clock(work, amount))) < CHUNK_S:
        if amount > MAX_AMOUNT:
            raise Inconsistent(f"{amount} steps last {took:.2g} s: is a synchronisation missing?")
        amount = max(2 * amount, math.ceil(amount * 1.2 * CHUNK_S / took)) if took > CHUNK_S / 10 else 4 * amount
    return math.ceil(amount * max(1.0, 1.2 * chunk_s / took))


def warm_up(work: Work, amount: int) -> int:
    """Run chunks until the mean of the last two is near the mean of the two before; return how many it took."""
    taken: list[float] = []
    while len(taken) < MAX_WARM_UP_CHUNKS:
        taken.append(clock(work, amount))
        if len(taken) >= 4 and abs(sum(taken[-2:]) / sum(taken[-4:-2]) - 1) < STEADY:
            break
    return len(taken)


def time_chunks(work: Work, amount: int, chunks: int, settle: Settle, device: DeviceClock = NO_CLOCK) -> Timed:
    """Time `chunks` chunks of `amount`, the collector switched off, also by the device's clock that the work has.

    `settle` copies a result to the host, which no work can outlast: the region ends after it.
    """
    gc.collect()
    gc.disable()
    try:
        cpu, wall = time.process_time_ns(), time.perf_counter_ns()
        taken, readings = [], [interference.read()]
        device_s: tuple[float, ...] = ()
        device.armed = True
        for _ in range(chunks):
            taken.append(clock(work, amount))
            device_s += device.seconds()
            readings.append(interference.read())
        settle()
        cpu, wall = time.process_time_ns() - cpu, time.perf_counter_ns() - wall
    finally:
        device.armed = False
        gc.enable()
    half = chunks // 2
    drift = statistics.median(taken[:half]) / statistics.median(taken[half:]) - 1
    counters = tuple(after.since(before) for before, after in itertools.pairwise(readings))
    return Timed(taken, cpu / 1e9, wall / 1e9, abs(drift) < 2 * STEADY, counters, device_s)


def samples_per_s(timed: Timed, samples_per_chunk: int) -> float:
    """Return the median speed; Inconsistent if the chunks do not add up to the region that held them.

    The region is timed apart, so that a slip in a unit or a chunk that did not wait cannot pass.
    """
    by_chunks = samples_per_chunk * len(timed.chunk_s) / sum(timed.chunk_s)
    overall = samples_per_chunk * len(timed.chunk_s) / timed.wall_s
    if abs(by_chunks / overall - 1) > REGION_TOLERANCE:
        raise Inconsistent(f"{by_chunks:.6g} samples/s by chunks, {overall:.6g} over the whole timed region")
    return samples_per_chunk / statistics.median(timed.chunk_s)
