"""Results in the formats of other tools: some hold every row and column, the others a metric of each cell.

pytest-benchmark and pyperf get a value of every launch. A launch is one sample, never a chunk or a step: tools that
test whether means differ would take the chunks of one launch for independent samples, and find differences that do not
exist. Services that draw a benchmark over time get one value a cell, the geometric mean with its 95 % interval.

Bencher Metric Format: https://bencher.dev/docs/reference/bencher-metric-format
github-action-benchmark: https://github.com/benchmark-action/github-action-benchmark, customBiggerIsBetter for speeds
pyperf (BenchmarkSuite), for `pyperf compare_to BASE.json NEW.json`: https://pyperf.readthedocs.io
pytest-benchmark, for `pytest-benchmark compare FILE`: a launch is one of a benchmark's rounds
"""

from __future__ import annotations

import io
import json
import math
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.errors import UsageError, plain
from benchmarks.record.schema import COLUMNS
from benchmarks.stats import Interval, speed
from report.formats import as_csv
from report.results.arrow import TYPES
from report.tables.compare import CELL, COMPARISON, newest, own_rows
from report.tables.metrics import DEFAULT, Metric

NAME = ("framework", "recipe", "mode", "dtype", "batch_size", "dataset", "input", "device", "threads")
UNITS = {"batch_size": "batch {}", "threads": "{} threads"}


@dataclass(frozen=True)
class Measured:
    """A cell: its unique name, what it shares with others, its axes, values and start (UTC) of each ok launch."""

    name: str
    group: str
    facts: dict[str, str | int]
    values: list[float]
    started_at: list[str]


def _measured(frame: pd.DataFrame, asked: Metric) -> list[Measured]:
    """Return every cell that has the metric, newest launches, by name; UsageError where there is none."""
    frame = newest(own_rows(frame))
    good = frame[(frame["status"] == "ok") & (frame["task"] == asked.task)].dropna(subset=asked.name)
    if good.empty:
        raise UsageError(f"no ok launch has {asked.name}; choose another --metric, or another set with --results")
    several = bool(len(good[["device_name", "machine_kind"]].drop_duplicates()) > 1)
    found = []
    for key, group in good.sort_values(["sweep", "round"]).groupby(CELL):
        cell: dict[str, Any] = dict(zip(CELL, key, strict=True))
        facts = {name: value if isinstance(value, str) else int(value) for name, value in cell.items()}
        versions = group["framework_version"].dropna()
        if len(versions):
            facts["framework_version"] = str(versions.iloc[-1])
        found.append(
            Measured(
                _titled(cell, several),
                ", ".join(plain(str(cell[name])) for name in COMPARISON),
                {name: plain(value) if isinstance(value, str) else value for name, value in facts.items()},
                [float(value) for value in group[asked.name]],
                [plain(str(start)) for start in group["started_at"]],
            )
        )
    return sorted(found, key=lambda cell: cell.name)


def _titled(cell: dict[str, Any], several: bool) -> str:
    """Return a cell's name, with its machine where a set holds `several`: other tools know cells by name alone."""
    words = [UNITS.get(name, "{}").format(cell[name]) for name in NAME]
    if cell["model"] != cell["recipe"]:
        words.insert(1, cell["model"])
    return plain(" ".join([*words, *([cell["device_name"], cell["machine_kind"]] if several else [])]))


def _seconds(cell: Measured, asked: Metric) -> list[float]:
    """Return a cell's values as seconds, of a speed seconds per sample; UsageError for what is no time."""
    if asked.column.unit not in ("s", "samples/s") or asked.column.kind != "float":
        raise UsageError(f"{asked.name} is no time, and this format knows only times; try --format bencher")
    if min(cell.values) <= 0:
        raise UsageError(f"{cell.name}: {asked.name} of {min(cell.values)}, and this format knows only times above 0")
    return [1 / value for value in cell.values] if asked.rising else cell.values


LONGEST = 1024  # characters of a benchmark's name in Bencher
THROUGHPUT = "throughput"  # Bencher's own measure of operations per second, higher is better


def bencher(frame: pd.DataFrame, asked: Metric) -> str:
    """Return Bencher Metric Format; train_samples_per_s is its throughput, other metrics go by their own names."""
    measure = THROUGHPUT if asked.name == DEFAULT else asked.name.replace("_", "-")
    found = {}
    for cell, interval in _intervals(frame, asked):
        bounds = {"lower_value": interval.low, "upper_value": interval.high} if interval.low else {}
        found[cell.name[:LONGEST]] = {measure: {"value": interval.estimate, **bounds}}
    return json.dumps(found, indent=1) + "\n"


def github_action_benchmark(frame: pd.DataFrame, asked: Metric) -> str:
    """Return customBiggerIsBetter; of times and bytes the same list is customSmallerIsBetter, none of other columns."""
    if not asked.worse:
        raise UsageError(f"{asked.name}: neither bigger nor smaller is better; choose another --metric")
    found = []
    for cell, interval in _intervals(frame, asked):
        facts = ", ".join(f"{name} {value}" for name, value in cell.facts.items())
        middle = "geometric mean" if min(cell.values) > 0 else "median"
        entry = {"name": cell.name, "unit": asked.column.unit or asked.name, "value": interval.estimate}
        if interval.low:
            entry["range"] = f"{interval.low:.6g} to {interval.high:.6g}"
        found.append({**entry, "extra": f"{asked.name}: {middle} of {len(cell.values)} launches, {facts}"})
    return json.dumps(found, indent=1) + "\n"


def _intervals(frame: pd.DataFrame, asked: Metric) -> Iterator[tuple[Measured, Interval]]:
    """Yield each cell with its geometric mean and interval over launches, its median where a value has no logarithm."""
    for cell in _measured(frame, asked):
        alone = Interval(statistics.median(cell.values), 0.0, math.inf, 1)
        yield cell, speed(cell.values) if min(cell.values) > 0 else alone


PYPERF_VERSION = "1.0"  # of pyperf's format


def pyperf(frame: pd.DataFrame, asked: Metric) -> str:
    """Return seconds of each launch, of a speed seconds per sample."""
    benchmarks = [_pyperf_entry(cell, _seconds(cell, asked)) for cell in _measured(frame, asked)]
    metadata = {"unit": "second", "description": f"{asked.name}, one value a launch"}
    return json.dumps({"version": PYPERF_VERSION, "metadata": metadata, "benchmarks": benchmarks}, indent=1) + "\n"


def _pyperf_entry(cell: Measured, values: list[float]) -> dict[str, Any]:
    """Return one benchmark; pyperf refuses metadata without text."""
    runs = [
        {"metadata": {"date": start[:19].replace("T", " ")}, "values": [value]}
        for start, value in zip(cell.started_at, values, strict=True)
    ]
    facts = {name: value for name, value in cell.facts.items() if str(value).strip()}
    return {"metadata": {"name": cell.name, **facts}, "runs": runs}


PYTEST_BENCHMARK_VERSION = "5.3.1"  # of the pytest-benchmark whose format this is


def pytest_benchmark(frame: pd.DataFrame, asked: Metric) -> str:
    """Return seconds of each launch, of a speed seconds per sample; a group for each comparison."""
    found = _measured(frame, asked)
    benchmarks = [_pytest_benchmark_entry(cell, _seconds(cell, asked), asked) for cell in found]
    latest = max(start for cell in found for start in cell.started_at)
    saved = {
        "machine_info": {"cpu": {"brand_raw": ", ".join(sorted({str(cell.facts["device_name"]) for cell in found}))}},
        "commit_info": {},
        "benchmarks": benchmarks,
        "datetime": latest,
        "version": PYTEST_BENCHMARK_VERSION,
    }
    return json.dumps(saved, indent=1) + "\n"


def _pytest_benchmark_entry(cell: Measured, values: list[float], asked: Metric) -> dict[str, Any]:
    """Return one benchmark."""
    return {
        "group": cell.group,
        "name": cell.name,
        "fullname": f"{asked.name}: {cell.name}",
        "params": cell.facts,
        "param": cell.name,
        "extra_info": {**cell.facts, "metric": asked.name},
        "options": {},
        "stats": _described(values),
    }


def _described(values: list[float]) -> dict[str, Any]:
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


def as_json(frame: pd.DataFrame, lines: bool = False) -> str:
    """Return an object a launch, in one array; with `lines` (JSON Lines) each on a line of its own, and no array."""
    written: str = frame.to_json(orient="records", lines=lines, double_precision=15)
    return written if lines else written + "\n"


def as_parquet(frame: pd.DataFrame) -> bytes:
    """Return a Parquet file with the schema's types; each column's unit and meaning stand in its metadata."""
    described = [
        pa.field(column.name, TYPES[column.kind], metadata={"unit": column.unit, "meaning": column.meaning})
        for column in COLUMNS
    ]
    schema = pa.schema([*described, *(pa.field(name, pa.string()) for name in ("machine_kind", "machine"))])
    written = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(frame, schema, preserve_index=False), written)
    return written.getvalue()


EXPORTS: dict[str, Callable[[pd.DataFrame, Metric], str | bytes]] = {
    "pytest-benchmark": pytest_benchmark,
    "pyperf": pyperf,
    "bencher": bencher,
    "github-action-benchmark": github_action_benchmark,
    "parquet": lambda frame, _: as_parquet(frame),
    "csv": lambda frame, _: as_csv(frame),
    "json": lambda frame, _: as_json(frame),
    "jsonl": lambda frame, _: as_json(frame, lines=True),
}
WHOLE = ("csv", "json", "jsonl", "parquet")  # hold every row with all columns


def exported(frame: pd.DataFrame, form: str, asked: Metric) -> str | bytes:
    """Return the rows, a frame as load gives it, in a format of EXPORTS; UsageError for another."""
    if form not in EXPORTS:
        raise UsageError(f"--format {form}: expected {', '.join(EXPORTS)}")
    return EXPORTS[form](frame, asked)
