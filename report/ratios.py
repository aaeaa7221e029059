"""Ratios of many cells at once: the tests of benchmarks/intervals.py on whole columns instead of one pair at a time.

Everything is computed on logarithms of launches' values. What was measured in the same rounds is paired by them; what
was measured at different times shares none, so its ratio comes from Welch's t test (Welch 1947, Biometrika 34).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from benchmarks import intervals
from benchmarks.intervals import CONFIDENCE, Ratio

Floats = npt.NDArray[np.float64]


def summary(launches: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return per value of `by`: n, median, low, high of the column `value`, and mean, error of its logarithms.

    `low` and `high` are the 95 % t interval of intervals.speed; `error` is the standard error. Both are NaN with one
    launch, and all but n and median where a value is 0 or below, which has no logarithm.
    """
    values = launches[[by]].assign(value=launches["value"].astype(float), log=logarithms(launches["value"]))
    groups = values.groupby(by)
    found = pd.DataFrame({"n": groups["value"].count(), "median": groups["value"].median()})
    usable = groups["log"].count() == found["n"]
    found["mean"] = groups["log"].mean().where(usable)
    found["error"] = groups["log"].std().where(usable) / np.sqrt(found["n"])
    found["low"], found["high"], _ = inference(arrays(found["mean"]), arrays(found["error"]), arrays(found["n"]) - 1)
    return found


def logarithms(values: pd.Series) -> pd.Series:
    """Return natural logarithms as floats, NaN where a value has none."""
    numbers = values.astype(float)
    return numbers.where(numbers > 0).transform(np.log)


def arrays(column: pd.Series) -> Floats:
    """Return a column as floats, NaN where it is missing."""
    return column.to_numpy(float, na_value=np.nan)


def inference(mean: Floats, error: Floats, freedom: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the 95 % bounds of exp(mean) by Student's t and the two-sided p value that the mean is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        half = np.where(error == 0, 0.0, stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * error)
        p = np.where(mean == 0, 1.0, 2 * stats.t.sf(np.abs(mean) / error, freedom))
    p = np.where((error == 0) & (mean != 0), 0.0, p)
    return np.exp(mean - half), np.exp(mean + half), p


def welch(base: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Return ratio, ratio_low, ratio_high, p and n (the smaller side's) of two summaries, line by line."""
    mean = arrays(new["mean"]) - arrays(base["mean"])
    parts = [arrays(side["error"]) ** 2 for side in (base, new)]
    counts = [arrays(side["n"]) for side in (base, new)]
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = sum(part**2 / (n - 1) for part, n in zip(parts, counts, strict=True))
        freedom = (parts[0] + parts[1]) ** 2 / spread
    return columns(mean, np.sqrt(parts[0] + parts[1]), freedom, np.minimum(*counts), base.index)


def paired(pairs: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return the same per value of `by` from launches of the same rounds: columns `base` and `new`."""
    logs = pairs[[by]].assign(log=logarithms(pairs["new"]) - logarithms(pairs["base"]))
    found = logs.groupby(by)["log"].agg(["mean", "std", "count", "size"])
    found = found.where(found["count"] == found["size"])
    n = arrays(found["count"])
    return columns(arrays(found["mean"]), arrays(found["std"]) / np.sqrt(n), n - 1, n, found.index)


def columns(mean: Floats, error: Floats, freedom: Floats, n: Floats, index: pd.Index) -> pd.DataFrame:
    """Return the columns that welch and paired promise."""
    low, high, p = inference(mean, error, freedom)
    return pd.DataFrame({"ratio": np.exp(mean), "ratio_low": low, "ratio_high": high, "p": p, "n": n}, index)


def verdicts(found: pd.DataFrame) -> pd.Series:
    """Return intervals.verdicts of ratios as welch and paired give them, one Holm family."""
    known = found[found["ratio_low"].notna()]
    lines = zip(known.index, known[["ratio", "ratio_low", "ratio_high", "n", "p"]].to_numpy(float), strict=True)
    ratios = {str(index): Ratio(ratio, low, high, int(n), p) for index, (ratio, low, high, n, p) in lines}
    words = intervals.verdicts(ratios)
    return pd.Series([words.get(str(index), "") for index in found.index], found.index, dtype="string")
