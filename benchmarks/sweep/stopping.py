"""When a comparison has been measured enough: precise at a look, out of time, or at its last round."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from benchmarks.plan.cells import SHARED, Cell, Launch, Preset
from benchmarks.stats import widest

Key = tuple[object, ...]
Row = dict[str, Any]


class Stopping:
    """Follows the speeds of comparisons, each by its key (Cell.comparison)."""

    def __init__(self, preset: Preset, cells: Iterable[Cell] = ()) -> None:
        self.preset, self.deadline = preset, math.inf
        self.cells: dict[Key, list[Cell]] = defaultdict(list)
        self.follow(cells)
        self.speeds: dict[Cell, dict[int, float | None]] = {}  # by round, None where it has none
        self.stops: dict[Key, Row] = {}  # of each comparison that stopped: rounds, reason, half_width

    def follow(self, cells: Iterable[Cell]) -> None:
        """Follow these cells' comparisons, too."""
        for cell in cells:
            if cell not in self.cells[cell.comparison()]:
                self.cells[cell.comparison()].append(cell)

    def cap(self, seconds: float) -> None:
        """Stop every comparison at the end of the round that it is in when so many seconds have passed from now."""
        self.deadline = time.monotonic() + seconds

    def stopped(self, planned: Launch) -> bool:
        """Return whether a launch is not needed any more."""
        return planned.task == "speed" and planned.cell.comparison() in self.stops

    def spared(self, planned: Launch) -> int:
        """Return how many launches a comparison that stopped after this one was not measured for."""
        return (self.preset.rounds - planned.round - 1) * len(self.cells[planned.cell.comparison()])

    def enough(self, planned: Launch, row: Row) -> Row | None:
        """Note a launch's speed; at the end of a comparison's round return why it stops there, if it does."""
        speed = row["train_samples_per_s"] if row["status"] == "ok" else None
        self.speeds.setdefault(planned.cell, {})[planned.round] = speed
        comparison, rounds = planned.cell.comparison(), planned.round + 1
        mine = {cell: self.speeds.get(cell, {}) for cell in self.cells[comparison]}
        if any(planned.round not in known for known in mine.values()):
            return None  # another cell's launch of this round is still to come
        late = time.monotonic() > self.deadline
        if not (late or rounds in self.preset.looks or rounds == self.preset.rounds):
            return None  # nothing is computed beside a measurement that nobody looks at
        width = widest({str(c): {n: v for n, v in known.items() if v is not None} for c, known in mine.items()})
        if rounds in self.preset.looks and width <= self.preset.half_width:
            reason = "precise"
        elif late:
            reason = "time cap"
        elif rounds == self.preset.rounds:
            reason = "rounds"
        else:
            return None
        about = {name: getattr(planned.cell, name) for name in SHARED}
        stop = {"rounds": rounds, "reason": reason, "half_width": width if math.isfinite(width) else None}
        self.stops[comparison] = {**about, **stop}
        for cell in mine:
            del self.speeds[cell]  # ten thousand cells are not kept
        return self.stops[comparison]
