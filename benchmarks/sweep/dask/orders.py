"""The orders that a driver gives its members, as JSON: to begin a part of a sweep, to measure a block of it."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from benchmarks.plan.cells import Block, Request
from benchmarks.sweep.dask.facts import Facts, requested_points, requested_probes

Json = dict[str, Any]
SENT_FIELDS = ("epochs", "timeout_s", "proof_timeout_s", "fresh_proof", "memory_bytes", "peak")


def requested(request: Request) -> Json:
    """Return what run records say of the modes that were asked for."""
    return {"modes": "recommended"} if all(mode is None for mode in request.axes.modes) else {}


def opening(request: Request, sweep: str, base: str, facts: Facts) -> Json:
    """Return the order to begin a part of the sweep `base`, under the name `sweep`, for a machine with these facts."""
    return {
        "sweep": sweep,
        "part_of": base,
        "probes": [list(pair) for pair in requested_probes(request.axes, facts)],
        "points": [list(point) for point in requested_points(request.axes, facts)],
        "revisions": list(request.axes.revisions),
        "requested": requested(request),
        **request.record(),
        **{name: getattr(request, name) for name in SENT_FIELDS},
        "data_dir": str(request.data_dir.absolute()) if request.data_dir else None,
        "sets": list(request.sets),
    }


def measuring(sweep: str, block: Block, attempt: int, left_s: float) -> Json:
    """Return the order to measure a block; `left_s` is what is left of the time cap."""
    about = {"sweep": sweep, "task": block.task, "round": block.round, "seed": block.seed, "attempt": attempt}
    cells = [dataclasses.asdict(cell) for cell in block.cells]
    return {**about, "cells": cells, "time_left_s": left_s if math.isfinite(left_s) else None}
