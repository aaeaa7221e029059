"""Accuracies of two sides beside each other, paired by seed: benchmarks/accuracies.py judges them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.accuracies import verdicts
from report.grouping import floats, means, spread
from report.ratios import in_common
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
    theirs = base.learnt if base is not new else base.learnt.iloc[:0]
    common = in_common(theirs, new.learnt, pairs, ["seed", "epochs"])
    found = means(spread(floats(common["new"]) - floats(common["base"]), common["line"], len(pairs)))
    low, high = found.bounds()
    shown = {
        "base_accuracy": theirs.groupby("cell")["value"].mean().reindex(pairs["base"]).to_numpy(),
        "new_accuracy": new.learnt.groupby("cell")["value"].mean().reindex(pairs["new"]).to_numpy(),
        "difference": found.mean, "difference_low": low, "difference_high": high,
        "seeds": np.where(found.n > 0, found.n, np.nan), "accuracy_verdict": verdicts(found),
    }  # fmt: skip
    return pd.DataFrame(shown, pairs.index).astype(TYPES)
