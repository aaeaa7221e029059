"""What services read that draw a benchmark over time: one value a cell, the geometric mean, with its 95 % interval.

Bencher Metric Format: https://bencher.dev/docs/reference/bencher-metric-format
github-action-benchmark: https://github.com/benchmark-action/github-action-benchmark, customBiggerIsBetter for speeds
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterator

import pandas as pd

from benchmarks.errors import UsageError
from benchmarks.intervals import Interval, speed
from report.exports.cells import Measured, measured
from report.metrics import DEFAULT, Metric

LONGEST = 1024  # characters of a benchmark's name in Bencher
THROUGHPUT = "throughput"  # Bencher's own measure of operations per second, higher is better


def bencher(frame: pd.DataFrame, asked: Metric) -> str:
    """Return Bencher Metric Format; train_samples_per_s is its throughput, other metrics go by their own names."""
    measure = THROUGHPUT if asked.name == DEFAULT else asked.name.replace("_", "-")
    found = {}
    for cell, interval in intervals(frame, asked):
        bounds = {"lower_value": interval.low, "upper_value": interval.high} if interval.n > 1 else {}
        found[cell.name[:LONGEST]] = {measure: {"value": interval.estimate, **bounds}}
    return json.dumps(found, indent=1) + "\n"


def github_action_benchmark(frame: pd.DataFrame, asked: Metric) -> str:
    """Return customBiggerIsBetter; of times and bytes the same list is customSmallerIsBetter, none of other columns."""
    if not asked.worse:
        raise UsageError(f"{asked.name}: neither bigger nor smaller is better; choose another --metric")
    found = []
    for cell, interval in intervals(frame, asked):
        facts = ", ".join(f"{name} {value}" for name, value in cell.facts.items())
        middle = "geometric mean" if min(cell.values) > 0 else "median"
        entry = {"name": cell.name, "unit": asked.column.unit or asked.name, "value": interval.estimate}
        if interval.n > 1:
            entry["range"] = f"{interval.low:.6g} to {interval.high:.6g}"
        found.append({**entry, "extra": f"{asked.name}: {middle} of {len(cell.values)} launches, {facts}"})
    return json.dumps(found, indent=1) + "\n"


def intervals(frame: pd.DataFrame, asked: Metric) -> Iterator[tuple[Measured, Interval]]:
    """Yield each cell with its geometric mean and interval over launches, its median where a value has no logarithm."""
    for cell in measured(frame, asked):
        alone = Interval(statistics.median(cell.values), 0.0, math.inf, 1)
        yield cell, speed(cell.values) if min(cell.values) > 0 else alone
