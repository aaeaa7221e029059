"""Speeds of cells with their intervals, and ratios to a base, paired by rounds: intervals.py, all cells at once."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.intervals import verdicts
from report.grouping import Flags, Floats, Numbers, chosen, differences, means, spread

CIRCLE = 8  # choices of a best before pairs are said to lead round in a circle
ROUNDING = 1e-12  # what a mean of differences and a difference of means may be apart
FIGURES = ["low", "high", "ratio", "ratio_low", "ratio_high"]


def with_ratio(table: pd.DataFrame, comparison: Numbers, launches: pd.DataFrame, base: str | None) -> pd.DataFrame:
    """Add intervals, ratios to the base's best cell of the same comparison, and verdicts, one Holm family a table.

    `comparison` numbers what each line of the table is compared within. `launches` has a line per launch with a speed:
    cell (the table's line), sweep and round (numbers), value (samples/s); the last of the same round counts.
    """
    launches = launches.drop_duplicates(["cell", "sweep", "round"], keep="last")
    launches = launches.assign(value=np.log(launches["value"]))
    own = spread(launches["value"], launches["cell"], len(table))
    may = np.ones(len(table), bool) if base is None else (table["framework"] == base).to_numpy(bool)
    found = to_the_best(launches, own["mean"].to_numpy(), comparison, may)
    pairs = means(found)
    figures = [*means(own).bounds(), found["ratio"].to_numpy(), *pairs.bounds()]
    added = pd.DataFrame(dict(zip(FIGURES, np.exp(figures), strict=True)), table.index).astype("Float64")
    return table.join(added.assign(verdict=pd.array(verdicts(pairs), "string")))


def to_the_best(launches: pd.DataFrame, mean: Floats, comparison: Numbers, may: Flags) -> pd.DataFrame:
    """Return each cell's log ratio to the best of its comparison, `ratio`, and the spread of the pairs behind it.

    The best is that of those which `may` be it that no ratio exceeds: at first the one with the highest `mean` of logs,
    and where launches are missing from some rounds, so that pairs say otherwise, the one that they put ahead of it. If
    pairs lead round in a circle, none is the best and the highest mean it is.
    """
    highest = chosen(comparison, {"mean": -np.where(may, mean, np.nan)})
    reference = highest
    for _ in range(CIRCLE):
        found = against(launches, mean, reference)
        ahead = np.where(may & (found["ratio"].to_numpy() > ROUNDING), found["ratio"], np.nan)
        better = chosen(comparison, {"ratio": -ahead})
        if (better < 0).all():
            return found
        reference = np.where(better < 0, reference, better)
    circling = np.isin(comparison, comparison[better >= 0])
    return against(launches, mean, np.where(circling, highest, reference))


def against(launches: pd.DataFrame, mean: Floats, reference: Numbers) -> pd.DataFrame:
    """Return to_the_best's columns for this choice of references; launches that share no rounds are not paired."""
    pairs = differences(launches, ["sweep", "round"], reference)
    found = spread(pairs["value"], pairs["cell"], len(mean))
    apart = mean - np.where(reference < 0, np.nan, mean[reference])
    return found.assign(ratio=np.where(found["n"] > 0, found["mean"], apart))
