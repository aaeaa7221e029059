"""Accuracies of cells, differences to a reference paired by seeds, and times to a target: all cells at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from adapters.recipes import RECIPES
from benchmarks.accuracies import verdicts
from report.grouping import Flags, Numbers, chosen, differences, floats, means, spread

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
    of several modes the first by name. Differences are paired by seed, verdicts are one Holm family a table.
    """
    size, good = len(table), launches[launches["ok"]]
    tried = np.bincount(launches["cell"], minlength=size) > 0
    seeds = pd.array(np.bincount(good["cell"], minlength=size), "Int64")
    pairable = by_seed(good)
    found = means(spread(pairable["value"], pairable["cell"], size))
    low, high = found.bounds()
    shown: dict[str, Any] = {"accuracy": found.mean, "accuracy_low": low, "accuracy_high": high}
    shown |= times(good, size) | {"seeds": pd.Series(seeds).where(tried)}
    shown |= apart(table["framework"], comparison, pairable, found.n > 0, base)
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


def times(good: pd.DataFrame, size: int) -> dict[str, Any]:
    """Return accuracy_target, reached and time_to_accuracy_s of each cell, as accuracies.median_time counts."""
    target = pd.Series(floats(good["accuracy_target"])).groupby(good["cell"].to_numpy()).max().reindex(range(size))
    seconds = pd.Series(floats(good["time_to_accuracy_s"]))
    cells = seconds.groupby(good["cell"].to_numpy())
    median = seconds.fillna(np.inf).groupby(good["cell"].to_numpy()).median().reindex(range(size))
    return {
        "accuracy_target": target,
        "reached": cells.count().reindex(range(size)).where(target.notna()),
        "time_to_accuracy_s": median.where(target.notna() & np.isfinite(median)),
    }


def apart(
    frameworks: pd.Series, comparison: Numbers, pairable: pd.DataFrame, known: Flags, base: str | None
) -> dict[str, Any]:
    """Return each cell's difference to its reference with bounds, the reference's name and the verdict."""
    wanted = (frameworks == (base or ORACLE)).to_numpy(bool)
    rank = np.where(wanted, 0.0, np.nan if base else 1.0)
    reference = chosen(comparison, {"rank": np.where(known, rank, np.nan)})
    reference = np.where(known, reference, -1)
    pairs = differences(pairable, ["seed", "epochs"], reference)
    found = means(spread(pairs["value"], pairs["cell"], len(frameworks)))
    low, high = found.bounds()
    itself = reference == np.arange(len(frameworks))
    return {
        "difference": np.where(itself, 0.0, found.mean),
        "difference_low": low,
        "difference_high": high,
        "difference_to": frameworks.iloc[reference].reset_index(drop=True).where(reference >= 0),
        "accuracy_verdict": verdicts(found),
    }
