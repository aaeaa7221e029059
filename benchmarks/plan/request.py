"""What one `run` asks for, in one object that the engine for this machine and the one for several both take."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.plan.cells import Preset, RequestedAxes


@dataclass(frozen=True)
class Request:
    """The options of `run`; `sets` are data sets as they were typed, paths are the same on every machine."""

    axes: RequestedAxes
    sets: Sequence[str]
    preset: Preset
    results: Path  # the folder of results files
    timeout_s: float  # of a launch
    proof_timeout_s: float
    seed: int = 0
    epochs: int | None = None  # of an accuracy launch; None: as the recipe says
    fresh_proof: bool = False
    memory_bytes: int | None = None  # that a worker may have; None: no limit
    peak: bool = False  # measure the machine's peak where none is kept
    time_cap_s: float = math.inf  # of all speed launches; a comparison always gets one round
    data_dir: Path | None = None
    resume: bool = False

    def record(self) -> dict[str, Any]:
        """Return what a run's record says of it: preset and seed."""
        return {"preset": dataclasses.asdict(self.preset), "seed": self.seed}
