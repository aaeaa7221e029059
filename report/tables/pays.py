"""When compiling pays: after how many training steps a mode that compiles has caught up with eager.

A mode that compiles loses time at its first step, and wins some at each later one. Launches are paired by rounds, each
pair gives one number of steps, and these have a geometric mean with its 95 % interval, as speeds have.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.record.ratios import spread
from report.tables.compare import COMPARISON

PAIRED = [*COMPARISON, "framework", "sweep", "round"]
CELLS = [*COMPARISON, "framework", "mode"]
FIGURES = ["first_step_s", "train_samples_per_s"]


def pays(speeds: pd.DataFrame) -> pd.DataFrame:
    """Return a line for each cell whose mode is not eager, where rounds have an eager launch, too.

    Of speed launches that ended ok: CELLS, `rounds`, and `steps` with `low` and `high`, the geometric mean of steps and
    its interval, which three rounds or more have. `steps` is infinite where a later step is not faster on the mean,
    else 0 where the first one is not slower. Where single rounds say otherwise there is no interval.
    """
    eager, others = (speeds[(speeds["mode"] == "eager") == wanted] for wanted in (True, False))
    pairs = others.merge(eager[[*PAIRED, *FIGURES]], on=PAIRED, suffixes=("", "_eager"))
    size = pairs["batch_size"].astype(float)
    lost = (pairs["first_step_s"] - pairs["first_step_s_eager"]).astype(float)
    won = size / pairs["train_samples_per_s_eager"].astype(float) - size / pairs["train_samples_per_s"].astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log((lost / won).where((lost > 0) & (won > 0)))
    groups = pairs.groupby(CELLS, sort=False)
    found = groups.agg(rounds=("round", "size")).reset_index()
    means = spread(logs, groups.ngroup(), len(found))
    mean_lost, mean_won = (figures.groupby(groups.ngroup()).mean() for figures in (lost, won))
    on_the_whole = (mean_lost / mean_won).where(mean_lost > 0, 0.0).where(mean_won > 0, np.inf)
    found["steps"] = np.where(np.isnan(means.mean), on_the_whole, np.exp(means.mean))
    found["low"], found["high"] = np.exp(means.bounds())
    return found
