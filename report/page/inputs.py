"""What every section reads: the rows, their comparison, and the records that stand beside rows in results files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from adapters.recipes import HEADLINE, RECIPES
from benchmarks.record.store import SweepFile
from report.tables.compare import COMPARISON, REQUIRED_COLUMNS, busy_words, compare, newest

Record = dict[str, Any]
PAGE_COLUMNS = [  # what the page reads of rows: `load(source, PAGE_COLUMNS)`
    *REQUIRED_COLUMNS, "started_at", "reason", "lockstep_float64_deviation", "lockstep_max_deviation", "lockstep_steps",
    "warm_up_s", "peak_flops_per_s", "accuracy_by_epoch", "loss_by_epoch", "seconds_by_epoch", "confusion", "mistakes",
    "mistakes_read_as",
]  # fmt: skip
LIKE_FOR_LIKE = ("compiled", "eager", "fused")  # which mode is preferred where several are shared by as many


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
        return f"{words[0].upper()}{words[1:]}. " if words else ""

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
        order = {name: place for place, name in enumerate(HEADLINE)}
        keys = sorted(found, key=lambda pair: (pair[0], order.get(pair[1], len(order)), pair[1]))
        return [max(found[key], key=_weight) for key in keys]

    @cached_property
    def like_for_like(self) -> list[tuple[str, pd.DataFrame]]:
        """Of each headline comparison the mode that most frameworks have, and the comparison within that mode alone."""
        return [self._same_mode(cells) for cells in self.headline]

    def _same_mode(self, cells: pd.DataFrame) -> tuple[str, pd.DataFrame]:
        """Return this of one comparison."""
        counts = cells.groupby("mode")["framework"].nunique()
        mode = min(
            counts.index,
            key=lambda name: (
                -counts[name],
                name not in LIKE_FOR_LIKE,
                LIKE_FOR_LIKE.index(name) if name in LIKE_FOR_LIKE else 0,
                name,
            ),
        )
        same = (self.own["mode"] == mode) & alike(self.own, cells.iloc[0], COMPARISON)
        base = self.base if self.base in set(self.own.loc[same, "framework"]) else None
        return str(mode), _with_speed(compare(self.own[same], base))


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
    """Return what makes one comparison more of a headline than another: most frameworks, then the usual settings."""
    first = cells.iloc[0]
    recipe = RECIPES.get(first["recipe"])
    return (
        cells["framework"].nunique(),
        first["input"] == "preloaded",
        first["dtype"] == "float32",
        recipe is not None and first["batch_size"] == recipe.batch_size,
        first["dataset"] == "mnist",
        int(first["threads"]),
        int(cells["launches"].sum()),
    )
