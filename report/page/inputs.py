"""What every section reads: the rows, their comparison, and the records that stand beside rows in results files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from adapters.recipes import HEADLINE
from benchmarks.plan.cells import network_order
from benchmarks.record.store import SweepFile
from benchmarks.record.summary import SAME_MODE, weight
from report.tables.compare import COMPARISON, REQUIRED_COLUMNS, among, busy_words, compare, newest

Record = dict[str, Any]
PAGE_COLUMNS = [  # what the page reads of rows: `load(source, PAGE_COLUMNS)`
    *REQUIRED_COLUMNS, "started_at", "reason", "lockstep_float64_deviation", "lockstep_max_deviation", "lockstep_steps",
    "warm_up_s", "peak_flops_per_s", "accuracy_by_epoch", "loss_by_epoch", "seconds_by_epoch", "confusion", "mistakes",
    "mistakes_read_as", "replayed_steps", "replay_deviation",
]  # fmt: skip
MOST = 100  # comparisons that the page's first screen can show; the table of every configuration has all
MOST_FIRST = 12  # of a comparison's lines: leave out more, and the page has no verdict on the rest


@dataclass(frozen=True)
class Inputs:
    """Rows of a results folder (load with PAGE_COLUMNS), its files (load.records), and the framework to compare with.

    `part` begins the ids within a page that several machines share, each with inputs of its own.
    """

    rows: pd.DataFrame
    sweeps: Sequence[SweepFile]
    base: str | None = None
    part: str = ""

    @cached_property
    def own(self) -> pd.DataFrame:
        """The launches of the checkout's own adapters; those of other revisions are `report compare`'s."""
        return self.rows[self.rows["revision"].isna()]

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The newest launches of each cell."""
        return newest(self.own)

    @cached_property
    def speeds(self) -> pd.DataFrame:
        """The newest speed launches that ended ok."""
        return self.frame[(self.frame["task"] == "speed") & (self.frame["status"] == "ok")]

    @cached_property
    def warning(self) -> str:
        """What is to be read before any speed: that the machine was busy, else nothing."""
        words = busy_words(self.rows)
        return f"{words[0].upper()}{words[1:]}." if words else ""

    @cached_property
    def learnt(self) -> pd.DataFrame:
        """The newest accuracy launches that ended ok."""
        return self.frame[(self.frame["task"] == "accuracy") & (self.frame["status"] == "ok")]

    @cached_property
    def table(self) -> pd.DataFrame:
        """One line a cell (report.tables.compare.compare)."""
        return compare(self.rows, self.base)

    @cached_property
    def timed(self) -> pd.DataFrame:
        """The cells that have a speed."""
        return _with_speed(self.table)

    @cached_property
    def used(self) -> list[SweepFile]:
        """The files whose rows the page shows, oldest first."""
        names = set(self.frame["sweep"])
        return [sweep for sweep in self.sweeps if name_of(sweep) in names]

    def records(self, kind: str) -> list[Record]:
        """Return the records of one kind (stops, proofs, datasets, images) from the files that are shown."""
        return [record for sweep in self.used for record in getattr(sweep, kind)]

    @cached_property
    def headline(self) -> list[pd.DataFrame]:
        """The comparisons that the page begins with, a frame of cells each: one for each headline model and device."""
        headlines = self.timed[self.timed["recipe"].isin(HEADLINE)]
        cells = headlines if len(headlines) else self.timed
        found: dict[tuple[str, str], list[pd.DataFrame]] = {}
        for key, group in cells.groupby(COMPARISON, sort=False):
            values = dict(zip(COMPARISON, key, strict=True))
            found.setdefault((str(values["device"]), str(values["model"])), []).append(group)
        keys = sorted(found, key=lambda pair: (pair[0], network_order(pair[1])))
        return [max(found[key], key=_weight) for key in keys]

    @cached_property
    def comparisons(self) -> list[pd.DataFrame]:
        """All comparisons, those of the headline first, then those that are more of a headline."""
        first = [tuple(cells.iloc[0][COMPARISON]) for cells in self.headline]
        groups = {tuple(key): group for key, group in self.timed.groupby(COMPARISON, sort=False)}
        others = sorted((key for key in groups if key not in first), key=lambda key: _weight(groups[key]), reverse=True)
        return [groups[key] for key in (*first, *others)][:MOST]

    @cached_property
    def versus(self) -> dict[int, list[tuple[float, str]]]:
        """For each cell of comparisons, by its label: ratio to, and verdict against, each cell before it.

        As if those that come before that one had not been measured: what a reader leaves out is in no interval.
        """
        shown = pd.concat(self.comparisons) if self.comparisons and self.base is None else self.timed.iloc[:0]
        place = shown.groupby(COMPARISON, sort=False).cumcount().to_numpy()
        found: dict[int, list[tuple[float, str]]] = {label: [] for label in shown.index}
        for n in range(min(MOST_FIRST, place.max(initial=-1))):
            judged = among(shown[place >= n], self.speeds)
            for label, *figures in judged.itertuples():
                found[label].append((figures[0], figures[1]))
        return found

    @cached_property
    def same_mode(self) -> tuple[str, list[pd.DataFrame]]:
        """The mode that most frameworks have in the headline's comparisons, and these within that mode alone."""
        counts = pd.DataFrame([cells.groupby("mode")["framework"].nunique() for cells in self.headline]).fillna(0)
        order: dict[object, int] = {name: place for place, name in enumerate(SAME_MODE)}
        ranked = sorted(counts, key=lambda name: (-counts[name].min(), -counts[name].sum(), order.get(name, 9), name))
        mode = str(ranked[0]) if ranked else ""
        rows = self.own[self.own["mode"] == mode]
        rows = rows[pd.concat([alike(rows, cells.iloc[0], COMPARISON) for cells in self.headline], axis=1).any(axis=1)]
        found = _with_speed(compare(rows, self.base if self.base in set(rows["framework"]) else None))
        return mode, [found[alike(found, cells.iloc[0], COMPARISON)] for cells in self.headline]

    @cached_property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """How many images of each data set are trained on and tested on, as the files say, or MNIST's."""
        known = {d["name"]: (sum(d["train_counts"]), sum(d["test_counts"])) for d in self.records("datasets")}
        return {"mnist": (60_000, 10_000), **known}


def alike(frame: pd.DataFrame, record: pd.Series[Any], names: list[str]) -> pd.Series[bool]:
    """Return which lines of a frame have a record's values in these columns."""
    return (frame[names] == record[names]).all(axis=1)


def _with_speed(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the cells that have launches, with a speed: a row may say ok and no more."""
    return cells[(cells["launches"] > 0) & cells["train_samples_per_s"].notna()]


def name_of(sweep: SweepFile) -> str:
    """Return the name under which a file's rows go: the file's own, unless someone renamed it."""
    return str(sweep.run.get("sweep", sweep.path.stem))


def _weight(cells: pd.DataFrame) -> tuple[Any, ...]:
    """Return what makes one comparison more of a headline than another."""
    first: Any = cells.iloc[0]
    return weight(first, cells["framework"].nunique(), int(cells["launches"].sum()))
