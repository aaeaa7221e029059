"""The roofline: what a machine's arithmetic and its memory together allow at most, and how near a row comes.

attainable FLOP/s = min(peak, FLOP per byte * bandwidth): Williams, Waterman and Patterson 2009 (CACM 52(4)). The bytes
are those that no implementation of a training step can spare, and the bandwidth is that of a working set no larger
than the step's, so that the roof is never too low: a row above it is impossible.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adapters.contract import NARROW, storage
from adapters.declaration import COUNTED, SGD, Recipe
from adapters.flops import model_flops


@dataclass(frozen=True)
class Ceiling:
    """What was measured of a machine: its peak, and bytes/s by bytes of working set, smallest first; or nothing."""

    peak_flops_per_s: float | None = None
    bandwidths: tuple[tuple[int, float], ...] = ()

    @classmethod
    def measured(cls, peak: float | None, sets: Sequence[dict[str, Any]]) -> Ceiling:
        """Take the sets of a document of ceilings.measured_bandwidth()."""
        return cls(peak, tuple((part["set_bytes"], part["bytes_per_s"]) for part in sets))

    def bytes_per_s(self, set_bytes: int) -> float:
        """Return the fastest bandwidth of any measured set from the next smaller one on; infinity where none is."""
        smaller = max((size for size, _ in self.bandwidths if size <= set_bytes), default=0)
        return max((speed for size, speed in self.bandwidths if size >= smaller), default=math.inf)


def _state_arrays(recipe: Recipe) -> int:
    """Return how many arrays of the parameters' size a step reads and writes back: weights and optimiser's state."""
    match recipe.optimiser:
        case SGD(momentum=0.0):
            return 1
        case SGD():
            return 2
        case _:
            return 3


def _kept_outputs(recipe: Recipe) -> int:
    """Return the elements of one sample that forward must leave for backward: an output of each layer of products."""
    return sum(math.prod(place.after) for place in recipe.model.places() if isinstance(place.layer, COUNTED))


def step_bytes(recipe: Recipe, batch_size: int, dtype: str) -> tuple[int, int]:
    """Return (bytes that a training step moves at least, bytes of its working set).

    Images are read; what is kept for backward is written and read; weights and the optimiser's state are read and
    written. Everything else could stay in registers. With narrow operands the first two may be narrow, too.
    """
    images, outputs = batch_size * math.prod(recipe.model.input_shape), batch_size * _kept_outputs(recipe)
    state = _state_arrays(recipe) * recipe.model.parameter_count
    stored = np.dtype(storage(dtype)).itemsize
    passing = 2 if dtype in NARROW else stored
    return (images + 2 * outputs) * passing + 2 * state * stored, (images + outputs) * passing + state * stored


def utilised(recipe: Recipe, batch_size: int, dtype: str, flops_per_s: float, ceiling: Ceiling) -> dict[str, Any]:
    """Return a row's columns on peak and roofline, empty where no peak is known; above either it is impossible."""
    peak = ceiling.peak_flops_per_s
    if peak is None:
        return {}
    moved, held = step_bytes(recipe, batch_size, dtype)
    flops_per_byte = batch_size * model_flops(recipe.model)[1] / moved
    roof = min(peak, flops_per_byte * ceiling.bytes_per_s(held))
    found: dict[str, Any] = {
        "peak_flops_per_s": peak,
        "mfu": flops_per_s / peak,
        "roofline_flops_per_s": roof,
        "roofline_share": flops_per_s / roof,
    }
    if flops_per_s > roof:
        what = "peak" if roof == peak else "roofline"
        reason = (
            f"{flops_per_s:.4g} FLOP/s are {flops_per_s / roof:.3g} times the machine's {what}: a synchronisation is "
            "missing, a unit is wrong, or it was measured on a busy machine (python -m benchmarks info peak --fresh)"
        )
        found |= {"status": "impossible", "reason": reason}
    return found
