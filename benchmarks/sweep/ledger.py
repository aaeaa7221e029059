"""A sweep's account: every requested launch is reported once or was not needed, and where the wall time went.

A launch that ended ok in an earlier sweep is reported by the row that it has there.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.errors import count
from benchmarks.plan.cells import AXES, Cell, Launch
from benchmarks.plan.data.sources import NAMES
from benchmarks.record import busy, store
from benchmarks.record.schema import names
from benchmarks.stats import above_chance
from benchmarks.worker.speed import PLAN

PARTS = {  # a launch's columns, in the order in which they happen
    "start": ("start_s",),
    "import": ("import_s",),
    "build": ("build_s",),
    "placing": ("placing_s",),
    "first step": ("first_step_s", "first_eval_s"),
    "warm-up": ("warm_up_s",),
    "timed chunks": ("timed_s",),
    "judging": ("replay_s",),
}
REST, ACCURACY_REST = "latency, probes, end", "compiling, training accuracy, end"  # of a speed launch, an accuracy one
Row = dict[str, Any]
# What a sweep's end shows. Of ten thousand rows the rest would take a hundred megabytes.
TABLE_COLUMNS = names(
    *AXES, "model", "device_name", "framework_version", "sweep", "task", "round", "status", "flags",
    "lockstep", "train_samples_per_s", "eval_samples_per_s", "mfu", "accuracy", "accuracy_target",
    "time_to_accuracy_s", *busy.READ,
)  # fmt: skip


@dataclass
class Ledger:
    """One sweep's account: `not_needed` launches are those that their comparison stopped without."""

    cells: int
    launches: int
    rows: list[Row] = field(default_factory=list)  # TABLE_COLUMNS of each reported launch, resumed ones included
    endings: dict[Hashable, Counter[str]] = field(default_factory=dict)  # statuses by cell
    not_needed: int = 0
    learnt: dict[str, bool] = field(default_factory=dict)  # by data set: has any launch read more right than chance?
    spent: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys((*PARTS, REST), 0.0)))  # seconds

    @classmethod
    def over(cls, ledgers: Sequence[Ledger]) -> Ledger:
        """Return the account of sweeps over several kinds of machine, whose cells are each kind's own."""
        total = cls(sum(one.cells for one in ledgers), sum(one.launches for one in ledgers))
        for number, one in enumerate(ledgers):
            total.rows += one.rows
            total.endings |= {(number, cell): counts for cell, counts in one.endings.items()}
            total.not_needed += one.not_needed
            total.learnt |= {name: above or total.learnt.get(name, False) for name, above in one.learnt.items()}
            total.spent.update(one.spent)
        return total

    @property
    def requested(self) -> dict[str, int]:
        """Return how much was asked for, as the run's record has it."""
        return {"cells": self.cells, "launches": self.launches}

    @property
    def open(self) -> int:
        """Return how many launches are still to be reported."""
        return self.launches - self.not_needed - len(self.rows)

    def progress(self) -> tuple[int, int]:
        """Return how many launches are reported, of how many that are needed."""
        return len(self.rows), self.launches - self.not_needed

    def report(self, planned: Launch, row: Mapping[str, Any], made: bool) -> Row:
        """Note how a launch ended, return what is kept of it; its time counts if this sweep made it."""
        if made:
            self.spend(row)
        values = ((name, row[name]) for name in TABLE_COLUMNS)  # all rows share a text
        kept = {name: sys.intern(value) if isinstance(value, str) else value for name, value in values}
        self.rows.append(kept)
        if row["status"] == "ok" and row.get("confusion"):
            known = self.learnt.get(row["dataset"], False)
            self.learnt[row["dataset"]] = known or above_chance(row["confusion"])
        self.endings.setdefault(planned.cell, Counter())[row["status"]] += 1
        return kept

    def spend(self, row: Mapping[str, Any]) -> None:
        """Add the time of a launch that this sweep made by its parts; of one that did not end ok, as a whole."""
        if row["status"] != "ok":
            self.spent["launches not ok"] += row["duration_s"]
            return
        known = {part: sum(row.get(name) or 0.0 for name in names) for part, names in PARTS.items()}
        rest = REST
        if row["task"] == "accuracy":
            known["accuracy epochs"], rest = (row.get("seconds_by_epoch") or [0.0])[-1], ACCURACY_REST
        self.spent.update(known | {rest: row["duration_s"] - sum(known.values())})

    def split(self, wall_s: float, **others_s: float) -> dict[str, float]:
        """Return the seconds of all parts, with `others_s` and what remains of the whole sweep's."""
        spent = Counter(self.spent)
        spent.update(others_s)
        return {**spent, "between launches": wall_s - sum(spent.values())}

    def withdraw(self, cell: Cell, kept: Row) -> None:
        """Take back what report() returned for a launch of this cell: its comparison begins again elsewhere."""
        del self.rows[next(place for place, row in enumerate(self.rows) if row is kept)]
        self.endings[cell] -= Counter([kept["status"]])
        if not self.endings[cell]:
            del self.endings[cell]

    def end(
        self, path: Path, seconds: float, reason: str, others_s: Mapping[str, float], **counts: int
    ) -> dict[str, float]:
        """Append to a sweep's file where its time went and how many launches are reported; return the former.

        `reason` is empty unless something ended the sweep early, `others_s` what took time beside launches.
        """
        wall = self.split(seconds, **others_s)
        counts = {"reported": len(self.rows), "not_needed": self.not_needed, **counts}
        store.append(path, "end", {"wall_s": wall, **counts, "interrupted": reason or None})
        return wall

    def unlearnable(self) -> list[str]:
        """Return the user's own data sets on which every launch that trained stayed at chance.

        The named ones cannot have wrong labels: their files are held to pinned checksums.
        """
        return sorted(name for name, above in self.learnt.items() if not above and name not in NAMES)

    def all_ok(self) -> bool:
        """Return whether every requested launch ended ok."""
        return self.open == 0 and all(set(statuses) == {"ok"} for statuses in self.endings.values())

    def words(self) -> Sequence[str]:
        """Return two lines: cells and launches, requested and reported, by status."""
        cells = Counter(", ".join(sorted(statuses)) for statuses in self.endings.values())
        ended = Counter(row["status"] for row in self.rows)
        spared = f", {self.not_needed:,} not needed" if self.not_needed else ""
        requested = count(self.launches, "launch", "launches")
        return (
            f"{count(self.cells, 'configuration')} requested, {len(self.endings):,} reported: {_by_status(cells)}",
            f"{requested} requested, {len(self.rows):,} reported{spared}: {_by_status(ended)}",
        )


def _by_status(counts: Counter[str]) -> str:
    """Return how many ended how: `34 ok, 2 timeout`; a cell whose launches ended differently in brackets."""
    return (
        ", ".join(
            f"{ended:,} {status if ', ' not in status else f'({status})'}" for status, ended in counts.most_common()
        )
        or "none"
    )


RESUME_COLUMNS = names(*TABLE_COLUMNS, *PLAN, "cell", "seed", "reason", "epochs", "duration_s")  # lists are large


Key = tuple[str, int, int]  # of a launch: identity, round, seed


def completed_rows(results: Path, identity: Callable[[Launch], str], wanted: Iterable[Launch]) -> dict[Key, Row]:
    """Return the rows that a results folder has of wanted launches which ended ok; any other launch is not done."""
    keys = {(identity(planned), planned.round, planned.seed) for planned in wanted}
    completed = {}
    for path in store.files(results) if results.is_dir() else ():
        for row in store.rows(path):
            key = (row["cell"], row["round"], row["seed"])
            if row["status"] == "ok" and key in keys:
                completed[key] = {name: row[name] for name in RESUME_COLUMNS}
    return completed
