"""What of this machine makes speeds lower or less sure: cores and threads, clock, limits, and what else runs now."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil

from benchmarks import machine
from benchmarks.checks.finding import Finding

LOOKED_S = 0.5
BUSY = 5.0  # percent of the CPUs that others may take before a launch is called disturbed (evidence.py)
STOLEN = 2.0
OWN_GROUP = Path("/proc/self/cgroup")


def findings() -> Iterator[Finding]:
    """Yield a finding for each thing that was looked at."""
    yield threads(len(machine.physical_cpus()), len(os.sched_getaffinity(0)), os.cpu_count() or 1)
    yield governor(sorted(machine.SYSFS_CPU.glob("cpu[0-9]*/cpufreq/scaling_governor")))
    yield quota(quota_cpus(), len(machine.physical_cpus()))
    percent = psutil.cpu_times_percent(LOOKED_S)
    yield load(100 - percent.idle - percent.iowait - percent.steal, percent.steal)


def threads(cores: int, allowed: int, there: int) -> Finding:
    """Say how many cores there are to compute with: physical ones, CPUs this process may use, CPUs of the machine."""
    found = f"{cores} physical cores, {allowed} of {there} CPUs allowed"
    if allowed < there:
        return Finding("note", "threads", found, "taskset or a cpuset leaves the others out; was it meant?")
    if allowed > cores:
        return Finding("note", "threads", f"{found}: CPUs share cores (SMT)", "cells take one CPU a core by default")
    return Finding("ok", "threads", found)


def governor(files: list[Path]) -> Finding:
    """Say how the kernel chooses the CPUs' clocks."""
    found = sorted({path.read_text().strip() for path in files})
    if not found:
        return Finding("note", "governor", "not exposed, as in most virtual machines")
    if found == ["performance"]:
        return Finding("ok", "governor", "performance")
    return Finding("warning", "governor", ", ".join(found), "sudo cpupower frequency-set --governor performance")


def quota(cpus: float | None, cores: int) -> Finding:
    """Say how much CPU time a control group leaves us."""
    if cpus is None:
        return Finding("ok", "CPU quota", "none")
    found = f"{cpus:g} CPUs' time for {cores} physical cores"
    if cpus < cores:
        return Finding("warning", "CPU quota", found, "raise the container's limit, or measure with fewer --threads")
    return Finding("ok", "CPU quota", found)


def quota_cpus() -> float | None:
    """Return the smallest limit of CPU time of our control group and of those above it, in CPUs; None without one."""
    found = []
    for line in OWN_GROUP.read_text().splitlines():
        _, controllers, group = line.split(":", 2)
        root = machine.CGROUP if not controllers else machine.CGROUP / "cpu"
        if not controllers or "cpu" in controllers.split(","):
            here = root / group.lstrip("/")
            found += [limit(folder) for folder in (here, *here.parents) if folder.is_relative_to(root)]
    return min((cpus for cpus in found if cpus is not None), default=None)


def limit(folder: Path) -> float | None:
    """Return the limit of one control group, in CPUs: cgroup v2's cpu.max, or v1's quota and period."""
    try:
        if (folder / "cpu.max").exists():
            amount, period = (folder / "cpu.max").read_text().split()
        else:
            amount, period = ((folder / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period"))
    except OSError:  # a group that has no such limit, or one outside of our container
        return None
    return None if amount in ("max", "-1") else int(amount) / int(period)


def load(busy: float, stolen: float) -> Finding:
    """Say how busy the CPUs are now, in percent, and how much of them other virtual machines took."""
    found = f"{busy:.0f} % busy, {stolen:.0f} % taken by other virtual machines"
    if busy > BUSY or stolen > STOLEN:
        return Finding("warning", "load now", found, "wait, or end what runs (top); launches would be marked disturbed")
    return Finding("ok", "load now", found)
