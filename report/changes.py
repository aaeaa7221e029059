"""What is not the same on both sides of a comparison, and what went wrong on one, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from benchmarks.canary import DRIFT

NAMES = {
    "threads": "threads", "mode": "mode", "device_name": "machine", "machine_kind": "kind of machine",
    "framework_version": "version", "revision": "adapters", "commit": "commit", "code": "code", "lock": "lock",
}  # fmt: skip
CHECKOUT = "checkout"  # the revision of adapters that no revision is named for


def changes(base: pd.DataFrame, new: pd.DataFrame) -> pd.Series:
    """Return what differs between two cells, "" where one is alone: `threads: 1 -> 2; version: 2.12.0 -> 2.13.0`.

    Where the machine itself changed its speed between two times, as the canary tells, it says so first.
    """
    columns = [name for name in NAMES if name in base and name in new]
    lines = (
        "; ".join(
            f"{NAMES[name]}: {told(name, was)} -> {told(name, became)}"
            for name, was, became in zip(columns, one[1:], other[1:], strict=True)
            if told(name, was) != told(name, became)
        )
        if alone == 0
        else ""
        for alone, one, other in zip(
            base["threads"].isna() | new["threads"].isna(), rows(base, columns), rows(new, columns), strict=True
        )
    )
    said = [
        "; ".join(filter(None, both)) for both in zip(drifts(base["canary_s"], new["canary_s"]), lines, strict=True)
    ]
    return pd.Series(said, base.index, "string")


def drifts(base: pd.Series, new: pd.Series) -> Iterable[str]:
    """Return for each cell by how much longer the canary took, the same fixed work, "" where it is about equal."""
    for share in (new / base - 1).to_numpy(float, na_value=0.0):
        yield f"the machine itself: canary {share:+.0%} s" if abs(share) > DRIFT else ""


def rows(cells: pd.DataFrame, columns: list[str]) -> Iterable[tuple[object, ...]]:
    """Iterate over some columns of cells, the index first."""
    return cells[columns].itertuples(name=None)


def told(name: str, value: object) -> str:
    """Return a value as text, hashes and commits short."""
    if pd.isna(value):  # type: ignore[call-overload]
        return CHECKOUT if name == "revision" else "unknown"
    return str(value)[:12] if name in ("commit", "code", "lock", "machine_kind") else str(value)


def notes(sides: Mapping[str, pd.DataFrame], tasks: Sequence[str]) -> pd.Series:
    """Return how launches ended that did not end ok, with the first reason of each side; `tasks` prefix columns."""
    found: dict[Any, list[str]] = {}
    for name, cells in sides.items():
        for task in tasks:
            wrong = cells[cells[f"{task}statuses"].notna()]
            for line, tried, ok, statuses, reason in wrong[
                [f"{task}{column}" for column in ("tried", "ok", "statuses", "reason")]
            ].itertuples(name=None):
                words = f"{name} {task.rstrip('_')}".strip() + f" {tried - ok:.0f} of {tried:.0f} {statuses}"
                found.setdefault(line, []).append(words.strip() + ("" if pd.isna(reason) else f" ({reason})"))
    index = next(iter(sides.values())).index
    return pd.Series(["; ".join(found.get(line, [])) for line in index], index, dtype="string")
