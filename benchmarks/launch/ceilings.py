"""What this machine can do at most: its peak, the denominator of MFU, and its memory's bandwidth, the roofline's slope.

The peak at a (device, dtype, threads) is the fastest product of square matrices over all sizes and **all frameworks**,
so that no framework is measured against its own weakness. The bandwidth is NumPy's triad on a CPU, and on a card the
fastest copy that any framework makes there (worker/peak.py). Both are cached per kind of machine, pinned
environments, adapters and threads.

Rows use a peak or a card's bandwidth only if every framework with an environment here took part: a ceiling of fewer
frameworks may be too low, and a correct row would then look impossible.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import psutil

from adapters.registry import FRAMEWORKS
from benchmarks import files
from benchmarks.errors import EnvironmentMissing, threads
from benchmarks.launch.process import Place, launch
from benchmarks.launch.roofline import Ceiling
from benchmarks.machine import environments, hardware, imports
from benchmarks.plan.cells import Cell
from benchmarks.worker.protocol import Request

SIZES = (256, 512, 1024, 2048, 4096)
TIMEOUT_S = 300.0
TRIAD_CODE = ("benchmarks.worker.peak",)  # what NumPy's triad depends on
CODE = (*TRIAD_CODE, "adapters.registry")  # and what every framework's products and copies depend on

Document = dict[str, Any]
Report = Callable[[str], None]


class Point(NamedTuple):
    """Where a peak holds."""

    device: str
    dtype: str
    threads: int

    def __str__(self) -> str:
        return f"{self.dtype} on {self.device}, {threads(self.threads)}"


def available_frameworks(device: str, threads: int = 1) -> list[str]:
    """Return the frameworks that can compute on this device with so many threads, and have what they need here."""
    available = []
    for framework, record in FRAMEWORKS.items():
        try:
            environments.interpreter(framework, device)
        except EnvironmentMissing:
            continue
        able = hardware.kind(device) in record.devices and threads <= (record.max_threads or threads)
        if able and not environments.missing_packages(framework):
            available.append(framework)
    return available


def _key(point: Point, frameworks: Sequence[str], code: Sequence[str]) -> Document:
    """Return what every cached ceiling depends on."""
    return {
        "device": point.device,
        "threads": point.threads,
        "locks": {framework: environments.lock_hash(framework, point.device) for framework in sorted(frameworks)},
        "machine": hardware.fingerprint(point.device),
        "code": imports.code_hash(*code),
    }


def _peak_key(point: Point, frameworks: Sequence[str], sizes: Sequence[int]) -> Document:
    """Return everything that a cached peak depends on."""
    return {**_key(point, frameworks, CODE), "dtype": point.dtype, "sizes": list(sizes)}


def _known_peak(point: Point) -> float | None:
    """Return the cached peak, FLOP/s, of all frameworks that have an environment here; None if there is no peak."""
    cached = files.read_cached("peaks", _peak_key(point, available_frameworks(point.device, point.threads), SIZES))
    return None if cached is None else cached["flops_per_s"]


def measured_peak(
    point: Point, frameworks: Sequence[str], sizes: Sequence[int] = SIZES, fresh: bool = False, report: Report = print
) -> Document:
    """Return the cached peak over these frameworks and sizes, or measure it; cache it if every framework took part.

    The document: device, dtype, threads; flops_per_s, framework and size of the best (null if nothing counts);
    `frameworks`, each one's answer; `complete`, whether no framework failed.
    """
    depends = _peak_key(point, frameworks, sizes)
    if not fresh and (cached := files.read_cached("peaks", depends)):
        return cached
    device, answers = hardware.kind(point.device), {}
    task = {"task": "products", "device": device, "dtype": point.dtype, "sizes": list(sizes)}
    for framework in frameworks:
        answers[framework] = _ask_worker(framework, point, task)
        report(f"{framework}, {point}: {_answer_words(answers[framework])}")
    document = {**point._asdict(), **_best(answers), "frameworks": answers, "complete": _all_valid(answers)}
    if document["complete"] and document["flops_per_s"]:
        files.write_cached("peaks", depends, document)
    return document


def _ask_worker(framework: str, point: Point, task: Document) -> Document:
    """Let one framework compute in a fresh process; return its answer with status, reason and flags.

    `task` is the request without the adapter and the threads.
    """
    request = cast(Request, {"adapter": FRAMEWORKS[framework].adapter, "threads": point.threads, **task})
    outcome = launch(Place.of_framework(framework, point.device, point.threads), request, TIMEOUT_S)
    ended = {"status": outcome.status, "reason": outcome.reason, "flags": sorted(outcome.flags)}
    return {**ended, **(outcome.answer or {})}


def _is_valid(answer: Mapping[str, Any]) -> bool:
    """Return whether a framework's answer counts: it ended ok, on the threads that were asked for."""
    return answer["status"] == "ok" and not answer["flags"]


def _all_valid(answers: Mapping[str, Mapping[str, Any]]) -> bool:
    """Return whether every framework's answer counts, or never will because its adapter does not support the task."""
    return all(_is_valid(answer) or answer["status"] == "unsupported" for answer in answers.values())


def _best(answers: Mapping[str, Mapping[str, Any]]) -> Document:
    """Return flops_per_s, framework and size of the fastest product over all frameworks and sizes."""
    rates = [
        (item["flops_per_s"], framework, item["size"])
        for framework, answer in answers.items()
        if _is_valid(answer)
        for item in answer["sizes"]
        if "flops_per_s" in item
    ]
    return dict(zip(("flops_per_s", "framework", "size"), max(rates, default=(None,) * 3), strict=True))


def _answer_words(answer: Mapping[str, Any]) -> str:
    """Say in a few words what a framework answered."""
    if not _is_valid(answer):
        return ", ".join([answer["status"], *answer.get("flags", []), answer["reason"]]).removesuffix(", ")
    best = _best({"": answer})
    return f"{best['flops_per_s'] / 1e9:,.1f} GFLOP/s at {best['size']}"


TIMES_CACHE = 3 * 4  # three arrays, each four times the last-level cache: STREAM's rule for what must come from memory
SMALLEST_SET_BYTES = 32 << 10  # a thread's; a core's first cache
UNKNOWN_CACHE_BYTES = 64 << 20  # where the kernel does not say how large the last one is
CARD_SETS_BYTES = tuple(1 << bits for bits in (22, 24, 26, 28, 30))  # cards have caches of 4 to 130 MB


def _ceiling(point: Point) -> Ceiling:
    """Return what is cached of this machine for a point: its peak, and its memory's bandwidth."""
    memory = files.read_cached("bandwidths", _bandwidth_key(point))
    return Ceiling.measured(_known_peak(point), memory["sets"] if memory else [])


def _bandwidth_key(point: Point) -> Document:
    """Return everything that a cached bandwidth depends on; no dtype, because bytes have none."""
    if point.device == "cpu":
        return _key(point, ["numpy"], TRIAD_CODE)
    return _key(point, available_frameworks(point.device, point.threads), CODE)


def can_be_measured(device: str) -> bool:
    """Return whether there is an environment that could measure the device's memory."""
    return bool(available_frameworks(device)) if device != "cpu" else "numpy" in available_frameworks("cpu")


def measured_bandwidth(point: Point, fresh: bool = False, report: Report = print) -> Document:
    """Return the cached bandwidth of a point's memory, or measure it, on a device where can_be_measured().

    The document: device, threads, status, reason; `bytes_per_s` of the largest set; `sets`, each set_bytes and
    bytes_per_s; for a card `frameworks`, what each answered.
    """
    depends = _bandwidth_key(point)
    if not fresh and (cached := files.read_cached("bandwidths", depends)):
        return cached
    if point.device == "cpu":
        answer = _ask_worker("numpy", point, {"task": "bandwidth", "sets_bytes": _sets_bytes(point.threads)})
    else:
        answer = _on_a_card(point)
    speed = answer["sets"][-1]["bytes_per_s"] if answer["status"] == "ok" else None
    what = f"memory of {point.device}, {threads(point.threads)}"
    report(f"{what}: " + (answer["reason"] if speed is None else f"{speed / 1e9:,.1f} GB/s"))
    document = {"device": point.device, "threads": point.threads, "bytes_per_s": speed, **answer}
    if speed is not None:
        files.write_cached("bandwidths", depends, document)
    return document


def _on_a_card(point: Point) -> Document:
    """Let every framework copy in a fresh process; return the fastest of each set, `failed` unless all took part."""
    device, sets_bytes = hardware.kind(point.device), list(CARD_SETS_BYTES)
    task = {"task": "copies", "device": device, "dtype": "float32", "sets_bytes": sets_bytes}
    answers = {name: _ask_worker(name, point, task) for name in available_frameworks(point.device, point.threads)}
    if not _all_valid(answers) or not any(map(_is_valid, answers.values())):
        wrong = [f"{name}: {answer['reason']}" for name, answer in answers.items() if not _is_valid(answer)]
        return {"status": "failed", "reason": "; ".join(wrong), "frameworks": answers}
    return {"status": "ok", "reason": "", "sets": _fastest(answers), "frameworks": answers}


def _fastest(answers: Mapping[str, Mapping[str, Any]]) -> list[dict[str, float]]:
    """Return the fastest copy of each set over all frameworks, smallest set first."""
    speeds: dict[int, float] = {}
    for answer in filter(_is_valid, answers.values()):
        for part in answer["sets"]:
            speeds[part["set_bytes"]] = max(part["bytes_per_s"], speeds.get(part["set_bytes"], 0.0))
    return [{"set_bytes": size, "bytes_per_s": speed} for size, speed in sorted(speeds.items())]


def _sets_bytes(threads: int) -> list[int]:
    """Return the working sets: from a core's first cache on by fours, the last one so large that it is in memory.

    That is three arrays, each four times the last-level caches of the CPUs used, but no more than a quarter of what
    memory is free.
    """
    cache = hardware.last_level_cache_bytes(hardware.physical_cpus()[:threads]) or UNKNOWN_CACHE_BYTES
    largest = min(TIMES_CACHE * cache, psutil.virtual_memory().available // 4)
    smaller = []
    size = SMALLEST_SET_BYTES * threads
    while size < largest:
        smaller.append(size)
        size *= 4
    return [*smaller, largest]


def points(cells: Iterable[Cell]) -> list[Point]:
    """Return the points of some cells, each once."""
    return list(dict.fromkeys(Point(cell.device, cell.dtype, cell.threads) for cell in cells))


def ceilings(at: Iterable[Point], measure: bool, report: Report) -> dict[Point, Ceiling]:
    """Return what is cached of this machine's peak and bandwidth for each point; with `measure`, measure it first."""
    places = list(at)
    for point in places if measure else ():
        measured_peak(point, available_frameworks(point.device, point.threads), report=report)
        if can_be_measured(point.device):
            measured_bandwidth(point, report=report)
    return {point: _ceiling(point) for point in places}
