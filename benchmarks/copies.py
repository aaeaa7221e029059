"""How fast one framework moves a device's memory: its say in a card's bandwidth. Runs in its environment.

A copy of N elements reads N and writes N: twice their bytes are counted, the rule of STREAM's copy
(https://www.cs.virginia.edu/stream/ref.html), and its set is as large. On a CPU bandwidth.py measures with NumPy
instead, in threads that have arrays of their own. Small sets lie in a card's cache; of the smallest a call takes longer
than its copy, so that their figure is the framework's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adapters.contract import Adapter, Array, ContractError
from benchmarks import products

Answer = dict[str, Any]


def sweep(adapter_class: type[Adapter], request: Answer, import_s: float) -> Answer:
    """Time copies in each set of `sets_bytes`; return `sets`, the bytes/s of each, in the order asked."""
    adapter, mismatched = products.smallest(adapter_class, request)
    if adapter is None:
        return mismatched
    found = [rate(adapter, set_bytes) for set_bytes in request["sets_bytes"]]
    return {"framework_version": adapter.versions()[adapter.framework], "sets": found, "flags": mismatched["flags"]}


def rate(adapter: Adapter, set_bytes: int) -> Answer:
    """Return the best median bytes/s over a few repeats for one set, half of which is read and half written."""
    elements = max(1, set_bytes // 2 // np.dtype(adapter.dtype).itemsize)
    array = np.random.default_rng(0).random(elements).astype(adapter.dtype)
    work = adapter.copies(array)
    check(adapter, work, array)
    fastest = products.repeated(adapter, work)
    return {"set_bytes": 2 * array.nbytes, "bytes_per_s": max(fastest.rates) * 2 * array.nbytes}


def check(adapter: Adapter, work: Callable[[int], Any], array: Array) -> None:
    """Hold one copy and two to what they must be, to the bit; ContractError if they are not. Warms up, too."""
    for count, expected in ((1, -array), (2, array)):
        pending = work(count)
        adapter.synchronise(pending)
        if not np.array_equal(adapter.fetch(pending), expected):
            raise ContractError(f"{adapter.framework}: {count} copies of {len(array)} elements are not what they copy")
