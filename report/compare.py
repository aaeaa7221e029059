"""Frameworks beside each other, cell by cell."""

from __future__ import annotations

import pandas as pd

from benchmarks.errors import UsageError

# What the frameworks of one comparison share; speeds of different machines never meet in one ratio.
COMPARISON = [
    "model", "recipe", "dataset", "device", "device_name", "machine_kind", "batch_size", "dtype", "threads", "pipeline",
]  # fmt: skip
CELL = [*COMPARISON, "framework", "mode"]


def newest(frame: pd.DataFrame) -> pd.DataFrame:
    """Return of each cell and task only the launches of the newest sweep that has it; sweeps' names sort by time."""
    return frame[frame["sweep"] == frame.groupby([*CELL, "task"], dropna=False)["sweep"].transform("max")]


def compare(frame: pd.DataFrame, base: str | None = None) -> pd.DataFrame:
    """Return one line per cell: median speed over launches, accuracy, GFLOP/s, MFU, ratio to `base`'s speed.

    `base` is a framework, or None for the fastest of each comparison. Only launches with status ok count in
    the figures; `launches` counts them, `status` names every ending there was. UsageError for an unknown base.
    """
    if base is not None and base not in set(frame["framework"]):
        raise UsageError(f"no rows of base {base!r}; there are: {', '.join(sorted(set(frame['framework'])))}")
    frame = newest(frame)
    good = frame[(frame["status"] == "ok") & (frame["task"] == "speed")].groupby(CELL)
    learnt = frame[(frame["status"] == "ok") & (frame["task"] == "accuracy")].groupby(CELL)
    table = pd.DataFrame(
        {
            "launches": good.size(),
            "train_samples_per_s": good["train_samples_per_s"].median(),
            "slowest": good["train_samples_per_s"].min(),
            "fastest": good["train_samples_per_s"].max(),
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
    return with_ratio(table, base).sort_values(
        [*COMPARISON, "train_samples_per_s"], ascending=[True] * len(COMPARISON) + [False], ignore_index=True
    )


def with_ratio(table: pd.DataFrame, base: str | None) -> pd.DataFrame:
    """Add `ratio`: speed over the base's best mode in the same comparison, missing where the base is missing."""
    reference = table if base is None else table[table["framework"] == base]
    best = reference.groupby(COMPARISON)["train_samples_per_s"].max().rename("reference")
    joined = table.join(best, on=COMPARISON)
    return joined.assign(ratio=joined["train_samples_per_s"] / joined["reference"]).drop(columns="reference")
