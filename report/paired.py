"""Speeds of cells with their intervals, and ratios to a base, paired by rounds: intervals.py, all cells at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.intervals import CONFIDENCE, EQUIVALENT, FEWEST, adjusted, p_values
from report.grouping import Numbers, bounds, chosen, differences, spread

FIGURES = ["low", "high", "ratio", "ratio_low", "ratio_high"]


def with_ratio(table: pd.DataFrame, comparison: Numbers, launches: pd.DataFrame, base: str | None) -> pd.DataFrame:
    """Add intervals, ratios to the base's best mode of the same comparison, and verdicts, one Holm family a table.

    `comparison` numbers what each line of the table is compared within. `launches` has a line per launch with a speed:
    cell (the table's line), sweep and round (numbers), value (samples/s); the last of the same round counts.
    """
    launches = launches.drop_duplicates(["cell", "sweep", "round"], keep="last")
    speed = launches.groupby("cell")["value"].median().reindex(range(len(table))).to_numpy()
    launches = launches.assign(value=np.log(launches["value"]))
    own = spread(launches["value"], launches["cell"], len(table))
    may = speed if base is None else np.where((table["framework"] == base).to_numpy(bool), speed, np.nan)
    reference = chosen(comparison, {"speed": -may})
    pairs = differences(launches, ["sweep", "round"], reference)
    found = spread(pairs["value"], pairs["cell"], len(table))
    apart = speed / np.where(reference < 0, np.nan, speed[reference])  # of launches that share no rounds
    figures = [*bounds(own), np.where(found["n"] > 0, found["mean"], np.log(apart)), *bounds(found)]
    added = pd.DataFrame(dict(zip(FIGURES, np.exp(figures), strict=True)), table.index).astype("Float64")
    return table.join(added.assign(verdict=pd.array(verdicts(found), "string")))


def verdicts(found: pd.DataFrame) -> npt.NDArray[np.str_]:
    """Return intervals.verdicts for pairs given as the spread of their log ratios, one a line."""
    words = np.full(len(found), "", dtype=object)
    judged = found[found["n"] >= FEWEST]
    low, high = bounds(judged)
    p = adjusted(p_values(judged["mean"], judged["std"], judged["n"]))
    same = (np.exp(low) >= EQUIVALENT[0]) & (np.exp(high) <= EQUIVALENT[1])
    faster = np.where(judged["mean"] > 0, "faster", "slower")
    words[judged.index] = np.where(same, "equivalent", np.where(p < 1 - CONFIDENCE, faster, "not distinguished"))
    return words
