"""How fast memory feeds what computes: NumPy's triad on a CPU, a framework's copies on a card.

The triad is a = b + s * c. 24 bytes are counted per element of float64: b and c are read, a is written, once each (the
rule of STREAM, https://www.cs.virginia.edu/stream/ref.html). A processor that reads a line before it writes it moves
32; they are not counted, because the same program would then score differently on different processors. NumPy needs two
calls, a = s * c and a += b; they go over pieces small enough for `a` to be still in a core's own cache at the second,
so that memory sees each array once. Each thread has arrays of its own; NumPy holds no lock while it computes.

A copy of N elements reads N and writes N: twice their bytes are counted, the rule of STREAM's copy, and its set is as
large.

A pass over a set that fits the first cache takes about a microsecond, no longer than the calls: the figures of the
smallest sets are NumPy's or the framework's, not the cache's. Runs in a framework's environment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from adapters.contract import Adapter, Array, ContractError
from benchmarks.worker import peak, timing
from benchmarks.worker.protocol import BandwidthRequest, CopiesRequest

BYTES_PER_ELEMENT = 3 * 8
PIECE = 16384  # elements: 128 KiB an array, so that three of them fit a core's second cache
SCALE = 3.0
CHUNKS = 3
REPEATS = 3

Answer = dict[str, Any]
Pieces = list[tuple[Array, Array, Array]]


def sweep_memory(request: BandwidthRequest) -> Answer:
    """Time the triad on each set of `sets_bytes` (all three arrays, all threads); return bytes/s of each."""
    threads = request["threads"]
    with ThreadPoolExecutor(threads) as pool:
        return {"sets": [_triad_rate(pool, threads, set_bytes) for set_bytes in request["sets_bytes"]]}


def _triad_rate(pool: ThreadPoolExecutor, threads: int, set_bytes: int) -> Answer:
    """Return the best median over a few repeats for one set, which is divided equally among the threads."""
    each = max(1, set_bytes // BYTES_PER_ELEMENT // threads)
    parts = list(pool.map(_arrays, [each] * threads))

    def passes(count: int) -> None:
        list(pool.map(_triad, parts, [count] * threads))

    count = timing.calibrate(passes)
    timed = [timing.time_chunks(passes, count, CHUNKS, settle=lambda: None) for _ in range(REPEATS)]
    moved = _counted_bytes(each * threads)
    return {"set_bytes": moved, "bytes_per_s": max(timing.samples_per_s(part, count) * moved for part in timed)}


def _counted_bytes(elements: int) -> int:
    """Return the bytes that one pass of the triad over so many elements counts; the set is as large."""
    return elements * BYTES_PER_ELEMENT


def _arrays(elements: int) -> Pieces:
    """Return a, b and c cut into pieces, every page touched by the calling thread."""
    a, b, c = np.zeros(elements), np.full(elements, 1.0), np.full(elements, 2.0)
    a.fill(0.0)  # np.zeros alone maps no page
    cuts: Iterable[int] = range(0, elements, PIECE)
    return [(a[i : i + PIECE], b[i : i + PIECE], c[i : i + PIECE]) for i in cuts]


def _triad(pieces: Pieces, passes: int) -> None:
    """Compute a = b + SCALE * c, `passes` times."""
    for _ in range(passes):
        for a, b, c in pieces:
            np.multiply(c, SCALE, out=a)
            np.add(a, b, out=a)


def sweep_copies(adapter_class: type[Adapter], request: CopiesRequest) -> Answer:
    """Time copies in each set of `sets_bytes`; return `sets`, the bytes/s of each, in the order asked."""
    adapter, mismatched = peak.smallest(adapter_class, request)
    if adapter is None:
        return mismatched
    found = [_copy_rate(adapter, set_bytes) for set_bytes in request["sets_bytes"]]
    return {"framework_version": adapter.versions()[adapter.framework], "sets": found, "flags": mismatched["flags"]}


def _copy_rate(adapter: Adapter, set_bytes: int) -> Answer:
    """Return the best median bytes/s over a few repeats for one set, half of which is read and half written."""
    elements = max(1, set_bytes // 2 // np.dtype(adapter.dtype).itemsize)
    array = np.random.default_rng(0).random(elements).astype(adapter.dtype)
    work = adapter.copies(array)
    _check_copy(adapter, work, array)
    fastest = peak.repeated(adapter, work)
    return {"set_bytes": 2 * array.nbytes, "bytes_per_s": max(fastest.rates) * 2 * array.nbytes}


def _check_copy(adapter: Adapter, work: Callable[[int], Any], array: Array) -> None:
    """Compare one copy and two with what they must be, bit by bit; ContractError if they differ. Warms up, too."""
    for count, expected in ((1, -array), (2, array)):
        pending = work(count)
        adapter.synchronise(pending)
        if not np.array_equal(adapter.fetch(pending), expected):
            raise ContractError(f"{adapter.framework}: {count} copies of {len(array)} elements are not what they copy")
