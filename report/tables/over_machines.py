"""Frameworks over several kinds of machine: geometric means of ratios, each taken within one machine; never of speeds.

On each machine the ratio is that of headline tables: the framework's fastest mode over the reference's fastest mode,
paired by rounds. The interval of their mean is that of the measurements on these very machines (errors add in squares,
freedom after Welch and Satterthwaite); of other machines it says nothing, but how far machines differ is beside it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.plan.cells import network_order
from benchmarks.record.ratios import against
from benchmarks.stats import judged_ratios, simultaneous
from report.tables.compare import CELL, COMPARISON, MACHINE
from report.tables.groups import floats, means, number
from report.tables.intervals import as_launches

# What comparisons on different machines share: each has its own processor, and threads as many as suit it.
POINT = [name for name in COMPARISON if name not in (*MACHINE, "threads")]
SPEED = "train_samples_per_s"
LINE = ["point", "framework"]


def over_machines(cells: pd.DataFrame, launches: pd.DataFrame, base: str | None = None) -> pd.DataFrame:
    """Return one line per point that several machines measured and framework, the highest mean of a point first.

    Columns: POINT; framework; `reference`, which is `base` or the framework on most machines with the highest mean;
    ratio, the geometric mean over machines of the ratio to it; low, high, its interval, simultaneous over all, where
    each machine has three rounds or more; least, most, of one machine; machines, with a ratio; `of`, that measured the
    point; fastest, on how many of these it is. `cells` are lines of compare with a speed, `launches` those with speeds
    that they come from.
    """
    best = _fastest(cells)
    if best.empty:
        return pd.DataFrame(columns=[*POINT, "framework", "reference", "ratio", "low", "high", "least", "most"])
    best["reference"] = _references(best, base)
    ratios = _by_machine(best, launches)
    lines = ratios.groupby(LINE)
    k, variance = lines.size(), lines["variance"].agg(lambda found: found.sum(skipna=False))
    squares = (ratios["variance"] ** 2 / (ratios["n"] - 1)).groupby([ratios[name] for name in LINE])
    freedom = variance**2 / squares.agg(lambda found: found.sum(skipna=False))
    n = lines["n"].min()  # rounds of the machine that has fewest
    logs = pd.DataFrame({"mean": lines["log"].mean(), "std": np.sqrt(variance * n) / k, "n": n, "freedom": freedom})
    points = None if base else logs.index.get_level_values("point")
    judged = judged_ratios(means(logs), simultaneous(means(logs), points))
    found = pd.DataFrame({"ratio": np.exp(logs["mean"]), "low": judged.low, "high": judged.high, "machines": k})
    found = found.assign(least=np.exp(lines["log"].min()), most=np.exp(lines["log"].max()))
    first = best.sort_values(SPEED).drop_duplicates(["point", "machine"], keep="last")
    found["fastest"] = first.groupby(LINE).size().reindex(found.index, fill_value=0)
    shared = best.drop_duplicates("point").set_index("point")[[*POINT, "of", "reference"]]
    found = found.reset_index().join(shared, on="point")
    networks = found["model"].map(lambda name: network_order(name)[0])
    ordered = found.assign(_network=networks).sort_values(["_network", "point", "ratio"], ascending=[True, True, False])
    return ordered.drop(columns=["point", "_network"]).reset_index(drop=True)


def _fastest(cells: pd.DataFrame) -> pd.DataFrame:
    """Return each framework's fastest cell at every point and machine, of points that several machines measured.

    Of a machine's comparisons at one point that with the most frameworks counts, then that with the most threads.
    `point` and `machine` are numbers, `of` says how many machines measured the point.
    """
    found = cells[[*CELL, SPEED]].assign(point=number(cells, POINT), machine=number(cells, MACHINE))
    found["comparison"] = number(cells, COMPARISON)
    found["frameworks"] = found.groupby("comparison")["framework"].transform("nunique")
    ordered = found.sort_values(["frameworks", "threads", "comparison"], ascending=False)
    chosen = ordered.drop_duplicates(["point", "machine"])["comparison"]
    found = found[found["comparison"].isin(chosen)].sort_values(SPEED, ascending=False)
    found = found.drop_duplicates(["point", "machine", "framework"]).reset_index(drop=True)
    found["of"] = found.groupby("point")["machine"].transform("nunique")
    return found[found["of"] > 1].reset_index(drop=True)


def _references(best: pd.DataFrame, base: str | None) -> pd.Series:
    """Return for each cell the framework that its point's ratios are to."""
    logs = best.assign(log=np.log(best[SPEED].astype(float)), asked=best["framework"] == base)
    sums = logs.groupby(LINE).agg(asked=("asked", "max"), machines=("machine", "nunique"), log=("log", "mean"))
    ordered = sums.reset_index().sort_values(["asked", "machines", "log"], ascending=False, kind="stable")
    return best["point"].map(ordered.drop_duplicates("point").set_index("point")["framework"])


def _by_machine(best: pd.DataFrame, launches: pd.DataFrame) -> pd.DataFrame:
    """Return each framework's log ratio to the reference on each machine that has both, its variance and n rounds.

    Where the two share no rounds the ratio is that of their means, its variance NaN, as the reference's own.
    """
    cells = best.reset_index(names="cell")
    theirs = cells.loc[cells["framework"] == cells["reference"], ["point", "machine", "cell"]]
    both = cells.merge(theirs, on=["point", "machine"], how="left", suffixes=("", "_theirs"))
    reference = both["cell_theirs"].fillna(-1).to_numpy(np.int64)
    values = cells[[*CELL, "cell"]].merge(launches[[*CELL, "sweep", "round", SPEED]], on=CELL)
    values = values.drop_duplicates(["cell", "sweep", "round"], keep="last")
    values = values[["cell", "sweep", "round"]].assign(value=np.log(values[SPEED].astype(float)))
    pairs, ratio = against(as_launches(values, ["sweep", "round"]), np.log(floats(best[SPEED])), reference)
    found = best[[*LINE, "machine", "reference"]].assign(log=ratio, n=pairs.n)
    return found.assign(variance=pairs.std**2 / np.maximum(pairs.n, 1))[reference >= 0]
