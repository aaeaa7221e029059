"""The micro-benchmarks' files, which pytest-benchmark writes, as a frame and as tables in microseconds."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table

from benchmarks import errors, files
from benchmarks.cli.answer import Section
from benchmarks.errors import UsageError
from report import formats

TABLE = ["kind", "device", "device_name", "dtype", "threads"]  # what the lines of one table share
WORK = ["model", "batch_size"]
CELL = [*TABLE, *WORK, "framework", "mode"]
NUMBERS = ("threads", "batch_size", "flops")
HEADINGS = {
    "model": "model",
    "batch_size": "batch",
    "framework": "framework",
    "version": "version",
    "mode": "mode",
    "median_us": "median µs",
    "iqr_us": "interquartile range µs",
    "gflops_per_s": "GFLOP/s",
    "rounds": "rounds",
}
FORMATS = {"median_us": "{:,.1f}", "iqr_us": "{:,.1f}", "gflops_per_s": "{:,.2f}", "batch_size": "{}", "rounds": "{}"}


def load(folder: Path) -> pd.DataFrame:
    """Return one line per benchmark and run: the cell's columns, median_us, q1_us, q3_us, iqr_us, mean_us, flops.

    `saved_at` is when its file was made. UsageError if the folder holds no such file, or one that cannot be read.
    """
    lines = [line for path in sorted(folder.rglob("*.json")) for line in _read(path)]
    if not lines:
        raise UsageError(f"no micro-benchmarks in {folder}; make some with `tox -e micro`, or pass --results DIR")
    frame = pd.DataFrame(lines)
    return frame.assign(gflops_per_s=(frame["flops"] / frame["median_us"] / 1e3).where(frame["flops"] > 0))


def _read(path: Path) -> list[dict[str, Any]]:
    """Return one file's benchmarks; UsageError names the file and what is wrong with it."""
    try:
        with files.open_regular(path) as file:
            saved = json.load(file)
        return [_line(saved, benchmark) for benchmark in saved["benchmarks"]]
    except files.NotRegular as error:
        raise UsageError(f"{path.parent}: {error}") from None
    except (OSError, ValueError, OverflowError, TypeError, KeyError, AttributeError, RecursionError) as error:
        what = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise UsageError(f"{path} is no file of `tox -e micro`: {what}; move it out of the folder") from error


def _line(saved: dict[str, Any], benchmark: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of one benchmark; pytest-benchmark's seconds become microseconds."""
    about, stats = benchmark["extra_info"], benchmark["stats"]
    columns: dict[str, Any] = {name: str(about[name]) for name in (*CELL, "version") if name not in NUMBERS}
    if columns["device"] == "cpu":  # the framework knows its architecture at most
        columns["device_name"] = str(saved["machine_info"]["cpu"].get("brand_raw", columns["device_name"]))
    columns |= {name: int(about[name]) for name in NUMBERS} | {"rounds": int(stats["rounds"])}
    for name in ("median", "q1", "q3", "iqr", "mean"):
        columns[f"{name}_us"] = 1e6 * float(stats[name])
    if not 0 < columns["median_us"] < math.inf:
        raise ValueError(f"a call of {stats['median']} s")
    return {**columns, "saved_at": str(saved["datetime"])}


def _newest(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the newest run of each cell, grouped by what is compared, the quickest first."""
    last = frame[frame["saved_at"] == frame.groupby(CELL)["saved_at"].transform("max")]
    return last.sort_values([*TABLE, *WORK, "median_us"], ignore_index=True)


def as_tables(frame: pd.DataFrame, width: int | None = None) -> Iterator[Table | str]:
    """Return a terminal table per kind of call, device, dtype and number of threads."""
    return formats.terminal(formats.filled(_sections(frame)), FORMATS, width)


def _sections(frame: pd.DataFrame) -> Iterator[Section]:
    """Yield the section of each table."""
    for key, group in _newest(frame).groupby(TABLE, sort=False):
        kind, device, device_name, dtype, threads = key
        title = f"{kind}, {dtype}, {device} ({device_name}), {errors.threads(threads)}"
        lines = [
            {name: "" if pd.isna(record[name]) else FORMATS.get(name, "{}").format(record[name]) for name in HEADINGS}
            for record in group.to_dict("records")
        ]
        yield title, HEADINGS, lines
