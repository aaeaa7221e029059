"""Sweeps that resumed one another count as one, so do the members of a sweep over several machines.

Which launches belong together, and which of them tables show. A sweep BASE over several machines has a file for each
member, whose own sweep is named BASE.m01, BASE.m02 and so on; the file BASE itself is the driver's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

MEMBER = re.compile(r"(.+)\.m\d+", re.DOTALL)


def base_of(sweep: str) -> str:
    """Return the sweep that a member's sweep is part of; any other sweep itself."""
    member = MEMBER.fullmatch(sweep)
    return member[1] if member else sweep


def sessions(runs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return for each sweep that another resumed the last one that did, through all that lie between.

    A run record's `resumes` names the sweeps it went on with; names sort by time, and only older ones count. Members
    are named by the sweep that they are part of.
    """
    last: dict[str, str] = {}
    named: dict[str, set[str]] = {}
    for run in runs:
        named.setdefault(base_of(str(run.get("sweep"))), set()).update(map(base_of, run.get("resumes", [])))
    for name in sorted(named, reverse=True):
        for older in named[name]:
            if older < name:
                last.setdefault(older, last.get(name, name))
    return last


def session(sweep: str, last: Mapping[str, str]) -> str:
    """Return the session of a sweep's launches; `last` is what sessions() says."""
    base = base_of(sweep)
    return last.get(base, base)


# What makes two launches launches of one cell, its revision aside. A row's machine_kind stands in its run's record.
AXES = (
    "recipe", "dataset", "device", "device_name", "machine_kind", "batch_size", "dtype", "threads", "pipeline",
    "framework", "mode",
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
    own = [row for row in current(rows, last) if row["revision"] is None]
    for row in own:
        key = (*axes(row), row["task"])
        found[key] = max(session(row["sweep"], last), found.get(key, ""))
    return [row for row in own if found[*axes(row), row["task"]] == session(row["sweep"], last)]


def current(rows: Sequence[Mapping[str, Any]], last: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """Return the launches but for those that a later attempt of their comparison took the place of.

    The session's last attempt that has anything but interrupted launches counts, by sweep and number: clocks of
    machines differ. A sweep over machines that resumes another makes anew what is not there whole. What was interrupted
    in it, or in a later one, is there once, unless the attempt that counts has that launch after all.
    """
    counts: dict[tuple[Any, ...], tuple[str, int]] = {}
    for row in rows:
        if row["status"] != "interrupted" and row["attempt"] is not None:
            counts[comparison(row, last)] = max(attempt(row), counts.get(comparison(row, last), ("", 0)))
    kept = [row for row in rows if attempt(row) >= counts.get(comparison(row, last), ("", 0))]
    made: dict[tuple[Any, ...], tuple[bool, str, int]] = {}
    for row in kept:
        made[launch(row, last)] = max(ending(row), made.get(launch(row, last), (False, "", 0)))
    return [row for row in kept if row["status"] != "interrupted" or ending(row) == made[launch(row, last)]]


def attempt(row: Mapping[str, Any]) -> tuple[str, int]:
    """Return what sorts attempts: the sweep, then the number, which is null in sweeps on one machine."""
    return base_of(row["sweep"]), row["attempt"] or 1


def ending(row: Mapping[str, Any]) -> tuple[bool, str, int]:
    """Return what sorts the endings of one launch: anything comes after interrupted, then later attempts."""
    return row["status"] != "interrupted", *attempt(row)


def comparison(row: Mapping[str, Any], last: Mapping[str, str]) -> tuple[Any, ...]:
    """Return what the launches of a comparison and task share that one session made."""
    return (session(row["sweep"], last), row["task"], *(row[name] for name in SHARED))


def launch(row: Mapping[str, Any], last: Mapping[str, str]) -> tuple[Any, ...]:
    """Return what tells a launch from others of its session, whichever attempts it was part of."""
    return (session(row["sweep"], last), row["task"], *axes(row), row["round"], row["seed"])
