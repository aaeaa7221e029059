"""Frameworks beside each other, cell by cell, and how sure the differences are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from benchmarks.errors import UsageError
from benchmarks.intervals import Interval, Ratio, paired, speed, verdicts

# What the frameworks of one comparison share; speeds of different machines never meet in one ratio.
COMPARISON = [
    "model", "recipe", "dataset", "device", "device_name", "machine_kind", "batch_size", "dtype", "threads", "pipeline",
]  # fmt: skip
CELL = [*COMPARISON, "framework", "mode"]
FIGURES = ["low", "high", "ratio", "ratio_low", "ratio_high"]
Launches = dict[tuple[Any, ...], float]  # speed by (sweep, round)


def newest(frame: pd.DataFrame) -> pd.DataFrame:
    """Return of each cell and task only the launches of the newest sweep that has it; sweeps' names sort by time."""
    return frame[frame["sweep"] == frame.groupby([*CELL, "task"], dropna=False)["sweep"].transform("max")]


def compare(frame: pd.DataFrame, base: str | None = None) -> pd.DataFrame:
    """Return one line per cell: median speed of its launches, accuracy, GFLOP/s, MFU, ratio to `base` and a verdict.

    `base` is a framework, or None for the fastest of each comparison. `low` and `high` are the 95 % interval of the
    speed, `ratio_low` and `ratio_high` that of the ratio, paired by rounds; missing where there are too few launches.
    Only launches with status ok count in the figures; `launches` counts them, `status` names every ending there was.
    UsageError for an unknown base.
    """
    if base is not None and base not in set(frame["framework"]):
        raise UsageError(f"no rows of base {base!r}; there are: {', '.join(sorted(set(frame['framework'])))}")
    frame = newest(frame)
    speeds = frame[(frame["status"] == "ok") & (frame["task"] == "speed")]
    good = speeds.groupby(CELL)
    learnt = frame[(frame["status"] == "ok") & (frame["task"] == "accuracy")].groupby(CELL)
    table = pd.DataFrame(
        {
            "launches": good.size(),
            "train_samples_per_s": good["train_samples_per_s"].median(),
            "eval_samples_per_s": good["eval_samples_per_s"].median(),
            "gflops_per_s": good["flops_per_s"].median() / 1e9,
            "mfu": good["mfu"].median(),
            "first_step_s": good["first_step_s"].median(),
        }
    )
    versions = frame.groupby(CELL)["framework_version"].last()
    endings = frame.groupby(CELL)["status"].agg(lambda statuses: ", ".join(sorted(set(statuses))))
    verdicts = frame.groupby(CELL)["lockstep"].agg(lambda found: ", ".join(sorted(set(found))))
    table = table.join(endings.rename("status"), how="right").join([verdicts, versions, learnt["accuracy"].mean()])
    table = table.reset_index()
    table["launches"] = table["launches"].fillna(0).astype(int)
    return with_ratio(table, speeds, base).sort_values(
        [*COMPARISON, "train_samples_per_s"], ascending=[True] * len(COMPARISON) + [False], ignore_index=True
    )


def with_ratio(table: pd.DataFrame, speeds: pd.DataFrame, base: str | None) -> pd.DataFrame:
    """Add intervals, ratios to the base's best mode of the same comparison, and verdicts, one Holm family a table."""
    launches: dict[tuple[Any, ...], Launches] = {}
    for values in speeds[[*CELL, "sweep", "round", "train_samples_per_s"]].itertuples(index=False, name=None):
        launches.setdefault(values[:-3], {})[values[-3:-1]] = values[-1]
    keys: list[tuple[Any, ...]] = list(table[CELL].itertuples(index=False, name=None))
    lines: list[dict[str, Any]] = [{"key": key, "framework": key[len(COMPARISON)]} for key in keys]
    comparisons: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for line in lines:
        if line["key"] in launches:
            line |= bounds("", speed(list(launches[line["key"]].values())))
            comparisons.setdefault(line["key"][: len(COMPARISON)], []).append(line)
    pairs: dict[str, Ratio] = {}
    for group in comparisons.values():
        candidates = [line for line in group if base in (None, line["framework"])]
        if candidates:
            against(max(candidates, key=lambda line: line["median"]), group, launches, pairs)
    found = verdicts(pairs)
    for line in lines:
        line["verdict"] = found.get(str(line["key"]), "")
    added = pd.DataFrame(lines, index=table.index, columns=[*FIGURES, "verdict"])
    return table.join(added.astype(dict.fromkeys(FIGURES, "Float64") | {"verdict": "string"}))


def against(
    reference: dict[str, Any],
    group: list[dict[str, Any]],
    launches: Mapping[tuple[Any, ...], Launches],
    pairs: dict[str, Ratio],
) -> None:
    """Add to each line of one comparison its ratio to the reference, paired by rounds; note the pairs."""
    theirs = launches[reference["key"]]
    for line in group:
        ours = launches[line["key"]]
        common = sorted(ours.keys() & theirs.keys())
        if line is reference:
            line["ratio"] = 1.0
        elif common:
            ratio = pairs[str(line["key"])] = paired([ours[n] for n in common], [theirs[n] for n in common])
            line |= {"ratio": ratio.estimate, **bounds("ratio_", ratio)}
        else:  # measured at different times: there are no rounds to pair
            line["ratio"] = line["median"] / reference["median"]


def bounds(prefix: str, interval: Interval) -> dict[str, float]:
    """Return an interval's median and bounds as columns, the bounds only where there are any."""
    known = {f"{prefix}low": interval.low, f"{prefix}high": interval.high} if interval.n > 1 else {}
    return known if prefix else {"median": interval.estimate, **known}
