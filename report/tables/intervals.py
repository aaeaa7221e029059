"""Intervals, ratios and verdicts of all cells of a table at once, by the statistics of benchmarks/stats.py.

Speeds are compared as ratios, on logarithms: paired where launches share rounds, else by Welch's t test (Welch 1947,
Biometrika 34). Accuracies are compared as differences, paired by seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from adapters.recipes import RECIPES
from benchmarks.record.ratios import Flags, Launches, chosen, differences, spread, to_the_best
from benchmarks.stats import Numbers, judged_accuracies, median_times, simultaneous
from report.tables.groups import as_frame, floats, geometric_means, means, number


def summary(launches: pd.DataFrame, size: int) -> pd.DataFrame:
    """Return per cell of `size`: n, middle, low, high of the column `value`, and mean, std of its logarithms.

    `low` and `high` are the 95 % t interval of stats.speed, NaN where it has none. `middle` is the geometric mean.
    Where a value is 0 or below, which has no logarithm, it is the median, and all but it and n are NaN.
    """
    found = as_frame(spread(_logarithms(launches["value"]), launches["cell"], size))
    values = launches[["value"]].astype(float)
    geometric = geometric_means(values, launches["cell"].to_numpy())["value"].reindex(range(size))
    found["middle"] = geometric.where(found["mean"].notna(), values["value"].groupby(launches["cell"]).median())
    found["low"], found["high"] = np.exp(means(found).bounds())
    return found


def _logarithms(values: pd.Series) -> pd.Series:
    """Return natural logarithms as floats, NaN where a value has none."""
    numbers = values.astype(float)
    return numbers.where(numbers > 0).transform(np.log)


def welch(base: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Return mean, std, n (the smaller side's) and freedom of the log ratios of two summaries, line by line."""
    parts = [side["std"] ** 2 / side["n"] for side in (base, new)]
    squares = sum(part**2 / (side["n"] - 1) for part, side in zip(parts, (base, new), strict=True))
    n, variance = np.minimum(base["n"], new["n"]), parts[0] + parts[1]
    found = {"mean": new["mean"] - base["mean"], "std": np.sqrt(n * variance), "n": n, "freedom": variance**2 / squares}
    return pd.DataFrame(found)


def paired(launches: pd.DataFrame, size: int) -> pd.DataFrame:
    """Return the same of each of `size` lines, from launches of the same rounds as in_common gives them."""
    found = as_frame(spread(_logarithms(launches["new"]) - _logarithms(launches["base"]), launches["line"], size))
    return found.assign(freedom=found["n"] - 1)


def in_common(
    base: pd.DataFrame, new: pd.DataFrame, pairs: pd.DataFrame, shared: Sequence[str] = ("sweep", "round")
) -> pd.DataFrame:
    """Return the values of two sides' launches that agree in `shared`: line, base, new.

    `base` and `new` have the columns cell, value and `shared`; `pairs` has on each line a cell of either side.
    """
    lines = pairs.reset_index(names="line").dropna().merge(base.rename(columns={"cell": "base"}), on="base")
    lines = lines.merge(new.rename(columns={"cell": "new"}), on=["new", *shared], suffixes=("_base", "_new"))
    return lines[["line"]].assign(base=lines["value_base"], new=lines["value_new"])


FIGURES = ["low", "high", "ratio", "ratio_low", "ratio_high"]


def with_ratio(table: pd.DataFrame, comparison: Numbers, launches: pd.DataFrame, base: str | None) -> pd.DataFrame:
    """Add intervals, ratios to the base's best cell of the same comparison, and verdicts, simultaneous over the table.

    `comparison` numbers what each line of the table is compared within. `launches` has a line per launch with a speed:
    cell (the table's line), sweep and round (numbers), value (samples/s); the last of the same round counts.
    """
    launches = launches.drop_duplicates(["cell", "sweep", "round"], keep="last")
    may = np.ones(len(table), bool) if base is None else (table["framework"] == base).to_numpy(bool)
    found = to_the_best(as_launches(launches, ["sweep", "round"]), comparison, may)
    added = pd.DataFrame({name: getattr(found, name) for name in FIGURES}, table.index).astype("Float64")
    return table.join(added.assign(verdict=pd.array(found.verdict, "string")))


def as_launches(launches: pd.DataFrame, pairing: Sequence[str]) -> Launches:
    """Return the columns cell and value as arrays, with a number for what pairs launches."""
    return Launches(launches["cell"].to_numpy(np.int64), number(launches, pairing), floats(launches["value"]))


ORACLE = "numpy"
LEARNT = {
    "accuracy": "Float64", "accuracy_low": "Float64", "accuracy_high": "Float64", "seeds": "Int64", "reached": "Int64",
    "accuracy_target": "Float64", "time_to_accuracy_s": "Float64", "difference": "Float64", "difference_low": "Float64",
    "difference_high": "Float64", "difference_to": "string", "accuracy_verdict": "string",
}  # fmt: skip
AT_THE_END, UNKNOWN = -1, -2  # for epochs, where the recipe itself says when to stop, and where the row does not say


def with_accuracies(table: pd.DataFrame, comparison: Numbers, launches: pd.DataFrame, base: str | None) -> pd.DataFrame:
    """Add means over seeds, differences to a reference, verdicts, and the median time to the target.

    `comparison` numbers what each line of the table is compared within. `launches` has a line per accuracy launch: cell
    (the table's line), ok (whether it ended so), and the row's recipe, seed, epochs, accuracy and times.
    `seeds` counts a cell's accuracy launches that ended ok (missing where none was tried), `reached` those that came
    to the target. The reference, named by `difference_to`, is the base or else the oracle or else the first by name;
    of several modes the first by name. Differences are paired by seed, their intervals simultaneous over the table.
    """
    size, good = len(table), launches[launches["ok"]]
    tried = np.bincount(launches["cell"], minlength=size) > 0
    seeds = pd.array(np.bincount(good["cell"], minlength=size), "Int64")
    pairable = by_seed(good)
    found = spread(pairable["value"], pairable["cell"], size)
    low, high = found.bounds()
    shown: dict[str, Any] = {"accuracy": found.mean, "accuracy_low": low, "accuracy_high": high}
    shown |= _times(good, size) | {"seeds": pd.Series(seeds).where(tried)}
    shown |= _accuracy_differences(table["framework"], comparison, pairable, found.n > 0, base)
    shown["accuracy_verdict"] = pd.Series(shown["accuracy_verdict"], dtype="string").where(tried)
    added = pd.DataFrame(shown, columns=list(LEARNT)).astype(LEARNT)
    return table.join(added)


def by_seed(good: pd.DataFrame) -> pd.DataFrame:
    """Return cell, seed, epochs and `value`, the accuracy, of launches; of equal ones in a cell the last.

    Launches of different numbers of epochs are no pair, unless the recipe itself says when to stop.
    """
    by_itself = good["recipe"].isin([name for name, recipe in RECIPES.items() if recipe.stop_when_accuracy_falls])
    epochs = good["epochs"].fillna(UNKNOWN).mask(by_itself, AT_THE_END).astype(int)
    found = good[["cell", "seed"]].assign(epochs=epochs, value=floats(good["accuracy"]))
    return found.dropna().drop_duplicates(["cell", "seed", "epochs"], keep="last")


def _times(good: pd.DataFrame, size: int) -> dict[str, Any]:
    """Return accuracy_target, reached and time_to_accuracy_s of each cell, NaN where its launches have no target."""
    cells, seconds = good["cell"].to_numpy(), floats(good["time_to_accuracy_s"])
    target = pd.Series(floats(good["accuracy_target"])).groupby(cells).max().reindex(range(size))
    return {
        "accuracy_target": target,
        "reached": pd.Series(seconds).groupby(cells).count().reindex(range(size)).where(target.notna()),
        "time_to_accuracy_s": pd.Series(median_times(seconds, cells, size)).where(target.notna()),
    }


def _accuracy_differences(
    frameworks: pd.Series, comparison: Numbers, pairable: pd.DataFrame, has_accuracy: Flags, base: str | None
) -> dict[str, Any]:
    """Return each cell's difference to its reference with bounds, the reference's name and the verdict."""
    wanted = (frameworks == (base or ORACLE)).to_numpy(bool)
    rank = np.where(wanted, 0.0, np.nan if base else 1.0)
    reference = chosen(comparison, np.where(has_accuracy, rank, np.nan))
    reference = np.where(has_accuracy, reference, -1)
    cells, values = differences(as_launches(pairable, ["seed", "epochs"]), reference)
    found = spread(values, cells, len(frameworks))
    judged = judged_accuracies(found, simultaneous(found))
    itself = reference == np.arange(len(frameworks))
    return {
        "difference": np.where(itself, 0.0, found.mean),
        "difference_low": judged.low,
        "difference_high": judged.high,
        "difference_to": frameworks.iloc[reference].reset_index(drop=True).where(reference >= 0),
        "accuracy_verdict": judged.verdict,
    }
