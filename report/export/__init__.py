"""Results in the formats of other tools, by the name of the tool: EXPORTS maps each to how it is written.

Formats that hold every row and column, whatever the metric, are for other programs' frames.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.errors import UsageError
from benchmarks.record.schema import COLUMNS
from report.export.formats import as_csv
from report.export.tools import bencher, github_action_benchmark, pyperf, pytest_benchmark
from report.results.arrow import TYPES
from report.tables.metrics import Metric


def as_json(frame: pd.DataFrame) -> str:
    """Return one launch a line, each a JSON object."""
    return frame.to_json(orient="records", lines=True, double_precision=15)


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
}


def exported(frame: pd.DataFrame, form: str, asked: Metric) -> str | bytes:
    """Return the rows, a frame as load gives it, in a format of EXPORTS; UsageError for another."""
    if form not in EXPORTS:
        raise UsageError(f"--format {form}: expected {', '.join(EXPORTS)}")
    return EXPORTS[form](frame, asked)
