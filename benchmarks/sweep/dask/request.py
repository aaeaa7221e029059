"""What one sweep asks of every member: the axes and how to measure them, and the orders that say so in JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.launch.proof import TIMEOUT_S
from benchmarks.plan.cells import Block, Preset
from benchmarks.plan.data.prepared import Prepared
from benchmarks.sweep.dask.facts import Facts, RequestedAxes
from benchmarks.sweep.dask.plan import Kind

Json = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """As run's options; `sets` are data sets as they were typed, paths being the same on every machine."""

    asked: RequestedAxes
    sets: Sequence[str]
    amount: Preset
    seed: int
    epochs: int | None = None
    timeout_s: float = 900.0
    proof_timeout_s: float = TIMEOUT_S
    fresh_proof: bool = False
    memory_bytes: int | None = None
    peak: bool = False
    time_cap_s: float = math.inf
    data_dir: str | None = None
    resume: bool = False

    def preset(self) -> Json:
        """Return the preset as run records have it."""
        return dataclasses.asdict(self.amount)

    def requested(self) -> Json:
        """Return what run records say of the modes that were asked for."""
        return {"modes": "recommended"} if all(mode is None for mode in self.asked.modes) else {}

    def opening(self, sweep: str, base: str, facts: Facts) -> Json:
        """Return the order to begin a part."""
        return {
            "sweep": sweep,
            "part_of": base,
            "probes": [list(pair) for pair in self.asked.probes(facts)],
            "points": [list(point) for point in self.asked.points(facts)],
            "revisions": list(self.asked.revisions),
            "preset": self.preset(),
            "requested": self.requested(),
            **{name: getattr(self, name) for name in SENT_FIELDS},
            "sets": list(self.sets),
        }

    def block(self, sweep: str, block: Block, attempt: int, left_s: float) -> Json:
        """Return the order to measure a block; `left_s` is what is left of the time cap."""
        about = {"sweep": sweep, "task": block.task, "round": block.round, "seed": block.seed, "attempt": attempt}
        cells = [dataclasses.asdict(cell) for cell in block.cells]
        return {**about, "cells": cells, "time_left_s": left_s if math.isfinite(left_s) else None}

    def kind(self, facts: Facts, data: Mapping[str, Prepared]) -> Kind:
        """Return what is planned for machines like this one."""
        return Kind.of(facts, self.asked, data, self.amount, self.seed, self.epochs)


SENT_FIELDS = ("seed", "epochs", "timeout_s", "proof_timeout_s", "fresh_proof", "memory_bytes", "peak", "data_dir")
