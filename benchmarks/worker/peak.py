"""What a machine can do at most: how fast one framework multiplies matrices, and how fast memory feeds what computes.

A product of two N x N matrices is 2 * N**3 FLOP. The smallest declared network is built around it, so that device,
dtype, precision and synchronisation are those that training has. The right operand is a reflection, its own inverse:
repeated products neither grow nor vanish, and what they must be takes N**2 operations to compute.

A copy of N elements reads N and writes N: twice their bytes are counted, the rule of STREAM's copy, and its set is as
large (https://www.cs.virginia.edu/stream/ref.html).

On a CPU memory is NumPy's triad, a = b + s * c. 24 bytes are counted per element of float64: b and c are read, a is
written, once each, as STREAM does. A processor that reads a line before it writes it moves 32; they are not counted,
because the same program would then score differently on different processors. NumPy needs two calls, a = s * c and
a += b; they go over pieces small enough for `a` to be still in a core's own cache at the second, so that memory sees
each array once. Each thread has arrays of its own; NumPy holds no lock while it computes. A pass over a set that fits
the first cache takes about a microsecond, no longer than the calls: the figures of the smallest sets are NumPy's or the
framework's, not the cache's.

Runs in a framework's environment.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from adapters.contract import Adapter, Array, ContractError
from adapters.recipes import RECIPES
from benchmarks.worker import clocks as time
from benchmarks.worker import timing
from benchmarks.worker.lockstep.bounds import EPSILON
from benchmarks.worker.protocol import BandwidthRequest, CopiesRequest, ProductsRequest

SMALLEST = RECIPES["linear"]
LONGEST_S = 1.0  # a size is skipped when one product would take longer
CHUNKS = 3
REPEATS = 3
REPEATS_S = 2.0  # no further repeat of an adapter's work begins after this
# Of a norm, relative; TF32 is off by 3e-4, plain float32 by 2e-7. In two products narrow operands are rounded three
# times and narrow products twice, each time by half an epsilon at most.
BOUNDS = {"float32": 1e-5, "float64": 1e-13} | {dtype: 2.5 * epsilon for dtype, epsilon in EPSILON.items()}
BYTES_PER_ELEMENT = 3 * 8  # of the triad
PIECE = 16384  # elements: 128 KiB an array, so that three of them fit a core's second cache
SCALE = 3.0

Answer = dict[str, Any]
Pieces = list[tuple[Array, Array, Array]]


def sweep(adapter_class: type[Adapter], request: ProductsRequest) -> Answer:
    """Time products of each size; return `sizes`, what was found or why a size was skipped, in the order asked."""
    adapter, answer = _smallest(adapter_class, request)
    if adapter is None:
        return answer
    rates: list[Answer] = []
    for size in request["sizes"]:
        expected_s = 2 * size**3 / max((item.get("flops_per_s", 0.0) for item in rates), default=np.inf)
        if expected_s > LONGEST_S:
            reason = f"one product would take about {expected_s:.1f} s, more than {LONGEST_S:g} s"
            rates.append({"size": size, "skipped": reason})
        else:
            rates.append({"size": size, **_product_rate(adapter, size)})
    if max(item.get("cpu_per_wall", 0.0) for item in rates) > 1.05 * request["threads"]:
        answer["flags"] = ["thread_mismatch"]
    return answer | {"sizes": rates}


def sweep_copies(adapter_class: type[Adapter], request: CopiesRequest) -> Answer:
    """Time copies in each set of `sets_bytes`; return `sets`, the bytes/s of each, in the order asked."""
    adapter, answer = _smallest(adapter_class, request)
    if adapter is None:
        return answer
    return answer | {"sets": [_copy_rate(adapter, set_bytes) for set_bytes in request["sets_bytes"]]}


def sweep_memory(request: BandwidthRequest) -> Answer:
    """Time the triad on each set of `sets_bytes` (all three arrays, all threads); return bytes/s of each."""
    threads = request["threads"]
    with ThreadPoolExecutor(threads) as pool:
        return {"sets": [_triad_rate(pool, threads, set_bytes) for set_bytes in request["sets_bytes"]]}


def _smallest(adapter_class: type[Adapter], request: ProductsRequest | CopiesRequest) -> tuple[Adapter | None, Answer]:
    """Return the smallest network on the request's device and the answer so far, or None and why it cannot run."""
    device, dtype, threads = request["device"], request["dtype"], request["threads"]
    granted = adapter_class.set_threads(threads)
    mode = adapter_class.recommended_mode(SMALLEST.model, device)
    if reason := adapter_class.unsupported(device, mode, dtype):
        return None, {"status": "unsupported", "reason": reason}
    adapter = adapter_class(SMALLEST, device, mode, dtype)
    if adapter.placement() != device:
        raise RuntimeError(f"asked for {device}, the parameters are on {adapter.placement()}")
    flags = ["thread_mismatch"] if granted != threads else []
    return adapter, {"framework_version": adapter.versions()[adapter.framework], "flags": flags}


def _product_rate(adapter: Adapter, size: int) -> Answer:
    """Return the best median FLOP/s over a few repeats, the repeats, and the CPU seconds per wall second of them.

    ContractError if a product is not what it must be.
    """
    left, axis = _operands(size, adapter.dtype)
    work = adapter.products(left, _reflection(axis).astype(adapter.dtype))
    for count, found, expected in _results(adapter, work, left - np.outer(left @ axis, 2 * axis), left):
        deviation = np.linalg.norm(found - expected) / np.linalg.norm(expected)
        if not deviation < BOUNDS[adapter.precision]:
            raise ContractError(
                f"{adapter.framework}: {count} products of size {size} in {adapter.precision} are off by "
                f"{deviation:.1e}, the bound is {BOUNDS[adapter.precision]:g}"
            )
    repeats = _adapter_repeats(adapter, work)
    rates = [rate * 2 * size**3 for rate in repeats.rates]
    return {
        "flops_per_s": max(rates),
        "median_flops_per_s": statistics.median(rates),
        "repeats": len(rates),
        "chunk_products": repeats.amount,
        "cpu_per_wall": sum(part.cpu_s for part in repeats.timed) / sum(part.wall_s for part in repeats.timed),
    }


def _copy_rate(adapter: Adapter, set_bytes: int) -> Answer:
    """Return the best median bytes/s over a few repeats for one set, half of which is read and half written.

    ContractError if a copy is not what it must be, bit by bit.
    """
    elements = max(1, set_bytes // 2 // np.dtype(adapter.dtype).itemsize)
    array = np.random.default_rng(0).random(elements).astype(adapter.dtype)
    work = adapter.copies(array)
    for count, found, expected in _results(adapter, work, -array, array):
        if not np.array_equal(found, expected):
            raise ContractError(f"{adapter.framework}: {count} copies of {elements} elements are not what they copy")
    rates = _adapter_repeats(adapter, work).rates
    return {"set_bytes": 2 * array.nbytes, "bytes_per_s": max(rates) * 2 * array.nbytes}


def _triad_rate(pool: ThreadPoolExecutor, threads: int, set_bytes: int) -> Answer:
    """Return the best median over a few repeats for one set, which is divided equally among the threads."""
    each = max(1, set_bytes // BYTES_PER_ELEMENT // threads)
    parts = list(pool.map(_arrays, [each] * threads))

    def passes(count: int) -> None:
        list(pool.map(_triad, parts, [count] * threads))

    moved = each * threads * BYTES_PER_ELEMENT
    rates = _repeats(passes, settle=lambda: None, enough_s=math.inf).rates
    return {"set_bytes": moved, "bytes_per_s": max(rates) * moved}


class Repeats(NamedTuple):
    """Work that was timed a few times: how often it was done in a chunk, and how often per second, by repeat."""

    amount: int
    rates: list[float]
    timed: list[timing.Timed]


def _repeats(work: timing.Work, settle: Callable[[], Any], enough_s: float) -> Repeats:
    """Time a few repeats of a few chunks; none begins after `enough_s` seconds."""
    count = timing.calibrate(work)
    timed: list[timing.Timed] = []
    end = time.monotonic() + enough_s
    while len(timed) < REPEATS and (not timed or time.monotonic() < end):
        timed.append(timing.time_chunks(work, count, CHUNKS, settle=settle))
    return Repeats(count, [timing.samples_per_s(part, count) for part in timed], timed)


def _adapter_repeats(adapter: Adapter, work: Callable[[int], Any]) -> Repeats:
    """Time an adapter's products or copies."""
    last: list[Any] = []

    def waited(count: int) -> None:
        last[:] = [work(count)]
        adapter.synchronise(last[0])

    return _repeats(waited, lambda: adapter.fetch(last[0]), REPEATS_S)


def _results(
    adapter: Adapter, work: Callable[[int], Any], once: Array, twice: Array
) -> Iterator[tuple[int, Array, Array]]:
    """Do the work once, then twice; yield each count, what was computed, what it must be. Warms up and compiles."""
    for count, expected in ((1, once), (2, twice)):
        pending = work(count)
        adapter.synchronise(pending)
        yield count, adapter.fetch(pending), expected


def _operands(size: int, dtype: str) -> tuple[Array, Array]:
    """Return a random matrix (size, size) in dtype and a random unit vector (size,) in float64, always the same."""
    generator = np.random.default_rng(size)
    axis = generator.standard_normal(size)
    draw = np.float32 if dtype == "float32" else np.float64
    return generator.standard_normal((size, size), dtype=draw), axis / np.linalg.norm(axis)


def _reflection(axis: Array) -> Array:
    """Return I - 2 v v^T for a unit vector v: Householder's reflection, symmetric and its own inverse."""
    matrix = np.outer(axis, -2 * axis)
    matrix.flat[:: len(axis) + 1] += 1
    return matrix


def _arrays(elements: int) -> Pieces:
    """Return a, b and c cut into pieces, every page touched by the calling thread."""
    a, b, c = np.zeros(elements), np.full(elements, 1.0), np.full(elements, 2.0)
    a.fill(0.0)  # np.zeros alone maps no page
    return [(a[i : i + PIECE], b[i : i + PIECE], c[i : i + PIECE]) for i in range(0, elements, PIECE)]


def _triad(pieces: Pieces, passes: int) -> None:
    """Compute a = b + SCALE * c, `passes` times."""
    for _ in range(passes):
        for a, b, c in pieces:
            np.multiply(c, SCALE, out=a)
            np.add(a, b, out=a)
