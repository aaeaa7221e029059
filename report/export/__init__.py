"""Results in the formats of other tools, by the name of the tool: EXPORTS maps each to how it is written."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from benchmarks.errors import UsageError
from report.export.rows import as_csv, as_json, as_parquet
from report.export.tools import bencher, github_action_benchmark, pyperf, pytest_benchmark
from report.tables.metrics import Metric

EXPORTS: dict[str, Callable[[pd.DataFrame, Metric], str | bytes]] = {
    "pytest-benchmark": pytest_benchmark,
    "pyperf": pyperf,
    "bencher": bencher,
    "github-action-benchmark": github_action_benchmark,
    "parquet": as_parquet,
    "csv": as_csv,
    "json": as_json,
}
ROWS = ("parquet", "csv", "json")  # every row and column, whatever the metric


def exported(frame: pd.DataFrame, form: str, asked: Metric) -> str | bytes:
    """Return the rows, a frame as load gives it, in a format of EXPORTS; UsageError for another."""
    if form not in EXPORTS:
        raise UsageError(f"--format {form}: expected {', '.join(EXPORTS)}")
    return EXPORTS[form](frame, asked)
