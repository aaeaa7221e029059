"""One side of a comparison (its cells, the launches that count, how the others ended), and which cells meet.

Cells meet if they are equal, or differ only in an axis that the user named. A speed with one thread says nothing about
a speed with two, nor one machine's about another's: where only such cells are left, the whole comparison is refused,
because a table that silently holds less than asked reads as if nothing had changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.errors import UsageError, plain, threads
from benchmarks.record import busy
from benchmarks.record.ratios import spread
from benchmarks.record.store import SweepFile
from benchmarks.stats import judged_accuracies, simultaneous
from report.tables.compare import CELL
from report.tables.groups import as_text, equal, floats, is_newest, number
from report.tables.intervals import by_seed, in_common
from report.tables.metrics import Metric

TYPES = {
    "base_accuracy": "Float64", "new_accuracy": "Float64", "difference": "Float64", "difference_low": "Float64",
    "difference_high": "Float64", "seeds": "Int64", "accuracy_verdict": "string",
}  # fmt: skip


def differences(base: Side, new: Side, pairs: pd.DataFrame) -> pd.DataFrame:
    """Return means, difference (new - base) with its interval, seeds and accuracy_verdict for pairs of cells.

    Only launches of the same seed and number of epochs are pairs; intervals are simultaneous. A side that is
    compared with itself (frameworks by another metric) has no differences: report/tables/compare.py has them.
    """
    theirs = base.learnt if base is not new else base.learnt.iloc[:0]
    common = in_common(theirs, new.learnt, pairs, ["seed", "epochs"])
    found = spread(floats(common["new"]) - floats(common["base"]), common["line"], len(pairs))
    judged = judged_accuracies(found, simultaneous(found))
    shown = {
        "base_accuracy": theirs.groupby("cell")["value"].mean().reindex(pairs["base"]).to_numpy(),
        "new_accuracy": new.learnt.groupby("cell")["value"].mean().reindex(pairs["new"]).to_numpy(),
        "difference": found.mean, "difference_low": judged.low, "difference_high": judged.high,
        "seeds": np.where(found.n > 0, found.n, np.nan), "accuracy_verdict": judged.verdict,
    }  # fmt: skip
    return pd.DataFrame(shown, pairs.index).astype(TYPES)


# By option of --across, the columns that may differ. `kernels` are those that a framework's libraries chose: another
# choice on one machine is as another machine. They are no column of CELL, as each framework has its own.
AXES = {"threads": ["threads"], "machine": ["machine_kind", "device_name", "kernels"], "mode": ["mode"]}
POINT = [name for name in CELL if not any(name in columns for columns in AXES.values())]


SHARED_AXES = [name for name in POINT if name != "model"]  # the recipe names it


def matched(base: pd.DataFrame, new: pd.DataFrame, across: Sequence[str] = ()) -> pd.DataFrame:
    """Return the pairs of two tables of cells (CELL, kernels) as their index labels, columns `base` and `new`.

    A label is missing where a cell is on one side only. A cell that has its equal meets no other. UsageError where
    cells without an equal differ only in axes (AXES) that are not in `across`, and where no two cells meet.
    """
    named = [*CELL, "kernels"]
    ours, theirs = (side[named].rename_axis(name).reset_index() for side, name in ((base, "base"), (new, "new")))
    alike = ours.merge(theirs, on=CELL)
    equal = alike.loc[~_different(alike, ["kernels"]), ["base", "new"]]
    alone = ours[~ours["base"].isin(equal["base"])].merge(theirs[~theirs["new"].isin(equal["new"])], on=POINT)
    differs = pd.DataFrame({axis: _different(alone, columns) for axis, columns in AXES.items()}, alone.index)
    allowed = ~differs.drop(columns=list(across)).any(axis=1)
    labelled = alone.loc[allowed, ["base", "new"]]
    used = alone["base"].isin(labelled["base"]) | alone["new"].isin(labelled["new"])
    if len(left := alone[~used]):
        raise UsageError(_refusal(left, differs.loc[left.index], across))
    pairs = pd.concat([equal, labelled])
    if pairs.empty and len(base) and len(new):
        raise UsageError(_disjoint(ours, theirs))
    only_base = ours.loc[~ours["base"].isin(pairs["base"]), ["base"]]
    only_new = theirs.loc[~theirs["new"].isin(pairs["new"]), ["new"]]
    return pd.concat([pairs, only_base, only_new], ignore_index=True).astype("Int64")


def _disjoint(base: pd.DataFrame, new: pd.DataFrame) -> str:
    """Say in which axes two sets of cells have no value in common; that they share none is all where they have."""
    apart = [axis for axis in SHARED_AXES if not set(base[axis]) & set(new[axis])]
    words = [f"{_few(base[axis])} in BASE, {_few(new[axis])} in NEW" for axis in apart]
    if not apart:
        words = [f"{len(base):,} in BASE and {len(new):,} in NEW, of which no two have all axes alike"]
    return plain(f"no common configurations: {'; '.join(words)}")


def _few(values: pd.Series) -> str:
    """Return the different values of an axis, of many the first three."""
    named = "batch {}" if values.name == "batch_size" else "{}"
    found = [named.format(value) for value in sorted(values.unique())]
    return ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")


def _different(pairs: pd.DataFrame, columns: Sequence[str]) -> pd.Series:
    """Return for each pair whether the two cells differ in one of these columns; what is not known does not."""
    differs = [(pairs[f"{name}_x"] != pairs[f"{name}_y"]).fillna(False).astype(bool) for name in columns]
    return pd.concat(differs, axis=1).any(axis=1)


def _refusal(pairs: pd.DataFrame, differs: pd.DataFrame, across: Sequence[str]) -> str:
    """Say what differs in the first pair, of each cell the pair that differs least, and what to type."""
    least = differs.sum(axis=1).groupby(pairs["base"], sort=False).idxmin()
    differs = differs.loc[least]
    pair = pairs.loc[least.iloc[0]]
    needed = [axis for axis in AXES if axis in across or differs[axis].any()]
    words = ", ".join(_change(axis, pair) for axis in AXES if differs[axis].iloc[0])
    others = f" (and {len(least) - 1} more such cells)" if len(least) > 1 else ""
    return plain(
        f"{pair['framework']} {pair['recipe']}: {words}{others}; "
        f"to compare them all the same pass --across {','.join(needed)}"
    )


def _change(axis: str, pair: Any) -> str:
    """Say in which value of an axis BASE (`_x`) and NEW (`_y`) differ."""
    if axis == "threads":
        return f"{threads(pair['threads_x'])} in BASE, {pair['threads_y']} in NEW"
    if axis == "mode":
        return f"mode {pair['mode_x']} in BASE, {pair['mode_y']} in NEW"
    one, other = (f"{pair['device_name' + s]} ({pair['machine_kind' + s][:8]})" for s in ("_x", "_y"))
    if one == other:
        return f"kernels {pair['kernels_x']} in BASE, {pair['kernels_y']} in NEW"
    return f"machine {one} in BASE, {other} in NEW"


READ = [  # beside load.KEYS and the metric
    "framework_version", "revision", "reason", "epochs", "accuracy", "lockstep_float64_deviation", *busy.READ,
]  # fmt: skip
MACHINE_FACTS = ["microcode", "kernel", "libc", "hypervisor"]  # that change while a machine stays of its kind
# What a sweep's record says about where its rows come from.
ORIGIN = ["commit", "code", "lock", "python", "kernels", *MACHINE_FACTS]


@dataclass(frozen=True)
class Side:
    """A side's tables, all with the cell's number: `cells` (its index), `launches` and `learnt` (column `cell`).

    cells: CELL, machine, framework_version, sweep, revision and ORIGIN where known; of the metric's task, and with the
    prefix accuracy_ of accuracy launches: how many were `tried` and `ok`, `statuses` and first `reason` of the others;
    how many of the metric's ok launches were `noisy`, and the median `canary_s` before them, where they have one.
    launches: sweep, round, value of each ok launch. learnt: ok accuracy launches as by_seed gives them.
    """

    cells: pd.DataFrame
    launches: pd.DataFrame
    learnt: pd.DataFrame


def side(
    frame: pd.DataFrame,
    metric: Metric,
    origins: pd.DataFrame | None = None,
    facts: Sequence[str] = (),
    keys: Sequence[str] = CELL,
) -> Side:
    """Return the newest launches of each cell of these rows as a side; `facts` are more columns that cells keep.

    `keys` are what tells cells apart: with the session among them, each session has cells of its own.
    """
    frame = frame[is_newest(frame, number(frame, keys))]
    frame = frame.assign(cell=pd.array(number(frame, keys), "Int64"), ok=equal(frame["status"], "ok"))
    described = as_text(frame.drop_duplicates("cell", keep="last").set_index("cell").sort_index())
    measured, trained = (frame[frame["task"] == task] for task in (metric.task, "accuracy"))
    known = ["machine", "framework_version", "revision", "sweep", *facts]
    cells = described[[*keys, *known]].join([_endings(measured, ""), _endings(trained, "accuracy_")])
    if origins is not None:
        cells = cells.join(origins, on=["sweep", "framework", "device"])
    cells = cells.assign(kernels=cells.get("kernels", pd.Series(pd.NA, cells.index, "string")))
    cells["noisy"] = _noisy(measured[measured["ok"]]).reindex(cells.index, fill_value=0)
    cells["canary_s"] = _canary(measured[measured["ok"]]).reindex(cells.index)
    counts = ["tried", "ok", "accuracy_tried", "accuracy_ok"]
    cells[counts] = cells[counts].fillna(0).astype(int)
    launches = measured.loc[measured["ok"], ["cell", "sweep", "round", metric.name]]
    return Side(
        cells, launches.rename(columns={metric.name: "value"}).dropna(subset="value"), by_seed(trained[trained["ok"]])
    )


def _endings(frame: pd.DataFrame, prefix: str) -> pd.DataFrame:
    """Return how a task's launches of each cell ended: tried, ok, statuses, reason."""
    groups = frame.groupby("cell")["ok"]
    found = pd.DataFrame({"tried": groups.size(), "ok": groups.sum()})
    wrong = frame[~frame["ok"]].groupby("cell")
    found["statuses"] = wrong["status"].agg(lambda statuses: ", ".join(sorted(set(statuses))))
    found["reason"] = wrong["reason"].first()
    return found.add_prefix(prefix)


def _noisy(good: pd.DataFrame) -> pd.Series:
    """Return how many of a cell's launches say that others took CPU time or the machine changed its speed."""
    marked = [isinstance(flags, list) and "noisy" in flags for flags in good["flags"]]
    return pd.Series(marked, good["cell"], dtype=int).groupby(level=0).sum()


def _canary(good: pd.DataFrame) -> pd.Series:
    """Return the median over a cell's launches of the canary's mean seconds before them (machine/noise.py)."""
    songs = pa.array(good["canary_before_s"], pa.list_(pa.float64()))
    lengths = pc.list_value_length(songs).fill_null(0).to_numpy()
    sums = np.bincount(np.repeat(np.arange(len(good)), lengths), pc.list_flatten(songs), len(good))
    with np.errstate(invalid="ignore"):
        seconds = pd.Series(sums / lengths, good["cell"], dtype="Float64")
    return seconds.groupby(level=0).median()


def _fact(run: Mapping[str, Any], name: str) -> str | None:
    """Return a fact about the machine as text, None where the record does not say it."""
    known = run.get("machine", {}).get(name)
    return known if isinstance(known, str) else None


def origins(sweeps: Iterable[SweepFile]) -> pd.DataFrame:
    """Return ORIGIN by (sweep, framework, device), as the sweeps' run records have it."""
    lines = [
        {
            "sweep": found.run.get("sweep"), "framework": framework, "device": device,
            "commit": found.run.get("commit"), "code": found.run.get("code"),
            "lock": facts.get("lock"), "python": facts.get("versions", {}).get("python"),
            "kernels": facts.get("kernels"), **{name: _fact(found.run, name) for name in MACHINE_FACTS},
        }
        for found in sweeps
        for name, facts in found.run.get("frameworks", {}).items()
        for framework, _, device in (name.rpartition("-"),)
    ]  # fmt: skip
    table = pd.DataFrame(lines, columns=["sweep", "framework", "device", *ORIGIN], dtype="string")
    return table.drop_duplicates(["sweep", "framework", "device"]).set_index(["sweep", "framework", "device"])
