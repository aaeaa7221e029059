"""What else happened on the worker's CPUs while it was timed, and how many of its threads computed.

Counters of the kernel, read between chunks and never inside one: CPU time stolen by other virtual machines, CPU time
that other processes took on the CPUs of this one, stalls for want of a CPU (PSI), and how often this process was
thrown off its CPU. A launch is never left out because of its speed; `noisy` rests on these and on the canary.

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


STAT, PRESSURE = Path("/proc/stat"), Path("/proc/pressure/cpu")
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

    def since(self, before: Counters) -> Counters:
        """Return what was added since an earlier reading."""
        return Counters._make(now - then for now, then in zip(self, before, strict=True))


def read() -> Counters:
    """Return the totals of this moment."""
    busy, stolen = _cpu_times(STAT.read_text(), os.sched_getaffinity(0))
    switches = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
    return Counters(time.perf_counter_ns() / 1e9, time.process_time_ns() / 1e9, busy, stolen, _pressure(), switches)


def _cpu_times(stat: str, cpus: set[int]) -> tuple[float, float]:
    """Return the busy and the stolen seconds of some CPUs from the text of /proc/stat (proc(5))."""
    busy = stolen = 0
    for cpu, fields in re.findall(r"^cpu(\d+) (.*)$", stat, re.MULTILINE):
        if int(cpu) in cpus:
            user, nice, system, _, _, interrupts, soft_interrupts, steal, *_ = map(int, fields.split())
            busy += user + nice + system + interrupts + soft_interrupts
            stolen += steal
    return busy * TICK_S, stolen * TICK_S


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
        "train_chunk_cpu_s": [chunk.cpu_s for chunk in chunks],
        "train_chunk_stolen_s": [chunk.stolen_s for chunk in chunks],
        "train_chunk_pressure_s": [chunk.pressure_s for chunk in chunks] if PRESSURE.exists() else None,
        "train_chunk_switches": [chunk.switches for chunk in chunks],
    }


def flags(chunks: Sequence[Counters]) -> list[str]:
    """Return `noisy` where others took more than their tolerated share of the CPUs."""
    stolen, foreign = _shares(chunks, len(os.sched_getaffinity(0)))
    return ["noisy"] if stolen > STOLEN or foreign > FOREIGN else []
