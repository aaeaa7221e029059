"""How fast memory feeds what computes, kept per kind of machine beside its peak: the slope of the roofline.

On a CPU it is the triad in NumPy (bandwidth.py); on a card the fastest copy that any framework makes there (copies.py),
so that none is held to what another's launches cost. Rows take a card's only where every framework had its say: a
bandwidth that is too low would make an honest row look impossible.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psutil

from benchmarks import environments, imports, kept, machine, peak
from benchmarks.counting import threads
from benchmarks.peak import Document, Point, Report
from benchmarks.roofline import Ceiling

TIMES_CACHE = 3 * 4  # three arrays, each four times the last-level cache: STREAM's rule for what must come from memory
SMALLEST_SET_BYTES = 32 << 10  # a thread's; a core's first cache
UNKNOWN_CACHE_BYTES = 64 << 20  # where the kernel does not say how large the last one is
CARD_SETS_BYTES = tuple(1 << bits for bits in (22, 24, 26, 28, 30))  # cards have caches of 4 to 130 MB
CODE, CARD_CODE = ("benchmarks.bandwidth",), ("benchmarks.copies", "adapters.registry")


def ceiling(point: Point) -> Ceiling:
    """Return what is kept of this machine for a point: its peak, and its memory's bandwidth."""
    memory = kept.read("bandwidths", decisive(point))
    return Ceiling.measured(peak.known(point), memory["sets"] if memory else [])


def decisive(point: Point) -> Document:
    """Return everything that a kept bandwidth depends on; no dtype, because bytes have none."""
    if point.device != "cpu":
        return {
            "device": point.device,
            "threads": point.threads,
            "code": imports.code_hash(*CARD_CODE),
            "locks": peak.locks(peak.there(point.device), point.device),
            "machine": machine.fingerprint(point.device),
        }
    hashes = {
        "code": imports.code_hash(*CODE),
        "lock": environments.lock_hash("numpy", "cpu"),
        "machine": machine.fingerprint(),
    }
    return {"threads": point.threads, **hashes}


def can_be_measured(device: str) -> bool:
    """Return whether there is an environment that could measure the device's memory."""
    return bool(peak.there(device)) if device != "cpu" else "numpy" in peak.there("cpu")


def measured(point: Point, fresh: bool = False, report: Report = print) -> Document:
    """Return the kept bandwidth of a point's memory, or measure it; for a device where that can be.

    The document: device, threads, status, reason; `bytes_per_s` of the largest set; `sets`, each set_bytes and
    bytes_per_s; for a card `frameworks`, what each answered.
    """
    depends = decisive(point)
    if not fresh and (found := kept.read("bandwidths", depends)):
        return found
    answer = in_memory(point) if point.device == "cpu" else on_a_card(point)
    speed = answer["sets"][-1]["bytes_per_s"] if answer["status"] == "ok" else None
    what = f"memory of {point.device}, {threads(point.threads)}"
    report(f"{what}: " + (answer["reason"] if speed is None else f"{speed / 1e9:,.1f} GB/s"))
    document = {"device": point.device, "threads": point.threads, "bytes_per_s": speed, **answer}
    if speed is not None:
        kept.write("bandwidths", depends, document)
    return document


def in_memory(point: Point) -> Document:
    """Let NumPy compute its triad in a fresh process."""
    request = {"task": "bandwidth", "threads": point.threads, "sets_bytes": sets_bytes(point.threads)}
    return peak.answered("numpy", "cpu", request, point.threads)


def on_a_card(point: Point) -> Document:
    """Let every framework copy in a fresh process; return the fastest of each set, `failed` unless all had a say."""
    asked = point._replace(dtype="float32")
    answers = {name: peak.ask(asked, name, "copies", sets_bytes=CARD_SETS_BYTES) for name in peak.there(point.device)}
    if not peak.complete(answers) or not any(map(peak.counts, answers.values())):
        wrong = [f"{name}: {answer['reason']}" for name, answer in answers.items() if not peak.counts(answer)]
        return {"status": "failed", "reason": "; ".join(wrong), "frameworks": answers}
    return {"status": "ok", "reason": "", "sets": fastest(answers), "frameworks": answers}


def fastest(answers: Mapping[str, Mapping[str, Any]]) -> list[dict[str, float]]:
    """Return the fastest copy of each set over all frameworks, smallest set first."""
    parts = [part for answer in answers.values() if peak.counts(answer) for part in answer["sets"]]
    speeds = {size: max(p["bytes_per_s"] for p in parts if p["set_bytes"] == size) for size in sizes_of(parts)}
    return [{"set_bytes": size, "bytes_per_s": speed} for size, speed in speeds.items()]


def sizes_of(parts: list[Mapping[str, Any]]) -> list[int]:
    """Return the sets that were measured, smallest first."""
    return sorted({part["set_bytes"] for part in parts})


def sets_bytes(threads: int) -> list[int]:
    """Return the working sets: from a core's first cache on by fours, the last one so large that it is in memory.

    That is three arrays, each four times the last-level caches of the CPUs used, but no more than a quarter of what
    memory is free.
    """
    cache = machine.last_level_cache_bytes(machine.physical_cpus()[:threads]) or UNKNOWN_CACHE_BYTES
    largest = min(TIMES_CACHE * cache, psutil.virtual_memory().available // 4)
    found = []
    size = SMALLEST_SET_BYTES * threads
    while size < largest:
        found.append(size)
        size *= 4
    return [*found, largest]
