"""Every row and column as it is, for other programs' frames."""

from __future__ import annotations

import io

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.record.schema import COLUMNS
from report.export import formats
from report.tables.metrics import Metric

TYPES = {
    "str": pa.string(), "int": pa.int64(), "float": pa.float64(), "strings": pa.list_(pa.string()),
    "floats": pa.list_(pa.float64()), "ints": pa.list_(pa.int64()),
}  # fmt: skip


def as_csv(frame: pd.DataFrame, asked: Metric) -> str:
    """Return one launch a line; lists in brackets, text as formats.py makes it safe."""
    return formats.as_csv(frame)


def as_json(frame: pd.DataFrame, asked: Metric) -> str:
    """Return one launch a line, each a JSON object."""
    return frame.to_json(orient="records", lines=True, double_precision=15)


def as_parquet(frame: pd.DataFrame, asked: Metric) -> bytes:
    """Return a Parquet file with the schema's types; each column's unit and meaning stand in its metadata."""
    described = [
        pa.field(column.name, TYPES[column.kind], metadata={"unit": column.unit, "meaning": column.meaning})
        for column in COLUMNS
    ]
    schema = pa.schema([*described, *(pa.field(name, pa.string()) for name in ("machine_kind", "machine"))])
    written = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(frame, schema, preserve_index=False), written)
    return written.getvalue()
