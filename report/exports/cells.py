"""What the tools' formats are made from: each cell under one name, with a value of every launch.

A launch is one sample, never a chunk or a step: tools that test whether means differ would take chunks of one launch
for independent and find differences that are none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from benchmarks.console import plain
from benchmarks.errors import UsageError
from report.between import own
from report.compare import CELL, COMPARISON, newest
from report.metrics import Metric

NAME = ("framework", "recipe", "mode", "dtype", "batch_size", "dataset", "pipeline", "device", "threads")
UNITS = {"batch_size": "batch {}", "threads": "{} threads"}


@dataclass(frozen=True)
class Measured:
    """A cell: its unique name, what it shares with others, its axes, values and start (UTC) of each ok launch."""

    name: str
    group: str
    facts: dict[str, str | int]
    values: list[float]
    started_at: list[str]


def measured(frame: pd.DataFrame, asked: Metric) -> list[Measured]:
    """Return every cell that has the metric, newest launches, by name; UsageError where there is none."""
    frame = newest(own(frame))
    good = frame[(frame["status"] == "ok") & (frame["task"] == asked.task)].dropna(subset=asked.name)
    if good.empty:
        raise UsageError(f"no ok launch has {asked.name}; choose another --metric, or another set with --results")
    several = bool(len(good[["device_name", "machine_kind"]].drop_duplicates()) > 1)
    found = []
    for key, group in good.sort_values(["sweep", "round"]).groupby(CELL):
        cell: dict[str, Any] = dict(zip(CELL, key, strict=True))
        facts = {name: value if isinstance(value, str) else int(value) for name, value in cell.items()}
        versions = group["framework_version"].dropna()
        if len(versions):
            facts["framework_version"] = str(versions.iloc[-1])
        found.append(
            Measured(
                titled(cell, several),
                ", ".join(plain(str(cell[name])) for name in COMPARISON),
                {name: plain(value) if isinstance(value, str) else value for name, value in facts.items()},
                [float(value) for value in group[asked.name]],
                [plain(str(start)) for start in group["started_at"]],
            )
        )
    return sorted(found, key=lambda cell: cell.name)


def titled(cell: dict[str, Any], several: bool) -> str:
    """Return a cell's name, with its machine where a set holds `several`: other tools know cells by name alone."""
    words = [UNITS.get(name, "{}").format(cell[name]) for name in NAME]
    if cell["model"] != cell["recipe"]:
        words.insert(1, cell["model"])
    return plain(" ".join([*words, *([cell["device_name"], cell["machine_kind"]] if several else [])]))


def seconds(cell: Measured, asked: Metric) -> list[float]:
    """Return a cell's values as seconds, of a speed seconds per sample; UsageError for what is no time."""
    if asked.column.unit not in ("s", "samples/s") or asked.column.kind != "float":
        raise UsageError(f"{asked.name} is no time, and this format knows only times; try --format bencher")
    if min(cell.values) <= 0:
        raise UsageError(f"{cell.name}: {asked.name} of {min(cell.values)}, and this format knows only times above 0")
    return [1 / value for value in cell.values] if asked.rising else cell.values
