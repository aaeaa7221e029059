"""Which cell of BASE meets which cell of NEW: equals, or what differs only in an axis that the user named.

A speed with one thread says nothing about a speed with two, nor one machine's about another's. Where cells could only
be compared across such a difference the whole comparison is refused, because a table that silently holds less than
asked reads as if nothing had changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from benchmarks.console import plain
from benchmarks.errors import UsageError
from report.compare import CELL

AXES = {"threads": ["threads"], "machine": ["machine_kind", "device_name"], "mode": ["mode"]}
POINT = [name for name in CELL if not any(name in columns for columns in AXES.values())]


def matched(base: pd.DataFrame, new: pd.DataFrame, across: Sequence[str] = ()) -> pd.DataFrame:
    """Return the pairs of two tables of cells (columns CELL) as their index labels, columns `base` and `new`.

    A label is missing where a cell is on one side only. A cell that has its equal meets no other. UsageError where
    cells without an equal differ only in axes (AXES) that are not in `across`.
    """
    ours, theirs = (side[CELL].rename_axis(name).reset_index() for side, name in ((base, "base"), (new, "new")))
    equal = ours.merge(theirs, on=CELL)[["base", "new"]]
    alone = ours[~ours["base"].isin(equal["base"])].merge(theirs[~theirs["new"].isin(equal["new"])], on=POINT)
    differs = pd.DataFrame({axis: different(alone, columns) for axis, columns in AXES.items()}, alone.index)
    allowed = ~differs.drop(columns=list(across)).any(axis=1)
    labelled = alone.loc[allowed, ["base", "new"]]
    used = alone["base"].isin(labelled["base"]) | alone["new"].isin(labelled["new"])
    if len(left := alone[~used]):
        raise UsageError(refusal(left, differs.loc[left.index], across))
    pairs = pd.concat([equal, labelled])
    only_base = ours.loc[~ours["base"].isin(pairs["base"]), ["base"]]
    only_new = theirs.loc[~theirs["new"].isin(pairs["new"]), ["new"]]
    return pd.concat([pairs, only_base, only_new], ignore_index=True).astype("Int64")


def different(pairs: pd.DataFrame, columns: Sequence[str]) -> pd.Series:
    """Return for each pair whether the two cells differ in one of these columns."""
    return pd.concat([pairs[f"{name}_x"] != pairs[f"{name}_y"] for name in columns], axis=1).any(axis=1)


def refusal(pairs: pd.DataFrame, differs: pd.DataFrame, across: Sequence[str]) -> str:
    """Say what differs in the first pair, of each cell the pair that differs least, and what to type."""
    least = differs.sum(axis=1).groupby(pairs["base"], sort=False).idxmin()
    differs = differs.loc[least]
    pair = pairs.loc[least.iloc[0]]
    needed = [axis for axis in AXES if axis in across or differs[axis].any()]
    words = ", ".join(change(axis, pair) for axis in AXES if differs[axis].iloc[0])
    others = f" (and {len(least) - 1} more such cells)" if len(least) > 1 else ""
    return plain(
        f"{pair['framework']} {pair['recipe']}: {words}{others}; "
        f"to compare them all the same pass --across {','.join(needed)}"
    )


def change(axis: str, pair: Any) -> str:
    """Say in which value of an axis BASE (`_x`) and NEW (`_y`) differ."""
    if axis == "threads":
        return f"{pair['threads_x']} thread{'' if pair['threads_x'] == 1 else 's'} in BASE, {pair['threads_y']} in NEW"
    if axis == "mode":
        return f"mode {pair['mode_x']} in BASE, {pair['mode_y']} in NEW"
    one, other = (f"{pair['device_name' + s]} ({pair['machine_kind' + s][:8]})" for s in ("_x", "_y"))
    return f"machine {one} in BASE, {other} in NEW"
