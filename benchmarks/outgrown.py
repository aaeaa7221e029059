"""Which launches need not be tried: one of the same cell, with this batch or a smaller one, had no memory."""

from __future__ import annotations

import dataclasses
from typing import Any

from benchmarks.cells import Cell, Launch


class Outgrown:
    """The smallest batch with which each cell, its batch size apart, ran out of memory, by task."""

    def __init__(self) -> None:
        self.smallest: dict[tuple[Cell, str], int] = {}

    def note(self, planned: Launch, status: str) -> None:
        """Remember how a launch ended."""
        if status == "oom":
            key = alike(planned.cell), planned.task
            self.smallest[key] = min(planned.cell.batch_size, self.smallest.get(key, planned.cell.batch_size))

    def skipped(self, planned: Launch) -> dict[str, Any] | None:
        """Return the outcome of a launch that is not to be tried, None for one that is.

        A larger batch is not, whatever the task was; nor is the very launch that failed, in a later round.
        """
        batch_size = planned.cell.batch_size
        for (cell, task), smallest in self.smallest.items():
            again = task == planned.task and smallest == batch_size
            if cell == alike(planned.cell) and (smallest < batch_size or again):
                return {"status": "skipped", "reason": f"the {task} launch with batch {smallest} ran out of memory"}
        return None


def alike(cell: Cell) -> Cell:
    """Return what all batch sizes of a cell have in common."""
    return dataclasses.replace(cell, batch_size=1)
