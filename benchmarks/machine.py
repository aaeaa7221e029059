"""Facts about this machine that a measured speed depends on; no names of hosts, users or paths."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks import cards, devices

SYSFS_CPU = Path("/sys/devices/system/cpu")
CPUINFO = Path("/proc/cpuinfo")
CGROUP = Path("/sys/fs/cgroup")


def cpu_name() -> str:
    """Return the processor's model name as the kernel gives it."""
    for line in CPUINFO.read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def physical_cpus() -> list[int]:
    """Return one allowed logical CPU of each physical core, in order."""
    allowed = sorted(os.sched_getaffinity(0))
    seen: dict[str, int] = {}
    for cpu in allowed:
        siblings = SYSFS_CPU / f"cpu{cpu}" / "topology" / "thread_siblings_list"
        core = siblings.read_text().strip() if siblings.exists() else str(cpu)
        seen.setdefault(core, cpu)
    return sorted(seen.values())


def caches() -> dict[str, str]:
    """Return size by level and type of the first CPU's caches, as sysfs writes it: {"L2 Unified": "2048K"}."""
    found = {}
    for index in sorted((SYSFS_CPU / "cpu0" / "cache").glob("index*")):
        level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        found[f"L{level} {kind}"] = size
    return found


def last_level_cache_bytes(cpus: Sequence[int]) -> int:
    """Return the size of the caches furthest from these CPUs, one that several of them share counted once.

    0 where the kernel does not say.
    """
    furthest: dict[str, int] = {}
    for cpu in cpus:
        indices = (SYSFS_CPU / f"cpu{cpu}" / "cache").glob("index*")
        last = max(indices, key=lambda index: int((index / "level").read_text()), default=None)
        if last is not None:
            sharers = (last / "shared_cpu_list").read_text().strip()
            furthest[sharers] = size_bytes((last / "size").read_text().strip())
    return sum(furthest.values())


def size_bytes(size: str) -> int:
    """Return the bytes of a size as sysfs writes it: 48K, 32M."""
    return int(size[:-1]) << {"K": 10, "M": 20, "G": 30}[size[-1]]


def first_line(*paths: Path) -> str:
    """Return what the first of these files that exists says, or `not exposed`."""
    return next((path.read_text().strip() for path in paths if path.exists()), "not exposed")


def frequencies_mhz() -> list[float]:
    """Return the CPUs' clocks at this moment, as far as the kernel knows them."""
    return [float(found) for found in re.findall(r"^cpu MHz\s*: ([\d.]+)", CPUINFO.read_text(), re.MULTILINE)]


def cpu_quota() -> str:
    """Return the container's limit of CPU time: microseconds a period of cgroup v2 (or v1: -1 for none)."""
    return first_line(CGROUP / "cpu.max", CGROUP / "cpu" / "cpu.cfs_quota_us")


def facts() -> dict[str, Any]:
    """Return what is recorded once per run."""
    return {
        "cpu": cpu_name(),
        "virtual_machine": "hypervisor" in CPUINFO.read_text(),
        "frequencies_mhz": frequencies_mhz(),
        "governor": first_line(SYSFS_CPU / "cpu0" / "cpufreq" / "scaling_governor"),
        "cpu_quota": cpu_quota(),
        # A UUID would name one machine; None where nobody can ask the driver.
        "gpus": [{**vars(card), "uuid": None} for card in cards.cards()] if cards.can_be_asked() else None,
        "transparent_huge_pages": first_line(Path("/sys/kernel/mm/transparent_hugepage/enabled")),
        "load_average": os.getloadavg()[0],
        "physical_cores": len(physical_cpus()),
        "logical_cpus": os.cpu_count(),
        "caches": caches(),
        "memory_bytes": psutil.virtual_memory().total,
        "kernel": platform.release(),
        "libc": " ".join(platform.libc_ver()),
    }


@functools.cache
def fingerprint(device: str = "cpu") -> str:
    """Return a hash that is the same on machines of one kind: processor, cores, memory to the GiB, and the card."""
    kind = {"cpu": cpu_name(), "cores": len(physical_cpus()), "gib": round(psutil.virtual_memory().total / 2**30)}
    if card := devices.card(device):
        kind["card"] = card.name
    return hashlib.sha256(json.dumps(kind, sort_keys=True).encode()).hexdigest()[:16]
