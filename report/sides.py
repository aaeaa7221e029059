"""One side of a comparison: its cells, the launches that count, and how the others ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from adapters.recipes import RECIPES
from benchmarks.storage import Sweep
from report.compare import CELL, newest
from report.metrics import Metric

READ = [
    "framework_version",
    "revision",
    "reason",
    "flags",
    "canary_before_s",
    "epochs",
    "accuracy",
]  # beside load.KEYS and the metric
ORIGIN = ["commit", "code", "lock"]  # what a sweep's record says about where its rows come from


@dataclass(frozen=True)
class Side:
    """A side's tables, all with the cell's number: `cells` (its index), `launches` and `learnt` (column `cell`).

    cells: CELL, machine, framework_version, sweep, revision and ORIGIN where known; of the metric's task, and with the
    prefix accuracy_ of accuracy launches: how many were `tried` and `ok`, `statuses` and first `reason` of the others;
    how many of the metric's ok launches were `disturbed`, and the median `canary_s` before them, where they have one.
    launches: sweep, round, value of each ok launch. learnt: seed, epochs, value (accuracy) of each ok accuracy launch.
    """

    cells: pd.DataFrame
    launches: pd.DataFrame
    learnt: pd.DataFrame


def side(frame: pd.DataFrame, metric: Metric, origins: pd.DataFrame | None = None) -> Side:
    """Return the newest launches of each cell of these rows as a side."""
    frame = newest(frame)
    frame = frame.assign(cell=frame.groupby(CELL).ngroup().astype("Int64"), ok=frame["status"] == "ok")
    described = frame.drop_duplicates("cell", keep="last").set_index("cell").sort_index()
    measured, trained = (frame[frame["task"] == task] for task in (metric.task, "accuracy"))
    facts = [name for name in ("machine", "framework_version", "revision", "sweep") if name in described]
    cells = described[[*CELL, *facts]].join([endings(measured, ""), endings(trained, "accuracy_")])
    if origins is not None:
        cells = cells.join(origins, on=["sweep", "framework", "device"])
    cells["disturbed"] = disturbed(measured[measured["ok"]]).reindex(cells.index, fill_value=0)
    cells["canary_s"] = canary(measured[measured["ok"]]).reindex(cells.index)
    counts = ["tried", "ok", "accuracy_tried", "accuracy_ok"]
    cells[counts] = cells[counts].fillna(0).astype(int)
    launches = measured.loc[measured["ok"], ["cell", "sweep", "round", metric.name]]
    return Side(cells, launches.rename(columns={metric.name: "value"}).dropna(subset="value"), learnt(trained))


def endings(frame: pd.DataFrame, prefix: str) -> pd.DataFrame:
    """Return how a task's launches of each cell ended: tried, ok, statuses, reason."""
    groups = frame.groupby("cell")["ok"]
    found = pd.DataFrame({"tried": groups.size(), "ok": groups.sum()})
    wrong = frame[~frame["ok"]].groupby("cell")
    found["statuses"] = wrong["status"].agg(lambda statuses: ", ".join(sorted(set(statuses))))
    found["reason"] = wrong["reason"].first()
    return found.add_prefix(prefix)


def disturbed(good: pd.DataFrame) -> pd.Series:
    """Return how many of a cell's launches say that others took CPU time or the machine changed its speed."""
    marked = [isinstance(flags, list) and "disturbed" in flags for flags in good["flags"]]
    return pd.Series(marked, good["cell"], dtype=int).groupby(level=0).sum()


def canary(good: pd.DataFrame) -> pd.Series:
    """Return the median over a cell's launches of the canary's mean seconds before them (benchmarks/canary.py)."""
    songs = good["canary_before_s"] if "canary_before_s" in good else [None] * len(good)
    seconds = [sum(song) / len(song) if isinstance(song, list) and song else None for song in songs]
    return pd.Series(seconds, good["cell"], dtype="Float64").groupby(level=0).median()


def learnt(trained: pd.DataFrame) -> pd.DataFrame:
    """Return the accuracies of launches that ended ok; `epochs` is 0 where the recipe itself says when to stop."""
    good = trained[trained["ok"]]
    stops = {name for name, recipe in RECIPES.items() if recipe.stop_when_accuracy_falls}
    epochs = good["epochs"].mask(good["recipe"].isin(stops), 0)
    found = good[["cell", "seed"]].assign(epochs=epochs, value=good["accuracy"]).dropna(subset="value")
    return found.drop_duplicates(["cell", "seed", "epochs"], keep="last")


def origins(sweeps: Iterable[Sweep]) -> pd.DataFrame:
    """Return commit, code and lock by (sweep, framework, device), as the sweeps' run records have them."""
    lines = [
        {"sweep": found.run.get("sweep"), "framework": framework, "device": device, "lock": facts.get("lock")}
        | {name: found.run.get(name) for name in ("commit", "code")}
        for found in sweeps
        for name, facts in found.run.get("frameworks", {}).items()
        for framework, _, device in (name.rpartition("-"),)
    ]
    table = pd.DataFrame(lines, columns=["sweep", "framework", "device", *ORIGIN], dtype="string")
    return table.drop_duplicates(["sweep", "framework", "device"]).set_index(["sweep", "framework", "device"])
