"""Ratios of many cells at once, as statistics of log ratios that benchmarks/intervals.py judges.

Everything is computed on logarithms of launches' values. What was measured in the same rounds is paired by them; what
was measured at different times shares none, so its ratio comes from Welch's t test (Welch 1947, Biometrika 34).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from report.grouping import means, spread


def summary(launches: pd.DataFrame, size: int) -> pd.DataFrame:
    """Return per cell of `size`: n, median, low, high of the column `value`, and mean, std of its logarithms.

    `low` and `high` are the 95 % t interval of intervals.speed, NaN with one launch. All but n and median are NaN where
    a value is 0 or below, which has no logarithm.
    """
    found = spread(logarithms(launches["value"]), launches["cell"], size)
    found["median"] = launches["value"].astype(float).groupby(launches["cell"]).median()
    found["low"], found["high"] = np.exp(means(found).bounds())
    return found


def logarithms(values: pd.Series) -> pd.Series:
    """Return natural logarithms as floats, NaN where a value has none."""
    numbers = values.astype(float)
    return numbers.where(numbers > 0).transform(np.log)


def welch(base: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Return mean, std, n (the smaller side's) and freedom of the log ratios of two summaries, line by line."""
    parts = [side["std"] ** 2 / side["n"] for side in (base, new)]
    squares = sum(part**2 / (side["n"] - 1) for part, side in zip(parts, (base, new), strict=True))
    n, variance = np.minimum(base["n"], new["n"]), parts[0] + parts[1]
    found = {"mean": new["mean"] - base["mean"], "std": np.sqrt(n * variance), "n": n, "freedom": variance**2 / squares}
    return pd.DataFrame(found)


def paired(launches: pd.DataFrame, size: int) -> pd.DataFrame:
    """Return the same of each of `size` lines, from launches of the same rounds as in_common gives them."""
    found = spread(logarithms(launches["new"]) - logarithms(launches["base"]), launches["line"], size)
    return found.assign(freedom=found["n"] - 1)


def in_common(
    base: pd.DataFrame, new: pd.DataFrame, pairs: pd.DataFrame, shared: Sequence[str] = ("sweep", "round")
) -> pd.DataFrame:
    """Return the values of two sides' launches that agree in `shared`: line, base, new.

    `base` and `new` have the columns cell, value and `shared`; `pairs` has on each line a cell of either side.
    """
    lines = pairs.reset_index(names="line").dropna().merge(base.rename(columns={"cell": "base"}), on="base")
    lines = lines.merge(new.rename(columns={"cell": "new"}), on=["new", *shared], suffixes=("_base", "_new"))
    return lines[["line"]].assign(base=lines["value_base"], new=lines["value_new"])
