"""Frameworks beside each other, cell by cell, and how sure the differences are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd

from adapters.recipes import RECIPES
from benchmarks import accuracies
from benchmarks.errors import UsageError
from benchmarks.intervals import Interval, Ratio, paired, speed, verdicts

# What the frameworks of one comparison share; speeds of different machines never meet in one ratio.
COMPARISON = [
    "model", "recipe", "dataset", "device", "device_name", "machine_kind", "batch_size", "dtype", "threads", "pipeline",
]  # fmt: skip
CELL = [*COMPARISON, "framework", "mode"]
FIGURES = ["low", "high", "ratio", "ratio_low", "ratio_high"]
LEARNT = {
    "accuracy": "Float64", "accuracy_low": "Float64", "accuracy_high": "Float64", "seeds": "Int64", "reached": "Int64",
    "accuracy_target": "Float64", "time_to_accuracy_s": "Float64", "difference": "Float64", "difference_low": "Float64",
    "difference_high": "Float64", "difference_to": "string", "accuracy_verdict": "string",
}  # fmt: skip
MEDIANS = [  # over a cell's launches; what a row's columns mean stands in results/README.md
    "train_samples_per_s", "eval_samples_per_s", "mfu", "roofline_share", "start_s", "import_s", "build_s", "placing_s",
    "first_step_s", "first_eval_s", "warm_up_chunks", "step_latency_p50_s", "step_latency_p95_s", "step_latency_p99_s",
    "dispatch_s", "peak_rss_bytes", "cpu_s",
]  # fmt: skip
ORACLE = "numpy"
Launches = dict[tuple[Any, ...], float]  # speed by (sweep, round), or accuracy by (seed, epochs)


def newest(frame: pd.DataFrame) -> pd.DataFrame:
    """Return of each cell and task only the launches of the newest sweep that has it; sweeps' names sort by time."""
    return frame[frame["sweep"] == frame.groupby([*CELL, "task"], dropna=False)["sweep"].transform("max")]


def compare(frame: pd.DataFrame, base: str | None = None) -> pd.DataFrame:
    """Return one line per cell: medians over its launches, GFLOP/s, ratio to `base` and a verdict, accuracy.

    `undisturbed` counts the launches that nothing disturbed, `undisturbed_samples_per_s` is their median: a disturbed
    launch is kept, never left out of the other figures.
    `base` is a framework, or None for the fastest of each comparison. `low` and `high` are the 95 % interval of the
    speed, `ratio_low` and `ratio_high` that of the ratio, paired by rounds; missing where there are too few launches.
    The columns on accuracy (with_accuracies) come from launches of their own. Only launches with status ok count in the
    figures; `launches` counts those of speed, `status` names every ending there was. UsageError for an unknown base.
    """
    if base is not None and base not in set(frame["framework"]):
        raise UsageError(f"no rows of base {base!r}; there are: {', '.join(sorted(set(frame['framework'])))}")
    frame = newest(frame)
    speeds = frame[(frame["status"] == "ok") & (frame["task"] == "speed")]
    good = speeds.groupby(CELL)
    quiet = speeds.loc[undisturbed(speeds["flags"])].groupby(CELL)
    table = good[MEDIANS].median()
    table["gflops_per_s"] = good["flops_per_s"].median() / 1e9
    table["launches"] = good.size()
    table["undisturbed"] = quiet.size()
    table["undisturbed_samples_per_s"] = quiet["train_samples_per_s"].median()
    table["flags"] = good["flags"].agg(counted)
    versions = frame.groupby(CELL)["framework_version"].last()
    endings = frame.groupby(CELL)["status"].agg(lambda statuses: ", ".join(sorted(set(statuses))))
    verdicts = frame.groupby(CELL)["lockstep"].agg(lambda found: ", ".join(sorted(set(found))))
    table = table.join(endings.rename("status"), how="right").join([verdicts, versions])
    table = table.reset_index()
    counts = ["launches", "undisturbed"]
    table[counts] = table[counts].fillna(0).astype(int)
    table = with_accuracies(with_ratio(table, speeds, base), frame[frame["task"] == "accuracy"], base)
    return table.sort_values(
        [*COMPARISON, "train_samples_per_s"], ascending=[True] * len(COMPARISON) + [False], ignore_index=True
    )


def undisturbed(flags: pd.Series) -> pd.Series:
    """Return for each launch whether it lacks the flag `disturbed`."""
    return pd.Series(["disturbed" not in (found or []) for found in flags], flags.index, bool)


def counted(flags: pd.Series) -> str:
    """Count the flags of some launches: `disturbed 2, not_steady 1`."""
    counts = Counter(flag for found in flags for flag in found or [])
    return ", ".join(f"{flag} {count}" for flag, count in sorted(counts.items()))


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
            interval = speed(list(launches[line["key"]].values()))
            line |= {"median": interval.estimate, **limits("", interval)}
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
            line |= {"ratio": ratio.estimate, **limits("ratio_", ratio)}
        else:  # measured at different times: there are no rounds to pair
            line["ratio"] = line["median"] / reference["median"]


def with_accuracies(table: pd.DataFrame, launches: pd.DataFrame, base: str | None) -> pd.DataFrame:
    """Add means over seeds, differences to a reference, verdicts, and the median time to the target.

    `seeds` counts a cell's accuracy launches that ended ok (missing where none was tried), `reached` those that came
    to the target. The reference, named by `difference_to`, is the base or else the oracle or else the first by name;
    of several modes the first by name. Differences are paired by seed, verdicts are one Holm family a table.
    """
    lines = {key: learnt(group[group["status"] == "ok"]) for key, group in launches.groupby(CELL)}
    comparisons: dict[tuple[Any, ...], dict[tuple[Any, ...], dict[str, Any]]] = {}
    for key in sorted(key for key, line in lines.items() if line["by_seed"]):
        comparisons.setdefault(key[: len(COMPARISON)], {})[key] = lines[key]
    pairs: dict[str, accuracies.Difference] = {}
    for group in comparisons.values():
        named = {key: key[len(COMPARISON)] for key in group}
        wanted = base or (ORACLE if ORACLE in named.values() else next(iter(named.values())))
        reference = next((key for key, name in named.items() if name == wanted), None)
        if reference:
            apart(reference, group, pairs)
    found = accuracies.verdicts(pairs)
    for key, line in lines.items():
        line["accuracy_verdict"] = found.get(str(key), "")
    shown = [lines.get(key, {}) for key in table[CELL].itertuples(index=False, name=None)]
    return table.join(pd.DataFrame(shown, index=table.index, columns=list(LEARNT)).astype(LEARNT))


def learnt(good: pd.DataFrame) -> dict[str, Any]:
    """Return one cell's figures from its accuracy launches that ended ok, and their accuracies `by_seed`.

    Launches of different numbers of epochs are no pair, unless the recipe itself says when to stop.
    """
    values = good[["recipe", "seed", "epochs", "accuracy"]].itertuples(index=False, name=None)
    by_seed = {(seed, stops(recipe) or epochs): accuracy for recipe, seed, epochs, accuracy in values}
    line: dict[str, Any] = {"seeds": len(good), "by_seed": by_seed}
    if by_seed:
        found = accuracies.mean(list(by_seed.values()))
        line |= {"accuracy": found.estimate, **limits("accuracy_", found)}
    if good["accuracy_target"].notna().any():
        times = [None if pd.isna(time) else time for time in good["time_to_accuracy_s"]]
        line |= {"accuracy_target": good["accuracy_target"].max(), "reached": len(times) - times.count(None)}
        line["time_to_accuracy_s"] = accuracies.median_time(times)
    return line


def stops(recipe: str) -> bool:
    """Return whether the recipe itself decides how many epochs are trained."""
    return recipe in RECIPES and RECIPES[recipe].stop_when_accuracy_falls


def apart(
    reference: tuple[Any, ...], group: Mapping[tuple[Any, ...], dict[str, Any]], pairs: dict[str, accuracies.Difference]
) -> None:
    """Add to each line of one comparison its difference to the reference, paired by seed; note the pairs."""
    theirs = group[reference]["by_seed"]
    for key, line in group.items():
        line["difference_to"] = reference[len(COMPARISON)]
        common = sorted(line["by_seed"].keys() & theirs.keys())
        if key == reference:
            line["difference"] = 0.0
        elif common:
            pair = [line["by_seed"][n] for n in common], [theirs[n] for n in common]
            found = pairs[str(key)] = accuracies.difference(*pair)
            line |= {"difference": found.estimate, **limits("difference_", found)}


def limits(prefix: str, interval: Interval | accuracies.Mean) -> dict[str, float]:
    """Return an interval's bounds as columns, where there are any."""
    return {f"{prefix}low": interval.low, f"{prefix}high": interval.high} if interval.n > 1 else {}
