"""One figure over two axes, for notebooks: batch size down, framework across, median samples/s."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import pandas as pd

from benchmarks.errors import UsageError
from report.compare import COMPARISON

APART = (*COMPARISON, "mode")  # what must not differ within one figure without being named
Method = Literal["median", "mean", "min", "max", "count", "std"]
METHODS = get_args(Method)

Names = str | Sequence[str]


def pivot(
    frame: pd.DataFrame, rows: Names, columns: Names, metric: str = "train_samples_per_s", how: Method = "median"
) -> pd.DataFrame:
    """Return `metric` of launches (load) or of a table's lines (compare), a line per `rows`, a column per `columns`.

        pivot(frame[frame["model"] == "lenet"], "batch_size", ["framework", "mode"])

    Both may be one column or several. `how` is one of METHODS, over what falls into one field; of launches only those
    that ended ok count. UsageError for an unknown name, a metric that is no number, or where a field would mix what
    must not be mixed, such as machines or modes: name it in `rows` or `columns`, or choose one beforehand.
    """
    down, across = ([names] if isinstance(names, str) else list(names) for names in (rows, columns))
    check(frame, [*down, *across], metric, how)
    if "round" in frame and "status" in frame:
        frame = frame[(frame["status"] == "ok").fillna(False)]
    frame = frame[frame[metric].notna()]
    if mixed := mixes(frame, [*down, *across]):
        raise UsageError(f"a field would mix {', '.join(mixed)}: name it in rows or columns, or choose one beforehand")
    return frame.pivot_table(metric, down, across, aggfunc=how, observed=True)


def check(frame: pd.DataFrame, axes: Sequence[str], metric: str, how: str) -> None:
    """Refuse names that there are not and figures that cannot be."""
    numbers = [str(name) for name in frame if pd.api.types.is_numeric_dtype(frame[name])]
    names = [str(name) for name in frame if frame[name].dtype != object]
    for name in axes:
        if name not in names:
            raise UsageError(f"no axis {name!r}; there are: {', '.join(names)}")
    if metric not in numbers:
        raise UsageError(f"no number {metric!r}; there are: {', '.join(numbers)}")
    if how not in METHODS:
        raise UsageError(f"no method {how!r}; there are: {', '.join(METHODS)}")
    if metric in axes or len(set(axes)) < len(axes):
        raise UsageError(f"rows, columns and metric name a column twice: {', '.join([*axes, metric])}")


def mixes(frame: pd.DataFrame, axes: Sequence[str]) -> list[str]:
    """Return what takes several values within one field."""
    fields = frame.groupby(list(axes), dropna=False)
    others = [name for name in APART if name in frame and name not in axes]
    return [name for name in others if len(frame) and fields[name].nunique().max() > 1]
