"""Accuracies of two sides beside each other, paired by seed: benchmarks/accuracies.py judges them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from benchmarks import accuracies
from report.sides import Side

TYPES = {
    "base_accuracy": "Float64", "new_accuracy": "Float64", "difference": "Float64", "difference_low": "Float64",
    "difference_high": "Float64", "seeds": "Int64", "accuracy_verdict": "string",
}  # fmt: skip


def differences(base: Side, new: Side, pairs: pd.DataFrame) -> pd.DataFrame:
    """Return means, difference (new - base) with its interval, seeds and accuracy_verdict for pairs of cells.

    Only launches of the same seed and number of epochs are pairs; verdicts are one Holm family. A side that is
    compared with itself (frameworks by another metric) has no differences: report/compare.py has them.
    """
    theirs, ours = by_cell(base.learnt), by_cell(new.learnt)
    lines: dict[Any, dict[str, Any]] = {}
    found: dict[str, accuracies.Difference] = {}
    for line, one, other in pairs[["base", "new"]].itertuples(name=None):
        reference, mine = theirs.get(one, {}) if base is not new else {}, ours.get(other, {})
        lines[line] = {"base_accuracy": mean(reference), "new_accuracy": mean(mine)}
        common = sorted(reference.keys() & mine.keys())
        if common:
            pair = found[str(line)] = accuracies.difference(
                [mine[launch] for launch in common], [reference[launch] for launch in common]
            )
            lines[line] |= {"difference": pair.estimate, "seeds": pair.n}
            if pair.n > 1:
                lines[line] |= {"difference_low": pair.low, "difference_high": pair.high}
    words = accuracies.verdicts(found)
    table = pd.DataFrame.from_dict(lines, "index", columns=list(TYPES)).reindex(pairs.index)
    table["accuracy_verdict"] = [words.get(str(line), "") for line in table.index]
    return table.astype(TYPES)


def by_cell(learnt: pd.DataFrame) -> dict[int, dict[tuple[int, int], float]]:
    """Return accuracy by (seed, epochs) of each cell."""
    cells: dict[int, dict[tuple[int, int], float]] = {}
    for cell, seed, epochs, accuracy in learnt[["cell", "seed", "epochs", "accuracy"]].itertuples(False, None):
        cells.setdefault(cell, {})[seed, epochs] = accuracy
    return cells


def mean(launches: dict[tuple[int, int], float]) -> float | None:
    """Return the mean accuracy, None without launches."""
    return accuracies.mean(list(launches.values())).estimate if launches else None
