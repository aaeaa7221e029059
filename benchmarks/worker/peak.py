"""How fast one framework multiplies square matrices, for the machine's peak. Runs in its environment.

A product of two N x N matrices is 2 * N**3 FLOP. The smallest declared network is built around it, so that device,
dtype, precision and synchronisation are those that training has. The right operand is a reflection, its own inverse:
repeated products neither grow nor vanish, and what they must be takes N**2 operations to compute.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from adapters.contract import Adapter, Array, ContractError
from adapters.recipes import RECIPES
from benchmarks.worker import timing
from benchmarks.worker.lockstep.bounds import EPSILON
from benchmarks.worker.protocol import CopiesRequest, ProductsRequest

SMALLEST = RECIPES["linear"]
LONGEST_S = 1.0  # a size is skipped when one product would take longer
CHUNKS = 3
REPEATS = 3
REPEATS_S = 2.0  # no further repeat of a size begins after this
# Of a norm, relative; TF32 is off by 3e-4, plain float32 by 2e-7. In two products narrow operands are rounded three
# times and narrow products twice, each time by half an epsilon at most.
BOUNDS = {"float32": 1e-5, "float64": 1e-13} | {dtype: 2.5 * epsilon for dtype, epsilon in EPSILON.items()}

Answer = dict[str, Any]


def sweep(adapter_class: type[Adapter], request: ProductsRequest) -> Answer:
    """Time products of each size; return `sizes`, what was found or why a size was skipped, in the order asked."""
    adapter, mismatched = smallest(adapter_class, request)
    if adapter is None:
        return mismatched
    found: list[Answer] = []
    for size in request["sizes"]:
        expected_s = 2 * size**3 / max((item.get("flops_per_s", 0.0) for item in found), default=np.inf)
        if expected_s > LONGEST_S:
            reason = f"one product would take about {expected_s:.1f} s, more than {LONGEST_S:g} s"
            found.append({"size": size, "skipped": reason})
        else:
            found.append({"size": size, **_rate(adapter, size)})
    busy = max(item.get("cpu_per_wall", 0.0) for item in found)
    flags = mismatched["flags"] or (["thread_mismatch"] if busy > 1.05 * request["threads"] else [])
    return {"framework_version": adapter.versions()[adapter.framework], "sizes": found, "flags": flags}


def smallest(adapter_class: type[Adapter], request: ProductsRequest | CopiesRequest) -> tuple[Adapter | None, Answer]:
    """Return the smallest network on the request's device and the flags so far, or None and why it cannot run there."""
    device, dtype, threads = request["device"], request["dtype"], request["threads"]
    has = adapter_class.set_threads(threads)
    mode = adapter_class.recommended_mode(SMALLEST.model, device)
    if reason := adapter_class.unsupported(device, mode, dtype):
        return None, {"status": "unsupported", "reason": reason}
    adapter = adapter_class(SMALLEST, device, mode, dtype)
    if adapter.placement() != device:
        raise RuntimeError(f"asked for {device}, the parameters are on {adapter.placement()}")
    return adapter, {"flags": ["thread_mismatch"] if has != threads else []}


def _rate(adapter: Adapter, size: int) -> Answer:
    """Return the best median FLOP/s over a few repeats, the repeats, and the CPU seconds per wall second of them."""
    left, axis = _operands(size, adapter.dtype)
    work = adapter.products(left, _reflection(axis).astype(adapter.dtype))
    _check(adapter, work, left, axis)

    found = repeated(adapter, work)
    rates = [rate * 2 * size**3 for rate in found.rates]
    return {
        "flops_per_s": max(rates),
        "median_flops_per_s": statistics.median(rates),
        "repeats": len(rates),
        "chunk_products": found.amount,
        "cpu_per_wall": sum(part.cpu_s for part in found.timed) / sum(part.wall_s for part in found.timed),
    }


class Repeated(NamedTuple):
    """Work that was timed a few times: how often it was done in a chunk, and how often per second, by repeat."""

    amount: int
    rates: list[float]
    timed: list[timing.Timed]


def repeated(adapter: Adapter, work: Callable[[int], Any]) -> Repeated:
    """Time an adapter's products or copies, a few repeats of a few chunks."""
    last: list[Any] = []

    def some(count: int) -> None:
        last[:] = [work(count)]
        adapter.synchronise(last[0])

    count = timing.calibrate(some)
    timed: list[timing.Timed] = []
    end = time.monotonic() + REPEATS_S
    while len(timed) < REPEATS and (not timed or time.monotonic() < end):
        timed.append(timing.time_chunks(some, count, CHUNKS, settle=lambda: adapter.fetch(last[0])))
    return Repeated(count, [timing.samples_per_s(part, count) for part in timed], timed)


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


def _check(adapter: Adapter, work: Callable[[int], Any], left: Array, axis: Array) -> None:
    """Compare one product and two with what they must be; ContractError if they differ. Warms up and compiles, too."""
    reflected = left - np.outer(left @ axis, 2 * axis)
    for count, expected in ((1, reflected), (2, left)):
        pending = work(count)
        adapter.synchronise(pending)
        deviation = np.linalg.norm(adapter.fetch(pending) - expected) / np.linalg.norm(expected)
        if not deviation < BOUNDS[adapter.precision]:
            raise ContractError(
                f"{adapter.framework}: {count} products of size {len(left)} in {adapter.precision} are off by "
                f"{deviation:.1e}, the bound is {BOUNDS[adapter.precision]:g}"
            )
