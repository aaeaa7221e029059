"""Was the machine asleep meanwhile? What was measured around a suspend is no measurement of a running machine.

Everything here is timed by CLOCK_MONOTONIC, which neither a jump of the wall clock nor a suspend moves
(clock_gettime(2)); CLOCK_BOOTTIME goes on during a suspend, so the difference of the two grows by its length.
"""

from __future__ import annotations

import time
from typing import Any

AWAKE_S = 0.01  # the two clocks are read one after the other


class Suspend:
    """Around a launch: `asleep_s` is how long the machine was suspended during it."""

    asleep_s = 0.0

    def __enter__(self) -> Suspend:
        self.before = suspended_s()
        return self

    def __exit__(self, *ending: object) -> None:
        self.asleep_s = suspended_s() - self.before

    def mark(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the row, with the flag `disturbed` where the machine slept."""
        flags = list(row.get("flags") or [])
        if self.asleep_s < AWAKE_S or "disturbed" in flags:
            return row
        return {**row, "flags": [*flags, "disturbed"]}


def suspended_s() -> float:
    """Return the seconds for which this machine has been suspended since it was started."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
