"""Where a sweep's wall time went, and how much of it was spent inside timed chunks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

PARTS = {  # a speed launch's columns, in the order in which they happen
    "start": ("start_s",),
    "import": ("import_s",),
    "build": ("build_s",),
    "placing": ("placing_s",),
    "first step": ("first_step_s", "first_eval_s"),
    "warm-up": ("warm_up_s",),
    "timed chunks": ("timed_s",),
}
REST = "latency, probes, end"


class Wall:
    """Seconds by what they went to: the parts of speed launches, other launches whole."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter(dict.fromkeys((*PARTS, REST), 0.0))

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a launch that this sweep made, by its row."""
        if row["status"] == "ok" and row["task"] == "speed":
            known = {part: sum(row[name] or 0.0 for name in names) for part, names in PARTS.items()}
            self.spent.update(known | {REST: row["duration_s"] - sum(known.values())})
        else:
            self.spent[f"{row['task']} launches" if row["status"] == "ok" else "launches not ok"] += row["duration_s"]

    def split(self, wall_s: float, **others_s: float) -> dict[str, float]:
        """Return the seconds of all parts, with `others_s` and what remains of the whole sweep's."""
        spent = Counter(self.spent)
        spent.update(others_s)
        return {**spent, "between launches": wall_s - sum(spent.values())}
