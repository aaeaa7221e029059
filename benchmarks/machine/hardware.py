"""The processor and the cards of this machine, and the devices that people name: cpu, gpu (the first card), gpu:N, all.

Facts that a measured speed depends on, without names of hosts, users or paths. NVIDIA's driver says which cards there
are, whatever the frameworks see. A worker sees only its own card, as its first: adapters know `cpu` and `gpu` and no
numbers.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil

from benchmarks.errors import UsageError, count, has, require
from benchmarks.plan.typed import numbers, split
from benchmarks.worker import cgroup

SYSFS_CPU = Path("/sys/devices/system/cpu")
CPUINFO = Path("/proc/cpuinfo")
# What a virtual machine is told of the program that runs it: no names of hosts.
HYPERVISOR = (
    *(Path("/sys/hypervisor/version", name) for name in ("major", "minor")),
    *(Path("/sys/class/dmi/id", name) for name in ("sys_vendor", "product_name", "bios_version")),
)


def cpu_name() -> str:
    """Return the processor's model name as the kernel gives it."""
    for line in CPUINFO.read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


# Flags of /proc/cpuinfo that name instructions numeric libraries choose kernels by; others come and go with the kernel.
INSTRUCTIONS = re.compile(
    r"(sse|ssse|avx|amx|fma|bmi|vpclmul|asimd|sve|smef)\w*|f16c|gfni|vaes|popcnt|abm|movbe|fphp|bf16|i8mm"
)


def _instructions() -> list[str]:
    """Return the instruction sets of the first processor in /proc/cpuinfo, as the kernel names them."""
    found = re.search(r"^(?:flags|Features)\s*: (.*)$", CPUINFO.read_text(), re.MULTILINE)
    return sorted(flag for flag in set(found[1].split()) if INSTRUCTIONS.fullmatch(flag)) if found else []


def physical_cpus() -> list[int]:
    """Return one allowed logical CPU of each physical core, in order."""
    allowed = sorted(os.sched_getaffinity(0))
    seen: dict[str, int] = {}
    for cpu in allowed:
        siblings = SYSFS_CPU / f"cpu{cpu}" / "topology" / "thread_siblings_list"
        core = siblings.read_text().strip() if siblings.exists() else str(cpu)
        seen.setdefault(core, cpu)
    return sorted(seen.values())


def most_threads() -> int:
    """Return with how many threads to measure at most: this process's cores, and its quota of CPU time, rounded up."""
    cores, quota = len(physical_cpus()), cgroup.quota_cpus()
    return cores if quota is None else min(cores, math.ceil(quota))


def chosen_threads(given: Sequence[str] | None, default: int | None = None) -> list[int]:
    """Return the numbers of threads asked for, else the default, else most_threads(); UsageError for more than that."""
    most, cores, quota = most_threads(), len(physical_cpus()), cgroup.quota_cpus()
    asked = split(given, "--threads")
    if larger := [value for value in asked if value.isdecimal() and int(value) > most]:
        there = f"this process may use {count(cores, 'core')}"
        if quota is not None and most < cores:
            there = f"a quota lets this process use {quota:g} of {count(cores, 'core')}"
        raise UsageError(f"--threads {larger[0]}: {there}; type --threads {most}" + (" or fewer" if most > 1 else ""))
    return numbers(asked or None, [default or most], "--threads", most)


def _caches() -> dict[str, str]:
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
            size = (last / "size").read_text().strip()  # 48K, 32M
            furthest[sharers] = int(size[:-1]) << {"K": 10, "M": 20, "G": 30}[size[-1]]
    return sum(furthest.values())


def _first_line(*paths: Path) -> str:
    """Return the content of the first of these files that exists, or `not exposed`."""
    return next((path.read_text().strip() for path in paths if path.exists()), "not exposed")


def facts() -> dict[str, Any]:
    """Return what is recorded once per run; the CPUs' clocks are those of this moment, as far as the kernel knows."""
    cpuinfo = CPUINFO.read_text()
    return {
        "cpu": cpu_name(),
        "instructions": _instructions(),
        "microcode": next(iter(re.findall(r"^microcode\s*: (\S+)", cpuinfo, re.MULTILINE)), "not exposed"),
        "virtual_machine": "hypervisor" in cpuinfo,
        "hypervisor": " ".join(path.read_text().strip() for path in HYPERVISOR if path.exists()) or "not exposed",
        "frequencies_mhz": [float(mhz) for mhz in re.findall(r"^cpu MHz\s*: ([\d.]+)", cpuinfo, re.MULTILINE)],
        "governor": _first_line(SYSFS_CPU / "cpu0" / "cpufreq" / "scaling_governor"),
        "cpu_quota": cgroup.quota_cpus(),  # CPUs
        # A UUID would name one machine; None where we cannot ask the driver.
        "gpus": [{**vars(card), "uuid": None} for card in cards()] if can_be_asked() else None,
        "transparent_huge_pages": _first_line(Path("/sys/kernel/mm/transparent_hugepage/enabled")),
        "load_average": os.getloadavg()[0],
        "physical_cores": len(physical_cpus()),
        "logical_cpus": os.cpu_count(),
        "caches": _caches(),
        "memory_bytes": psutil.virtual_memory().total,
        "kernel": platform.release(),
        "libc": " ".join(platform.libc_ver()),
    }


@functools.cache
def fingerprint(device: str = "cpu") -> str:
    """Return a hash that is the same on machines of one kind: processor, cores, memory to the GiB, and the card.

    A processor is its name, instruction sets and caches: hypervisors give unlike ones one name. Microcode, kernel and
    libc are no part of it: machines that are kept up to date stay comparable, and comparisons name what changed.
    """
    kind: dict[str, Any] = {
        "cpu": cpu_name(),
        "instructions": _instructions(),
        "caches": _caches(),
        "cores": len(physical_cpus()),
        "gib": round(psutil.virtual_memory().total / 2**30),
    }
    if card := card_of(device):
        kind["card"] = card.name
    return hashlib.sha256(json.dumps(kind, sort_keys=True).encode()).hexdigest()[:16]


KINDS = ("cpu", "gpu")
NAMES = re.compile(r"cpu|gpu(:\d{1,3})?")


def kind(device: str) -> str:
    """Return `cpu` or `gpu`: what an adapter, an environment's name and a table's heading go by."""
    return device.partition(":")[0]


def _place(device: str) -> int | None:
    """Return the number of the card, from 0; None for the processor."""
    return None if kind(device) == "cpu" else int(device.partition(":")[2] or 0)


def card_of(device: str) -> Card | None:
    """Return the card that a device is; None for the processor, and where no driver tells."""
    index = _place(device)
    found = [] if index is None else cards()
    return found[index] if index is not None and index < len(found) else None


def chosen(given: Sequence[str] | None) -> list[str]:
    """Return the devices asked for, `cpu` by default and each once; UsageError for one that this machine lacks."""
    wanted = named(given)
    if "all" in wanted:
        require("--device all", "pynvml", instead="name the devices, such as --device cpu,gpu")
        every = ["cpu", *(gpu_name(index) for index in range(len(cards())))]
        wanted = list(dict.fromkeys(device for name in wanted for device in (every if name == "all" else [name])))
    for device in wanted:
        _check(device)
    return wanted


def named(given: Sequence[str] | None) -> list[str]:
    """Return the devices asked for, of machines that are not known yet; UsageError for an unknown name."""
    devices = list(dict.fromkeys("gpu" if name == "gpu:0" else name for name in split(given, "device") or ["cpu"]))
    for name in devices:
        if name != "all" and NAMES.fullmatch(name) is None:
            raise UsageError(f"unknown device {name!r}; known: cpu, gpu, gpu:N, all")
    return devices


def gpu_name(index: int) -> str:
    """Return the name of the card at this place: the first is `gpu`."""
    return f"gpu:{index}" if index else "gpu"


def _check(device: str) -> None:
    """Raise UsageError for a card that this machine lacks."""
    if kind(device) == "cpu" or not can_be_asked():
        return  # without the bindings only each framework's probe can tell
    found = cards()
    if not found:
        raise UsageError(f"--device {device}: NVIDIA's driver shows no GPU here; use --device cpu")
    if (_place(device) or 0) >= len(found):
        known = ", ".join(f"{gpu_name(index)} ({card.name})" for index, card in enumerate(found))
        raise UsageError(f"--device {device}: no such card; there are {known}")


def variables(device: str) -> dict[str, str]:
    """Return what lets a worker see its card and no other; nothing for the processor.

    The order of the bus is the driver's own and NVML's; CUDA's default is fastest first. Where NVML cannot be asked the
    card goes by its number, or by its place among those granted: without, gpu:1 would be measured on the first.
    """
    index = _place(device)
    if index is None:
        return {}
    if can_be_asked():
        mine = card_of(device)
        name = mine.uuid if mine else None
    else:
        granted = os.environ.get("CUDA_VISIBLE_DEVICES")
        name = str(index) if granted is None else "".join(granted.split(",")[index : index + 1])
    return {} if name is None else {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": name}


@dataclass(frozen=True)
class Card:
    """One GPU: `index` as the driver counts, `driver` its version, `capability` CUDA's, for example 9.0."""

    index: int
    name: str
    memory_bytes: int
    driver: str
    capability: str
    uuid: str


def nvml() -> ModuleType | None:
    """Return NVML's bindings, ready to be asked, or None where there is no driver or no binding."""
    if not can_be_asked():
        return None
    import pynvml  # noqa: PLC0415 - see errors.py

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    found: ModuleType = pynvml
    return found


def can_be_asked() -> bool:
    """Return whether this Python has NVML's bindings; without them we cannot know which cards there are."""
    return has("pynvml")


def cards() -> list[Card]:
    """Return the GPUs that this process may use, in the driver's order; none where there is no driver.

    gpu:N is the one at place N: CUDA_VISIBLE_DEVICES, by which a queue grants cards, hides the others.
    """
    library = nvml()
    if library is None:
        return []
    driver = _decode_text(library.nvmlSystemGetDriverVersion())
    found = [_read_card(library, index, driver) for index in range(library.nvmlDeviceGetCount())]
    granted = os.environ.get("CUDA_VISIBLE_DEVICES")
    return found if granted is None else _visible(found, granted)


def _read_card(library: ModuleType, index: int, driver: str) -> Card:
    """Return what the driver says of one GPU."""
    handle = library.nvmlDeviceGetHandleByIndex(index)
    capability = "{}.{}".format(*library.nvmlDeviceGetCudaComputeCapability(handle))
    name, uuid = _decode_text(library.nvmlDeviceGetName(handle)), _decode_text(library.nvmlDeviceGetUUID(handle))
    return Card(index, name, library.nvmlDeviceGetMemoryInfo(handle).total, driver, capability, uuid)


def _visible(found: list[Card], granted: str) -> list[Card]:
    """Return the cards that CUDA_VISIBLE_DEVICES names, by number or by the beginning of a UUID, in its order.

    As CUDA does, stop at the first that does not exist: an invalid number hides all that follow it.
    """
    kept: list[Card] = []
    for name in filter(None, granted.split(",")):
        named = [c for c in found if str(c.index) == name.strip() or _is_uuid_prefix(c.uuid, name.strip())]
        if len(named) != 1:
            break
        kept += named
    return kept


def _is_uuid_prefix(uuid: str, name: str) -> bool:
    """Return whether a name is the beginning of a UUID, and more than what all of them begin with."""
    return name.startswith("GPU-") and len(name) > 4 and uuid.startswith(name)


def _decode_text(answer: str | bytes) -> str:
    """Return text; older bindings answer in bytes."""
    return answer.decode() if isinstance(answer, bytes) else answer
