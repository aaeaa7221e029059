"""The clock: how the work of one launch is timed. Runs inside a framework's environment.

A chunk is k steps that last at least 100 ms, synchronised at its edges and never inside; k and the number of
warm-up chunks are found by the first launch of a cell and then frozen. The clock is perf_counter_ns. What else
happened on the machine is read between chunks (interference.py).
"""

from __future__ import annotations

import gc
import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from adapters.contract import Adapter, DeviceTimer, Feed, Preloaded
from benchmarks.worker import clocks as time
from benchmarks.worker import interference
from benchmarks.worker.inputs import Array
from benchmarks.worker.interference import Counters

CHUNK_S = 0.1
MAX_WARM_UP_CHUNKS = 20
MAX_AMOUNT = 10**6  # no step takes less than 100 ns
REGION_TOLERANCE = 0.1  # between two chunks, pauses apart, next to nothing happens
# What a pause at a chunk's edges may take, the median of a launch: copies of the weights and some calls of Python,
# which count where there are many arrays: jax takes 0.021 s for the 41 of resnet.
PAUSE_CPU_S, PAUSE_S, PAUSE_BYTES_PER_S, PAUSE_ARRAYS_PER_S = 0.01, 0.03, 0.5e9, 1e3
STEADY = 0.05  # two windows whose speeds differ by less are steady

Work = Callable[[int], None]
Settle = Callable[[], object]


class Inconsistent(RuntimeError):
    """Two ways of computing one speed disagree: a unit or a count is wrong."""


@dataclass(frozen=True)
class Timed:
    """Seconds of each timed chunk, CPU and wall seconds of them all, whether the speed held, what else happened.

    Pauses at the edges of chunks are in none of these; theirs are a chunk's each.
    """

    chunk_s: list[float]
    cpu_s: float
    wall_s: float
    steady: bool
    counters: tuple[Counters, ...] = ()  # a chunk's each
    device_s: tuple[float, ...] = ()  # a chunk's each by the device's own clock, where it has one
    pause_s: tuple[float, ...] = ()
    pause_cpu_s: tuple[float, ...] = ()


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


class PreloadedBatches:
    """Trains on batches that lie on the device, in order, on where it left off."""

    def __init__(self, adapter: Adapter, preloaded: Preloaded) -> None:
        self.adapter, self.preloaded = adapter, preloaded
        self.steps, self.taken = preloaded.steps, 0

    def take(self, steps: int) -> None:
        """Train on the next batches; may return early."""
        self.adapter.train(self.preloaded, self.taken % self.steps, steps)
        self.taken += steps

    def close(self) -> None:
        """End nothing: there is no stream."""


class FedBatches:
    """Trains on batches fed from host memory: images (N, C, H, W), labels (N,), order (S, B).

    The stream is made by the first call: that belongs to the first step and never to a chunk.
    """

    def __init__(self, adapter: Adapter, images: Array, labels: Array, order: Array) -> None:
        self.adapter, self.given = adapter, (images, labels, order)
        self.steps, self.taken = len(order), 0
        self.feed: Feed | None = None

    def take(self, steps: int) -> None:
        """Train on the next batches; may return early."""
        self.feed = self.feed or self.adapter.feed(*self.given)
        self.adapter.train_fed(self.feed, steps)
        self.taken += steps

    def close(self) -> None:
        """End the stream."""
        if self.feed:
            self.feed.close()


def training(adapter: Adapter, batches: PreloadedBatches | FedBatches, clock: DeviceClock = NO_CLOCK) -> Work:
    """Return work(steps) that trains on the next batches and returns when the device has finished."""

    def work(steps: int) -> None:
        clock.start()
        batches.take(steps)
        clock.stop()
        adapter.synchronise()

    return work


def evaluation(adapter: Adapter, preloaded: Preloaded) -> tuple[Work, Callable[[], Array]]:
    """Return work(passes) over all batches, which returns when every output has been computed, and its settling.

    The settling returns the last pass's outputs, (N, K).
    """

    def work(passes: int) -> None:
        pending = [adapter.evaluate(preloaded, 0, preloaded.steps) for _ in range(passes)]
        adapter.synchronise(pending)
        kept[:] = pending[-1:]

    kept: list[Any] = []
    return work, lambda: adapter.fetch(kept[0])


def calibrate(work: Work, amount: int = 1, chunk_s: float = CHUNK_S) -> int:
    """Return an amount of work, `amount` or more, that lasts at least `chunk_s`, with a fifth to spare.

    An amount that lasts so long is tried twice: on a busy machine a single step may happen to. Inconsistent where no
    amount lasts so long: nothing waits for the work.
    """
    while (took := clock(work, amount)) < CHUNK_S or (took := min(took, clock(work, amount))) < CHUNK_S:
        if amount > MAX_AMOUNT:
            raise Inconsistent(f"{amount} steps last {took:.2g} s: is a synchronisation missing?")
        amount = max(2 * amount, math.ceil(amount * 1.2 * CHUNK_S / took)) if took > CHUNK_S / 10 else 4 * amount
    return enough(amount, took, chunk_s)


def enough(amount: int, took: float, chunk_s: float) -> int:
    """Return the amount, or more, that lasts at least `chunk_s` with a fifth to spare, as `amount` took so long."""
    return math.ceil(amount * max(1.0, 1.2 * chunk_s / took))


def warm_up(work: Work, amount: int) -> list[float]:
    """Run chunks until the mean of the last two is near the mean of the two before; return the seconds of each."""
    taken: list[float] = []
    while len(taken) < MAX_WARM_UP_CHUNKS:
        taken.append(clock(work, amount))
        if len(taken) >= 4 and abs(sum(taken[-2:]) / sum(taken[-4:-2]) - 1) < STEADY:
            break
    return taken


class Edges(Protocol):
    """What is done at the edges of every chunk, outside the clock."""

    def before(self) -> None:
        """Make ready for a chunk."""

    def after(self) -> None:
        """Look at what it has done."""


class _Stretches:
    """Wall and CPU seconds of chunks and of the pauses between them, each from where the other ended.

    So nothing lies between them, however long this process has to wait for a CPU there.
    """

    def __init__(self) -> None:
        self.chunk_ns: list[int] = []
        self.pause_ns: list[int] = []  # a chunk's each, before and after it
        self.pause_cpu_ns: list[int] = []
        self.counters: list[Counters] = []
        self.cpu, self.wall = time.process_time_ns(), time.perf_counter_ns()

    def passed(self) -> tuple[int, int]:
        """Return the wall and CPU nanoseconds since this was called last."""
        cpu, wall = self.cpu, self.wall
        self.cpu, self.wall = time.process_time_ns(), time.perf_counter_ns()
        return self.wall - wall, self.cpu - cpu

    def add(self, work: Work, amount: int, edges: Edges | None) -> None:
        """Do a chunk between its pauses."""
        if edges:
            edges.before()
        reading = interference.read()
        before, before_cpu = self.passed()
        work(amount)
        self.chunk_ns.append(self.passed()[0])
        self.counters.append(interference.read().since(reading))
        if edges:
            edges.after()
        after, after_cpu = self.passed()
        self.pause_ns.append(before + after)
        self.pause_cpu_ns.append(before_cpu + after_cpu)


def time_chunks(
    work: Work, amount: int, chunks: int, settle: Settle, device: DeviceClock = NO_CLOCK, edges: Edges | None = None
) -> Timed:
    """Time `chunks` chunks of `amount`, the collector switched off, also by the device's clock that the work has.

    `settle` copies a result to the host, which no work can outlast: the region ends after it. What `edges` do is timed
    apart.
    """
    gc.collect()
    gc.disable()
    try:
        cpu, wall = time.process_time_ns(), time.perf_counter_ns()
        stretches = _Stretches()
        device_s: tuple[float, ...] = ()
        device.armed = True
        for _ in range(chunks):
            stretches.add(work, amount, edges)
            device_s += device.seconds()
        settle()
        cpu = time.process_time_ns() - cpu - sum(stretches.pause_cpu_ns)
        wall = time.perf_counter_ns() - wall - sum(stretches.pause_ns)
    finally:
        device.armed = False
        gc.enable()
    taken, paused, paused_cpu = (
        [ns / 1e9 for ns in found] for found in (stretches.chunk_ns, stretches.pause_ns, stretches.pause_cpu_ns)
    )
    half = chunks // 2
    drift = statistics.median(taken[:half]) / statistics.median(taken[half:]) - 1
    steady = abs(drift) < 2 * STEADY
    counters = tuple(stretches.counters)
    return Timed(taken, cpu / 1e9, wall / 1e9, steady, counters, device_s, tuple(paused), tuple(paused_cpu))


def check_pauses(timed: Timed, copied_bytes: int, arrays: int, device: str) -> None:
    """Raise Inconsistent if the pauses are longer than copying so many bytes and arrays takes: work was put into them.

    On a CPU the CPU seconds count, which are the same on a busy machine; on a card also the wall's.
    """
    copying_s, calls_s = copied_bytes / PAUSE_BYTES_PER_S, arrays / PAUSE_ARRAYS_PER_S
    wall_bound = max(PAUSE_S, calls_s) + copying_s if device == "gpu" else math.inf
    for what, seconds, bound in (
        ("CPU seconds", statistics.median(timed.pause_cpu_s), max(PAUSE_CPU_S, calls_s) + copying_s),
        ("seconds", statistics.median(timed.pause_s), wall_bound),
    ):
        if seconds > bound:
            raise Inconsistent(
                f"weights are set and read between chunks in {seconds:.2g} {what}, bound {bound:.2g}: is a "
                "synchronisation missing, or is work put off, or done ahead?"
            )


def samples_per_s(timed: Timed, samples_per_chunk: int) -> float:
    """Return the median speed; Inconsistent if the chunks do not add up to the region that held them.

    The region is timed apart, so that a slip in a unit or a chunk that did not wait cannot pass.
    """
    by_chunks = samples_per_chunk * len(timed.chunk_s) / sum(timed.chunk_s)
    overall = samples_per_chunk * len(timed.chunk_s) / timed.wall_s
    if abs(by_chunks / overall - 1) > REGION_TOLERANCE:
        raise Inconsistent(f"{by_chunks:.6g} samples/s by chunks, {overall:.6g} over the whole timed region")
    return samples_per_chunk / statistics.median(timed.chunk_s)
