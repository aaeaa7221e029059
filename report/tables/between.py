"""Two sets of results, cell by cell: what became faster, slower, different or invalid, how surely, and what changed.

between(load(base), load(new))          two sets, measured at different times
revisions(load(set))                    two checkouts of the adapters, interleaved in one sweep: the strong form
versions(load(set))                     releases of frameworks, interleaved likewise: `run --framework jax@0.7.2,jax`
wrappers(load(set))                     wrappers and the frameworks they are around, interleaved likewise
frameworks(load(set), metric)           the frameworks of one set, by any metric
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from packaging.version import InvalidVersion, Version

from adapters.registry import WRAPPERS, framework_of
from benchmarks import stats
from benchmarks.errors import UsageError
from benchmarks.machine.noise import DRIFT
from benchmarks.record.store import SweepFile
from report.tables import intervals, sides
from report.tables.compare import CELL, COMPARISON, in_order, own_rows
from report.tables.groups import means
from report.tables.metrics import DEFAULT, Metric, metric
from report.tables.sides import AXES, MACHINE_FACTS, Side, matched, origins, side

NAMES = {
    "threads": "threads", "mode": "mode", "device_name": "machine", "machine_kind": "kind of machine",
    "framework_version": "version", "revision": "adapters", "commit": "commit", "code": "code", "lock": "lock",
    "lockstep_float64_deviation": "float64 deviation", **{name: name for name in ("kernels", *MACHINE_FACTS)},
}  # fmt: skip
ENDINGS = ("tried", "ok", "statuses", "reason")
CHECKOUT = "checkout"  # the revision of adapters that no revision is named for


def changes(base: pd.DataFrame, new: pd.DataFrame) -> pd.Series:
    """Return what differs between two cells, "" where one is alone: `threads: 1 -> 2; version: 2.12.0 -> 2.13.0`.

    Where the machine itself changed its speed between two times, as the canary tells, it says so first: by how much
    longer the same fixed work took.
    """
    columns = [name for name in NAMES if name in base and name in new]
    alone = base["threads"].isna() | new["threads"].isna()
    drifts = (new["canary_s"] / base["canary_s"] - 1).to_numpy(float, na_value=0.0)
    both = (cells[columns].itertuples(index=False, name=None) for cells in (base, new))
    found = []
    for is_alone, drift, *lines in zip(alone, drifts, *both, strict=True):
        words = [f"the machine itself: canary {drift:+.0%} s"] if abs(drift) > DRIFT else []
        for name, *values in zip(columns, *lines, strict=True):
            was, became = (_as_text(name, value) for value in values)
            if was != became and not is_alone:
                words.append(f"{NAMES[name]}: {was} -> {became}")
        found.append("; ".join(words))
    return pd.Series(found, base.index, "string")


def _as_text(name: str, value: object) -> str:
    """Return a value as text, hashes and commits short."""
    if pd.isna(value):  # type: ignore[call-overload]
        return CHECKOUT if name == "revision" else "unknown"
    if name == "lockstep_float64_deviation":
        return f"{value:.1e}"
    return str(value)[:12] if name in ("commit", "code", "lock", "machine_kind") else str(value)


def _notes(sides: Mapping[str, pd.DataFrame], tasks: Sequence[str]) -> pd.Series:
    """Return how launches ended that did not end ok, with the first reason of each side; `tasks` prefix columns."""
    index = next(iter(sides.values())).index
    found: dict[Any, list[str]] = {line: [] for line in index}
    for name, cells in sides.items():
        for task in tasks:
            wrong = cells.loc[cells[f"{task}statuses"].notna(), [f"{task}{column}" for column in ENDINGS]]
            for line, tried, ok, statuses, reason in wrong.itertuples(name=None):
                words = [name, task.rstrip("_"), f"{tried - ok:.0f} of {tried:.0f} {statuses}"]
                found[line].append(" ".join(filter(None, words)) + ("" if pd.isna(reason) else f" ({reason})"))
    return pd.Series(["; ".join(words) for words in found.values()], index, dtype="string")


ONLY_BASE, ONLY_NEW = "only in base", "only in new"
NO_LONGER, NEWLY, NEVER = "no longer valid", "newly valid", "valid in neither"
AXIS_COLUMNS = [name for columns in AXES.values() for name in columns if name in CELL]
RATIO = ["ratio", "ratio_low", "ratio_high"]


def between(
    base: pd.DataFrame,
    new: pd.DataFrame,
    name: str = DEFAULT,
    across: Sequence[str] = (),
    records: tuple[Iterable[SweepFile], Iterable[SweepFile]] = ((), ()),
) -> pd.DataFrame:
    """Return one line per cell of BASE and NEW, which are frames as load gives them.

    Columns: CELL as NEW has it (BASE where that is alone); base_framework and what else may differ, base_threads and
    so on; base_middle of the metric `name`, its geometric mean, and base_low, base_high, its 95 % interval over
    base_launches launches, of which base_noisy were noisy, and the same of new; ratio (new over base), ratio_low,
    ratio_high, findable (the slow-down that so many launches find nine times in ten), verdict; `times` (different
    times, same launches, same rounds); base_accuracy, new_accuracy, difference, difference_low, difference_high, seeds
    (that both have), accuracy_verdict; `changes`, `notes`, text.
    The ratios' intervals are simultaneous, verdicts are read off them. `records` are the sweeps of each side, for what
    changed.
    UsageError for an unknown metric or axis, and for cells that only a difference not in `across` keeps apart.
    """
    if unknown := [axis for axis in across if axis not in AXES]:
        raise UsageError(f"--across {unknown[0]}: known are {', '.join(AXES)}")
    asked = metric(name)
    theirs, ours = (
        side(own_rows(frame), asked, origins(sweeps)) for frame, sweeps in zip((base, new), records, strict=True)
    )
    return _compared(theirs, ours, matched(theirs.cells, ours.cells, across), asked, "same launches")


def revisions(frame: pd.DataFrame, name: str = DEFAULT) -> pd.DataFrame:
    """Return the same table of one set: the cells of `run --against REV`, REV's launches as base, paired by rounds."""
    if frame["revision"].isna().all():
        raise UsageError("no launches of another revision; make some with `python -m benchmarks run --against REV`")
    asked = metric(name)
    theirs = frame[frame["revision"].notna()]
    base, new = side(theirs, asked), side(frame[frame["sweep"].isin(theirs["sweep"]) & frame["revision"].isna()], asked)
    return _compared(base, new, matched(base.cells, new.cells), asked, "same rounds")


def versions(frame: pd.DataFrame, name: str = DEFAULT, newest: bool = False) -> pd.DataFrame:
    """Return the same table of one set: each release of a framework against its oldest, or its newest, as base.

    The base is one that has launches which count, where there is one. What changed says whether the release computes
    otherwise: by how much each parts from the reference in float64. UsageError where no framework has two releases.
    """
    asked = metric(name)
    found = side(own_rows(frame), asked, facts=["lockstep_float64_deviation"])
    cells = _with_frameworks(found.cells)
    cells = cells[~cells["framework"].isin(WRAPPERS)]
    cells = cells[cells.groupby("own")["framework"].transform("nunique") > 1]
    if cells.empty:
        raise UsageError(
            "no two releases of a framework; measure some: `run --framework jax@0.7.2,jax`, docs/compare.md"
        )
    ages = [age(version, arm) for version, arm in zip(cells["framework_version"], cells["framework"], strict=True)]
    cells = cells.assign(bad=cells["ok"] == 0, age=[sorted(set(ages)).index(age) for age in ages])
    shared = [*COMPARISON, "own", "mode"]
    cells = cells.sort_values("age", ascending=not newest, kind="stable").sort_values("bad", kind="stable")
    bases = cells.drop_duplicates(shared)
    paired = cells[[*shared, "age"]].reset_index().merge(bases[shared].assign(base=bases.index), on=shared)
    paired = paired[paired["cell"] != paired["base"]].sort_values("age", kind="stable")
    pairs = paired[["base", "cell"]].rename(columns={"cell": "new"}).reset_index(drop=True).astype("Int64")
    return _compared(found, replace(found), pairs, asked, "same rounds")


def wrappers(frame: pd.DataFrame, name: str = DEFAULT) -> pd.DataFrame:
    """Return the same table of one set: each wrapper against its framework, in whichever mode that is best.

    UsageError where no wrapper stands beside its framework.
    """
    asked = metric(name)
    found = side(own_rows(frame), asked, facts=["lockstep_float64_deviation"])
    cells = _with_frameworks(found.cells).join(intervals.summary(found.launches, len(found.cells))["middle"])
    shared = [*COMPARISON, "own"]
    candidates = cells[cells["framework"] == cells["own"]].sort_values("middle", ascending=not asked.rising)
    bases = candidates.drop_duplicates(shared)
    wrapping = cells.loc[cells["framework"].isin(WRAPPERS), shared].reset_index(names="new")
    pairs = wrapping.merge(bases[shared].assign(base=bases.index), on=shared)[["base", "new"]].astype("Int64")
    if pairs.empty:
        raise UsageError(
            "no wrapper beside its framework; measure some: `run --framework torch,torch@keras-fit`, docs/compare.md"
        )
    was_chosen = bool(candidates.duplicated(shared).any())
    return _compared(found, replace(found), pairs, asked, "same rounds", was_chosen)


def _with_frameworks(cells: pd.DataFrame) -> pd.DataFrame:
    """Return cells with `own`, the framework that each one's arm is of."""
    return cells.assign(own=[framework_of(arm) for arm in cells["framework"]])


def age(version: object, arm: str) -> tuple[Version, str]:
    """Return what releases are sorted by: the version, else the arm's label where that is one, then the arm."""
    for text in (version, arm.partition("@")[2]):
        with contextlib.suppress(InvalidVersion):
            return Version(str(text)), arm
    return Version("0"), arm


def frameworks(frame: pd.DataFrame, name: str = DEFAULT, base: str | None = None) -> pd.DataFrame:
    """Return the same table of one set: each cell against the best mean of its comparison, or against `base`'s.

    A cell that is its comparison's reference has ratio 1 and no verdict; cells without a value have no figures.
    """
    asked = metric(name)
    found = side(own_rows(frame), asked)
    sums = intervals.summary(found.launches, len(found.cells))
    cells = found.cells.join(sums["middle"])
    with_value = cells.dropna(subset="middle")
    candidates = with_value[with_value["framework"] == base] if base else with_value
    if candidates.empty:
        present = ", ".join(sorted(set(with_value["framework"]))) or "none"
        raise UsageError(f"no ok launches of {base or 'any framework'} with {name}; there are: {present}")
    best = candidates.sort_values("middle", ascending=not asked.rising).drop_duplicates(COMPARISON)
    references = cells[COMPARISON].merge(best[COMPARISON].assign(base=best.index), on=COMPARISON, how="left")["base"]
    pairs = pd.DataFrame({"base": references.to_numpy(), "new": cells.index}).astype("Int64")
    was_chosen = bool(candidates.duplicated(COMPARISON).any())
    return _compared(found, found, pairs, asked, "same rounds", was_chosen)


def _compared(
    base: Side, new: Side, pairs: pd.DataFrame, asked: Metric, shared: str, was_chosen: bool = False
) -> pd.DataFrame:
    """Return the table that between describes for pairs of cells' numbers; `shared` is what rounds in common are.

    `was_chosen`: each comparison's base was chosen because it was the best.
    """
    both = {"base": base, "new": new}
    cells = {name: found.cells.reindex(pairs[name]).set_axis(pairs.index) for name, found in both.items()}
    sums = {
        name: intervals.summary(found.launches, len(found.cells)).reindex(pairs[name]).set_axis(pairs.index)
        for name, found in both.items()
    }
    named = [*CELL, "machine"]
    table = cells["new"][named].fillna(cells["base"][named])
    table = table.join(cells["base"][["framework", *AXIS_COLUMNS, "revision"]].add_prefix("base_"))
    for name, found in sums.items():
        for figure in ("middle", "low", "high"):
            table[f"{name}_{figure}"] = found[figure].astype("Float64")
        table[f"{name}_launches"] = found["n"].fillna(0).astype("Int64")
        table[f"{name}_noisy"] = cells[name]["noisy"].fillna(0).astype("Int64")
    table = table.join(
        [_judged(both, cells, sums, pairs, asked, shared, was_chosen), sides.differences(base, new, pairs)]
    )
    if base is not new:
        for task in ("", "accuracy_"):
            words = _validity(cells["base"], cells["new"], task)
            table[f"{task}verdict"] = words.where(words != "", table[f"{task}verdict"])
    tasks = [""] if asked.task == "accuracy" else ["", "accuracy_"]
    table["changes"] = changes(cells["base"], cells["new"]) if base is not new else ""
    table["notes"] = _notes(
        {"BASE": cells["base"], "NEW": cells["new"]} if base is not new else {"": cells["new"]}, tasks
    )
    return in_order(table, {"framework": True, "mode": True})


def _judged(
    both: dict[str, Side],
    cells: dict[str, pd.DataFrame],
    sums: dict[str, pd.DataFrame],
    pairs: pd.DataFrame,
    asked: Metric,
    shared: str,
    was_chosen: bool,
) -> pd.DataFrame:
    """Return RATIO, findable, verdict and times: paired where launches share sweep and round, else by Welch's test."""
    same = intervals.paired(intervals.in_common(both["base"].launches, both["new"].launches, pairs), len(pairs))
    found = same.where(same["n"] > 0, intervals.welch(sums["base"], sums["new"]))
    complete = np.logical_and(*((sums[name]["n"] == cells[name]["ok"]).to_numpy() for name in both))
    reference = (pairs["base"] == pairs["new"]).fillna(False).to_numpy(bool) & (both["base"] is both["new"])
    pairs_found = means(found.mask(pd.Series(reference, found.index)))  # a reference is no pair with itself
    family = pd.factorize(pairs["base"])[0] if was_chosen else None
    confidence = stats.simultaneous(pairs_found, family)
    judged = stats.judged_ratios(pairs_found, confidence)
    figures = [np.exp(found["mean"].astype(float)), judged.low, judged.high]
    result = pd.DataFrame(dict(zip(RATIO, figures, strict=True)), found.index).astype("Float64")
    slower = -np.expm1(-stats.findable(pairs_found, confidence))
    result["findable"] = pd.Series(slower, found.index, "Float64").where(judged.verdict != "")
    verdicts = pd.Series(judged.verdict, found.index, "string").where(complete & asked.judged, "")
    result["verdict"] = verdicts.map(lambda word: {"faster": asked.above, "slower": asked.below}.get(word, word))
    result["times"] = pd.Series("different times", found.index, "string").where(result["ratio"].notna(), "")
    result.loc[same["n"] > 0, "times"] = shared
    return result


def _validity(base: pd.DataFrame, new: pd.DataFrame, task: str) -> pd.Series:
    """Return what became of cells that do not have ok launches on both sides, "" of the others."""
    tried, ok = ([side[f"{task}{what}"].fillna(0) > 0 for side in (base, new)] for what in ("tried", "ok"))
    cases = [
        (ok[0] & tried[1] & ~ok[1], NO_LONGER),
        (tried[0] & ~ok[0] & ok[1], NEWLY),
        (tried[0] & tried[1] & ~ok[0] & ~ok[1], NEVER),
        (tried[0] & ~tried[1] & (task == ""), ONLY_BASE),
        (tried[1] & ~tried[0] & (task == ""), ONLY_NEW),
    ]
    return pd.Series(np.select([case for case, _ in cases], [word for _, word in cases], ""), base.index, "string")
