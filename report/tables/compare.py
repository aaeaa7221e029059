"""Frameworks beside each other: a line per cell with its speed, ratio, verdict and accuracy; no loop over launches.

`pivot` shows one figure over two axes, for notebooks: batch size down, framework across, mean samples/s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.errors import UsageError, plain
from benchmarks.plan.cells import SHARED, network_order
from benchmarks.record import busy
from benchmarks.record.ratios import Flags
from benchmarks.record.summary import MANY, SHOWN, Comparison, same_mode
from benchmarks.stats import Numbers
from report.tables.groups import (
    as_text,
    counted,
    equal,
    first,
    floats,
    geometric_means,
    is_newest,
    joined,
    last,
    number,
)
from report.tables.intervals import with_accuracies, with_ratio

# What the frameworks of one comparison share; speeds of different machines never meet in one ratio. Tables are in the
# order of these columns.
MACHINE = ["device_name", "machine_kind"]
_place = SHARED.index("device") + 1
COMPARISON = ["model", *SHARED[:_place], *MACHINE, *SHARED[_place:]]
CELL = [*COMPARISON, "framework", "mode"]
RATES = [  # geometric means over a cell's launches; what a row's columns mean stands in results/README.md
    "train_samples_per_s", "eval_samples_per_s", "mfu", "roofline_share", "flops_per_s",
]  # fmt: skip
MEDIANS = [  # over the same
    "start_s", "import_s", "build_s", "placing_s",
    "first_step_s", "first_eval_s", "warm_up_chunks", "step_latency_p50_s", "step_latency_p95_s", "step_latency_p99_s",
    "dispatch_s", "peak_rss_bytes", "cpu_s",
]  # fmt: skip
TRAINED = ["recipe", "seed", "epochs", "accuracy", "accuracy_target", "time_to_accuracy_s"]
REQUIRED_COLUMNS = [  # the columns that compare reads: `load(source, REQUIRED_COLUMNS)`
    *CELL, "machine", "cell", "sweep", "session", "overtaken", "attempt", "revision", "task", "round", "status",
    "flags", "lockstep", "framework_version", *RATES, *MEDIANS, *(name for name in TRAINED if name not in CELL),
    *(name for name in busy.READ if name not in (*CELL, "task", "status", "flags")),
]  # fmt: skip


def newest(frame: pd.DataFrame) -> pd.DataFrame:
    """Return of each cell and task only the launches of the newest session that measured it: see groups.py."""
    return frame[is_newest(frame, number(frame, CELL))]


def shown_rows(frame: pd.DataFrame) -> Flags:
    """Return which launches a table of all cells needs: the newest of our own adapters, and one of each other cell."""
    cell, own = number(frame, CELL), frame["revision"].isna().to_numpy(bool)
    found = np.zeros(len(frame), bool)
    found[own] = is_newest(frame[own] if not own.all() else frame, cell[own])
    found[first(cell)] = True
    return found


def busy_words(frame: pd.DataFrame) -> str:
    """Return what busy.py says of each cell's newest speed launches; empty where few of them are noisy."""
    own = own_rows(frame)
    counts = is_newest(own, number(own, CELL)) & equal(own["task"], "speed") & equal(own["status"], "ok")
    timed = own[list(busy.READ)][counts]
    flagged = np.array([bool(flags) for flags in timed["flags"]], bool)
    marked = timed[flagged | (floats(timed["cpu_throttled_s"]) > 0)]
    noisy = [busy.is_noisy(*marks) for marks in zip(marked["flags"], marked["cpu_throttled_s"], strict=True)]
    if not busy.are_many(sum(noisy), len(timed)):
        return ""
    rows: list[Any] = marked.loc[noisy, list(busy.READ)].to_dict("records")
    return busy.sentence(rows, len(timed))


def compare(frame: pd.DataFrame, base: str | None = None) -> pd.DataFrame:
    """Return one line per cell: its machine, RATES and MEDIANS over its launches, ratio to `base`, verdict, accuracy.

    `quiet` counts the launches that are not noisy, `quiet_samples_per_s` is of them: a noisy launch
    is kept, never left out of the other figures.
    `base` is a framework, or None for the best of each comparison: the cell that no paired ratio puts behind another.
    A comparison's lines are in the order of their ratios, best first, so that order and ratios agree. `low` and `high`
    are the 95 % interval of the speed, `ratio_low` and `ratio_high` that of the ratio, paired by rounds; missing where
    there are too few launches.
    The columns on accuracy (with_accuracies) come from launches of their own. Only launches with status ok count in the
    figures; `launches` counts those of speed, `status` names every ending there was. Launches of another revision's
    adapters do not count at all. UsageError for an unknown base, or a frame without one of REQUIRED_COLUMNS.
    """
    frame = _own_adapters(frame, base)
    cell = number(frame, CELL)
    new, ok, speed = is_newest(frame, cell), equal(frame["status"], "ok"), equal(frame["task"], "speed")
    named = [*CELL, "machine"]
    table = frame[named].iloc[first(cell)].reset_index(drop=True)
    table = as_text(table)
    table = _with_launches(table, frame, cell, np.flatnonzero(new & ok & speed))
    table["status"] = joined(frame["status"][new], cell[new], len(table))
    table["lockstep"] = joined(frame["lockstep"][new], cell[new], len(table))
    table["framework_version"] = last(frame["framework_version"][new], cell[new], len(table))
    comparison = number(table, COMPARISON)
    table = with_ratio(table, comparison, _speeds(frame, cell, np.flatnonzero(new & ok & speed)), base)
    rows = np.flatnonzero(new & ~speed)
    trained = frame[TRAINED].iloc[rows].assign(cell=cell[rows], ok=ok[rows])
    table = with_accuracies(table, comparison, trained, base)
    return in_order(table, {"ratio": False, "train_samples_per_s": False})


def in_order(table: pd.DataFrame, then: Mapping[str, bool]) -> pd.DataFrame:
    """Return lines in the order of all tables: by network, then by COMPARISON, then by columns that rise or fall."""
    networks = table["model"].map({name: network_order(name)[0] for name in table["model"].unique()})
    rising = [True] * (1 + len(COMPARISON)) + list(then.values())
    ordered = table.assign(_network=networks).sort_values(["_network", *COMPARISON, *then], ascending=rising)
    return ordered.drop(columns="_network").reset_index(drop=True)


def comparisons(frame: pd.DataFrame, table: pd.DataFrame, base: str | None = None) -> list[Comparison]:
    """Return the comparisons of a table that `compare(frame, base)` made; what is not known in their cells is None."""
    one_mode = _in_one_mode(frame, table, base)
    alike = dict(iter(one_mode.groupby(COMPARISON, sort=False))) if len(one_mode) else {}
    return [
        Comparison(as_records(cells), as_records(alike[key]) if key in alike else [])
        for key, cells in table.groupby(COMPARISON, sort=False)
    ]


def _in_one_mode(frame: pd.DataFrame, table: pd.DataFrame, base: str | None) -> pd.DataFrame:
    """Return the table of the mode that most frameworks have, of comparisons in which one has several modes."""
    several = table[table.duplicated([*COMPARISON, "framework"])][COMPARISON].drop_duplicates()
    if several.empty:
        return several
    chosen = table.merge(several, on=COMPARISON).groupby(COMPARISON, sort=False)[["framework", "mode"]]
    modes = chosen.apply(lambda cells: same_mode(zip(cells["framework"], cells["mode"], strict=True)))
    wanted = modes.rename("mode").reset_index()
    keys = pd.concat([frame[APART].astype("object"), wanted[APART].astype("object")])
    numbers = number(keys, APART)
    launches = frame[np.isin(numbers[: len(frame)], numbers[len(frame) :])]
    return compare(launches, base if equal(launches["framework"], str(base)).any() else None)


def as_records(cells: pd.DataFrame) -> list[dict[str, Any]]:
    """Return lines as records, what is missing as None."""
    lists = (zip(cells[name].tolist(), cells[name].isna(), strict=True) for name in cells)
    columns = ([None if missing else value for value, missing in pairs] for pairs in lists)
    names = [str(name) for name in cells]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def only(frame: pd.DataFrame, wanted: Mapping[str, Sequence[str | int]]) -> pd.DataFrame:
    """Return the launches that have one of the wanted values in each column; UsageError for values that none has."""
    for column, values in wanted.items():
        present = frame[column].unique().tolist()
        if absent := [value for value in values if value not in present]:
            known = ", ".join(plain(f"{value}") for value in sorted(present)) or "no rows at all"
            raise UsageError(f"no rows of {column.replace('_', ' ')} {plain(str(absent[0]))}; there are: {known}")
    for column, values in wanted.items():
        frame = frame[frame[column].isin(values)] if values else frame
    if frame.empty:
        words = [
            f"{column.replace('_', ' ')} {' or '.join(map(str, values))}" for column, values in wanted.items() if values
        ]
        raise UsageError(f"no rows have all of {plain(', '.join(words))}; leave one out")
    return frame


def _own_adapters(frame: pd.DataFrame, base: str | None) -> pd.DataFrame:
    """Return the launches that used the checkout's own adapters; UsageError for what compare cannot work with."""
    if missing := [name for name in REQUIRED_COLUMNS if name not in frame]:
        raise UsageError(
            f"cannot compare a frame without {', '.join(missing)}; load it with columns=compare.REQUIRED_COLUMNS"
        )
    frame = own_rows(frame)
    if base is not None and not equal(frame["framework"], base).any():
        present = ", ".join(sorted(frame["framework"].unique())) or "no rows at all"
        raise UsageError(f"no rows of base {base!r}; there are: {plain(present)}")
    return frame


def own_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the launches of the checkout's own adapters, without those of a revision it was measured against."""
    others = frame["revision"].notna()
    return frame[~others] if others.any() else frame


def _with_launches(table: pd.DataFrame, frame: pd.DataFrame, cell: Numbers, rows: Numbers) -> pd.DataFrame:
    """Add what the launches in these rows say of each cell: means, medians, how many there are, how many are noisy."""
    cells, size = cell[rows], range(len(table))
    values = pd.DataFrame({name: floats(frame[name])[rows] for name in (*RATES, *MEDIANS)})
    means = geometric_means(values[RATES], cells)
    found = means.join(values[MEDIANS].groupby(cells).median()).reindex(size).astype("Float64")
    calm, flags = _flagged(frame["flags"].iloc[rows], cells)
    speeds = geometric_means(values.loc[calm, ["train_samples_per_s"]], cells[calm])["train_samples_per_s"]
    launches = np.bincount(cells, minlength=len(table))
    return table.join(found.drop(columns="flops_per_s")).assign(
        gflops_per_s=found["flops_per_s"] / 1e9,
        launches=launches,
        quiet=np.bincount(cells[calm], minlength=len(table)),
        quiet_samples_per_s=speeds.reindex(size).astype("Float64"),
        flags=pd.Series([flags.get(n, "") for n in size], dtype="string").where(launches > 0),
    )


def _flagged(flags: pd.Series, cells: Numbers) -> tuple[Flags, dict[int, str]]:
    """Return which launches lack the flag `noisy`, and each cell's count of flags: `noisy 2, drifting 1`."""
    marked = np.flatnonzero([bool(found) for found in flags])
    lists = pa.array(flags.to_numpy()[marked], pa.list_(pa.string()), from_pandas=True)
    launches, items = marked[pc.list_parent_indices(lists).to_numpy()], pc.list_flatten(lists)
    quiet = np.ones(len(flags), bool)
    quiet[launches[pc.equal(items, "noisy").to_numpy(zero_copy_only=False)]] = False
    counts = counted(pd.Series(items.to_pylist(), dtype="string"), cells[launches])
    return quiet, {n: ", ".join(f"{flag} {count}" for flag, count in found.items()) for n, found in counts.items()}


def _speeds(frame: pd.DataFrame, cell: Numbers, rows: Numbers) -> pd.DataFrame:
    """Return cell, sweep, round and `value`, samples/s, of the launches in these rows that have a speed."""
    value = floats(frame["train_samples_per_s"])[rows]
    rows = rows[~np.isnan(value)]
    sweep = pd.factorize(frame["sweep"])[0][rows]
    rounds = frame["round"].to_numpy(np.int64, na_value=-1)[rows]
    return pd.DataFrame({"cell": cell[rows], "sweep": sweep, "round": rounds, "value": value[~np.isnan(value)]})


def among(cells: pd.DataFrame, launches: pd.DataFrame) -> pd.DataFrame:
    """Return ratio and verdict of some lines of a table, of comparisons that hold these alone; NaN to none of them.

    `launches` are the rows with speeds that the table is made of.
    """
    lines = cells[CELL].reset_index(drop=True)
    rows = lines.reset_index(names="cell").merge(launches[[*CELL, "sweep", "round", "train_samples_per_s"]], on=CELL)
    values = rows.rename(columns={"train_samples_per_s": "value"}).dropna(subset="value")
    found = with_ratio(lines, number(lines, COMPARISON), values, None)
    return found[["ratio", "verdict"]].set_axis(cells.index)


def first_comparisons(table: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return the lines of a table to show on a screen, and what to say of the others; empty if these are all.

    Up to MANY comparisons are shown, of more the first SHOWN: to lay out thousands of tables would take minutes.
    """
    comparison = pd.factorize(number(table, COMPARISON))[0]
    count = comparison.max(initial=-1) + 1
    if count <= MANY:
        return table, ""
    return table[comparison < SHOWN], f"{count - SHOWN:,} more comparisons; --all shows them, --format csv writes them"


APART = [*COMPARISON, "mode"]  # what must not differ within one figure without being named
Method = Literal["geometric mean", "median", "mean", "min", "max", "count", "std"]
METHODS = get_args(Method)

Names = str | Sequence[str]


def pivot(
    frame: pd.DataFrame,
    rows: Names,
    columns: Names,
    metric: str = "train_samples_per_s",
    how: Method = "geometric mean",
) -> pd.DataFrame:
    """Return `metric` of launches (load) or of a table's lines (compare), a line per `rows`, a column per `columns`.

        pivot(frame[frame["model"] == "lenet"], "batch_size", ["framework", "mode"])

    Both may be one column or several. `how` is one of METHODS, over what falls into one field; of launches only those
    that ended ok count. UsageError for an unknown name, a metric that is no number, or where a field would mix what
    must not be mixed, such as machines or modes: name it in `rows` or `columns`, or choose one beforehand.
    """
    down, across = ([names] if isinstance(names, str) else list(names) for names in (rows, columns))
    _check(frame, [*down, *across], metric, how)
    if "round" in frame and "status" in frame:
        frame = frame[(frame["status"] == "ok").fillna(False)]
    frame = frame[frame[metric].notna()]
    if mixed := _mixes(frame, [*down, *across]):
        raise UsageError(f"a field would mix {', '.join(mixed)}: name it in rows or columns, or choose one beforehand")
    how_pandas: Any = _geometric_mean if how == METHODS[0] else how
    return frame.pivot_table(metric, down, across, aggfunc=how_pandas, observed=True)


def _geometric_mean(values: pd.Series) -> float:
    """Return the geometric mean, NaN where a value is below 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.exp(np.log(floats(values)).mean()))


def _check(frame: pd.DataFrame, axes: Sequence[str], metric: str, how: str) -> None:
    """Raise UsageError for unknown names and for a metric that is no number."""
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


def _mixes(frame: pd.DataFrame, axes: Sequence[str]) -> list[str]:
    """Return what takes several values within one field."""
    fields = frame.groupby(list(axes), dropna=False)
    others = [name for name in APART if name in frame and name not in axes]
    return [name for name in others if len(frame) and fields[name].nunique().max() > 1]
