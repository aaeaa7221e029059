"""Sweeps that resumed one another count as one: which launches belong together, and which of them tables show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def sessions(runs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return for each sweep that another resumed the last one that did, through all that lie between.

    A run record's `resumes` names the sweeps it went on with; names sort by time, and only older ones count.
    """
    last: dict[str, str] = {}
    named = {str(run.get("sweep")): run.get("resumes", []) for run in runs}
    for name in sorted(named, reverse=True):
        for older in named[name]:
            if older < name:
                last.setdefault(older, last.get(name, name))
    return last


# What makes two launches launches of one cell, its revision aside; the machine's kind stands in the run's record.
AXES = (
    "recipe", "dataset", "device", "device_name", "batch_size", "dtype", "threads", "pipeline", "framework", "mode",
)  # fmt: skip
SHARED = AXES[:-2]  # by all frameworks of a comparison


def axes(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what tells a launch's cell from others."""
    return (*(row[name] for name in AXES), row["revision"])


def newest(rows: Sequence[Mapping[str, Any]], last: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """Return the launches that tables count: of each cell and task those of the newest session that has it.

    `last` is what sessions() says. Launches of another revision's adapters are no part of tables.
    """
    found: dict[tuple[Any, ...], str] = {}
    own = [row for row in rows if row["revision"] is None]
    for row in own:
        key, session = (*axes(row), row["task"]), last.get(row["sweep"], row["sweep"])
        found[key] = max(session, found.get(key, session))
    return [row for row in own if found[*axes(row), row["task"]] == last.get(row["sweep"], row["sweep"])]
