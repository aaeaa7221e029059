"""What else happened on the worker's CPUs while it was timed, and how many of its threads computed.

Counters of the kernel, read between chunks and never inside one: CPU time stolen by other virtual machines, CPU time
that other processes took on the CPUs of this one, stalls for want of a CPU (PSI), how often this process was thrown
off its CPU, what a quota of its control group held it back (`throttled`), and swapping. Heat is read before the first
chunk and after the last, because the kernel has a file for each CPU. A launch is never left out because of its speed;
`noisy` rests on these and on the canary.

Threads are counted while the framework multiplies matrices, because a framework reports what it was asked for. The
kernel knows how much CPU time each thread got, and threads that share a product get about equal parts, however busy
the machine is; a ratio of CPU time to wall time would fall with every load beside it. Runs in a framework's
environment.
"""

from __future__ import annotations

import os
import re
import resource
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from adapters.contract import Adapter
from benchmarks.worker import cgroup
from benchmarks.worker import clocks as time

SIZE = 768  # large enough that every BLAS shares it out, small enough to take milliseconds
PROBE_S = 0.05
SHARE = 0.1  # of the busiest thread's CPU time: less is waiting, waking, or Python


def computing(adapter: Adapter) -> int:
    """Return how many threads of this process computed while the adapter multiplied matrices on the CPU."""
    operand = np.eye(SIZE, dtype=adapter.dtype)
    work = adapter.products(operand, operand)
    adapter.synchronise(work(1))  # compiles, and wakes the pool
    before = _cpu_ns()
    end = time.perf_counter() + PROBE_S
    while time.perf_counter() < end:
        adapter.synchronise(work(4))
    return _active({thread: taken - before.get(thread, 0) for thread, taken in _cpu_ns().items()})


def _active(taken_ns: dict[int, int]) -> int:
    """Return how many threads took a share worth counting, by thread and nanoseconds."""
    most = max(taken_ns.values())
    return sum(taken >= SHARE * most > 0 for taken in taken_ns.values())


def _cpu_ns() -> dict[int, int]:
    """Return the CPU nanoseconds of each thread of this process so far, by its kernel id (proc(5), schedstat)."""
    taken = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            taken[int(task.name)] = int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            continue
    return taken


STAT, PRESSURE, VMSTAT = Path("/proc/stat"), Path("/proc/pressure/cpu"), Path("/proc/vmstat")
SYSFS_CPU = Path("/sys/devices/system/cpu")
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
STOLEN = 0.02  # of the CPUs' time: above it a launch is `noisy`, and not left out
FOREIGN = 0.05  # likewise; below it the kernel's ticks of 10 ms blur what a second can tell


class Counters(NamedTuple):
    """Running totals, or what they grew by: of this process, and of the CPUs it may run on."""

    wall_s: float
    cpu_s: float  # this process, all threads
    busy_s: float  # those CPUs, whoever ran on them
    stolen_s: float  # those CPUs, while the hypervisor ran something else
    pressure_s: float  # some task of the machine waited for a CPU; 0 where the kernel does not say
    switches: int  # involuntary context switches of this process
    throttles: int  # times that a quota of its control group, or of one above that, held back what is in it
    throttled_s: float  # for how long, summed over CPUs
    swapped: int  # pages of the machine that went to swap or came from it, and waits of this process for a page on disk

    def since(self, before: Counters) -> Counters:
        """Return what was added since an earlier reading."""
        return Counters._make(now - then for now, then in zip(self, before, strict=True))


def read() -> Counters:
    """Return the totals of this moment."""
    busy, stolen = _cpu_times(STAT.read_text(), os.sched_getaffinity(0))
    used, held = resource.getrusage(resource.RUSAGE_SELF), cgroup.throttling()
    swapped = _swapped(VMSTAT.read_text()) + used.ru_majflt
    clocks = time.perf_counter_ns() / 1e9, time.process_time_ns() / 1e9
    return Counters(*clocks, busy, stolen, _pressure(), used.ru_nivcsw, held.times, held.seconds, swapped)


def _cpu_times(stat: str, cpus: set[int]) -> tuple[float, float]:
    """Return the busy and the stolen seconds of some CPUs from the text of /proc/stat (proc(5))."""
    busy = stolen = 0
    for cpu, fields in re.findall(r"^cpu(\d+) (.*)$", stat, re.MULTILINE):
        if int(cpu) in cpus:
            user, nice, system, _, _, interrupts, soft_interrupts, steal, *_ = map(int, fields.split())
            busy += user + nice + system + interrupts + soft_interrupts
            stolen += steal
    return busy * TICK_S, stolen * TICK_S


def _swapped(vmstat: str) -> int:
    """Return the pages that went to swap or came from it, from the text of /proc/vmstat; 0 where it does not count."""
    return sum(map(int, re.findall(r"^pswp(?:in|out) (\d+)$", vmstat, re.MULTILINE)))


def heat() -> int:
    """Return how often the CPUs that this process may run on, and their packages, slowed down for heat so far.

    0 where the kernel does not count, as in most virtual machines.
    """
    counts = (
        SYSFS_CPU / f"cpu{cpu}" / "thermal_throttle" / f"{part}_throttle_count"
        for cpu in os.sched_getaffinity(0)
        for part in ("core", "package")
    )
    return sum(int(path.read_text()) for path in counts if path.exists())


def _pressure() -> float:
    """Return the seconds in which some task waited for a CPU, since boot; 0 where the kernel keeps no count."""
    try:
        total = re.search(r"^some .*total=(\d+)", PRESSURE.read_text(), re.MULTILINE)
    except OSError:
        return 0.0
    return int(total[1]) / 1e6 if total else 0.0


def _shares(chunks: Sequence[Counters], cpus: int) -> tuple[float, float]:
    """Return which share of `cpus` CPUs' time was stolen, and which went to other processes, over some chunks."""
    available_s = cpus * sum(chunk.wall_s for chunk in chunks)
    stolen_s = sum(chunk.stolen_s for chunk in chunks)
    foreign_s = sum(chunk.busy_s - chunk.cpu_s for chunk in chunks)
    return stolen_s / available_s, max(0.0, foreign_s / available_s)


def columns(chunks: Sequence[Counters]) -> dict[str, Any]:
    """Return the row's columns on what happened while training was timed."""
    stolen, foreign = _shares(chunks, len(os.sched_getaffinity(0)))
    return {
        "stolen_share": stolen,
        "foreign_share": foreign,
        "cpu_throttled_s": sum(chunk.throttled_s for chunk in chunks) if cgroup.cpu_groups() else None,
        "train_chunk_cpu_s": [chunk.cpu_s for chunk in chunks],
        "train_chunk_stolen_s": [chunk.stolen_s for chunk in chunks],
        "train_chunk_pressure_s": [chunk.pressure_s for chunk in chunks] if PRESSURE.exists() else None,
        "train_chunk_switches": [chunk.switches for chunk in chunks],
    }


def flags(chunks: Sequence[Counters], hot: bool = False) -> list[str]:
    """Return `noisy` where others took more than their tolerated share of the CPUs, memory was swapped or CPUs hot.

    `throttled` where a quota of CPU time held this process back.
    """
    stolen, foreign = _shares(chunks, len(os.sched_getaffinity(0)))
    noisy = stolen > STOLEN or foreign > FOREIGN or hot or any(chunk.swapped for chunk in chunks)
    held = any(chunk.throttles or chunk.throttled_s for chunk in chunks)
    return ["noisy"] * noisy + ["throttled"] * held
