"""Which launches are not tried: one of the same cell, with this batch or a smaller one, ran out of memory."""

from __future__ import annotations

import dataclasses
from typing import Any

from benchmarks.plan.cells import Cell, Launch


class OomHistory:
    """The smallest batch size that ran out of memory, by task and by cell without its batch size."""

    def __init__(self) -> None:
        self.smallest: dict[tuple[Cell, str], int] = {}

    def note(self, planned: Launch, status: str) -> None:
        """Remember how a launch ended."""
        if status == "oom":
            key = _any_batch(planned.cell), planned.task
            self.smallest[key] = min(planned.cell.batch_size, self.smallest.get(key, planned.cell.batch_size))

    def skipped(self, planned: Launch) -> dict[str, Any] | None:
        """Return the outcome of a launch that is not worth trying, None for one that is.

        That is a larger batch than one that failed, in either task, and the launch that failed in a later round.
        """
        batch_size = planned.cell.batch_size
        for (cell, task), smallest in self.smallest.items():
            again = task == planned.task and smallest == batch_size
            if cell == _any_batch(planned.cell) and (smallest < batch_size or again):
                return {"status": "skipped", "reason": f"the {task} launch with batch {smallest} ran out of memory"}
        return None


def _any_batch(cell: Cell) -> Cell:
    """Return what all batch sizes of a cell share."""
    return dataclasses.replace(cell, batch_size=1)
