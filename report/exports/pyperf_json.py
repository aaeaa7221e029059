"""pyperf's JSON (https://pyperf.readthedocs.io, api: BenchmarkSuite), for `pyperf compare_to BASE.json NEW.json`.

A cell is a benchmark and a launch a run with one value, so that pyperf's t test sees independent samples.
"""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from report.exports.cells import Measured, measured, seconds
from report.metrics import Metric

VERSION = "1.0"  # of pyperf's format


def pyperf(frame: pd.DataFrame, asked: Metric) -> str:
    """Return seconds of each launch, of a speed seconds per sample."""
    benchmarks = [benchmark(cell, seconds(cell, asked)) for cell in measured(frame, asked)]
    metadata = {"unit": "second", "description": f"{asked.name}, one value a launch"}
    return json.dumps({"version": VERSION, "metadata": metadata, "benchmarks": benchmarks}, indent=1) + "\n"


def benchmark(cell: Measured, values: list[float]) -> dict[str, Any]:
    """Return one benchmark; pyperf refuses metadata without text."""
    runs = [
        {"metadata": {"date": start[:19].replace("T", " ")}, "values": [value]}
        for start, value in zip(cell.started_at, values, strict=True)
    ]
    facts = {name: value for name, value in cell.facts.items() if str(value).strip()}
    return {"metadata": {"name": cell.name, **facts}, "runs": runs}
