"""pytest-benchmark's JSON, for `pytest-benchmark compare FILE`: a cell is a benchmark, a launch one of its rounds."""

from __future__ import annotations

import json
import statistics
from typing import Any

import pandas as pd

from report.exports.cells import Measured, measured, seconds
from report.metrics import Metric

VERSION = "5.3.1"  # of the pytest-benchmark whose format this is


def pytest_benchmark(frame: pd.DataFrame, asked: Metric) -> str:
    """Return seconds of each launch, of a speed seconds per sample; a group for each comparison."""
    found = measured(frame, asked)
    benchmarks = [benchmark(cell, seconds(cell, asked), asked) for cell in found]
    latest = max(start for cell in found for start in cell.started_at)
    saved = {
        "machine_info": {"cpu": {"brand_raw": ", ".join(sorted({str(cell.facts["device_name"]) for cell in found}))}},
        "commit_info": {},
        "benchmarks": benchmarks,
        "datetime": latest,
        "version": VERSION,
    }
    return json.dumps(saved, indent=1) + "\n"


def benchmark(cell: Measured, values: list[float], asked: Metric) -> dict[str, Any]:
    """Return one benchmark."""
    return {
        "group": cell.group,
        "name": cell.name,
        "fullname": f"{asked.name}: {cell.name}",
        "params": cell.facts,
        "param": cell.name,
        "extra_info": {**cell.facts, "metric": asked.name},
        "options": {},
        "stats": described(values),
    }


def described(values: list[float]) -> dict[str, Any]:
    """Return what pytest-benchmark says of rounds; outliers as it counts them, by standard deviation and quartiles."""
    mean, several = statistics.mean(values), len(values) > 1
    deviation = statistics.stdev(values) if several else 0.0
    q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive") if several else [values[0]] * 3
    low, high = q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)
    far = sum(abs(value - mean) > deviation for value in values)
    outside = sum(not low <= value <= high for value in values)
    return {
        "min": min(values), "max": max(values), "mean": mean, "stddev": deviation, "rounds": len(values),
        "median": median, "iqr": q3 - q1, "q1": q1, "q3": q3, "iqr_outliers": outside, "stddev_outliers": far,
        "outliers": f"{far};{outside}", "ld15iqr": min(value for value in values if value >= low),
        "hd15iqr": max(value for value in values if value <= high), "ops": 1 / mean, "total": sum(values),
        "data": values, "iterations": 1,
    }  # fmt: skip
