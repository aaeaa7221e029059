"""The one loader: every results file of a folder as one typed pandas frame."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from benchmarks.schema import COLUMNS
from benchmarks.storage import read_all

DTYPES = {"str": "string", "int": "Int64", "float": "Float64"}  # nullable: an absent number is no zero and no NaN


def load(results: Path) -> pd.DataFrame:
    """Return all valid rows of a results folder: one line a launch, the schema's columns, `machine_kind` added.

    Lists stay Python lists. Lines that cannot be read are named on stderr and left out. StorageError if there
    is no such folder.
    """
    rows = []
    for sweep in read_all(results):
        for problem in sweep.problems:
            print(problem, file=sys.stderr)  # noqa: T201  # a table must not hide what it leaves out
        rows += [{**row, "machine_kind": sweep.run.get("machine_kind", "unknown")} for row in sweep.rows]
    frame = pd.DataFrame(rows, columns=[*(column.name for column in COLUMNS), "machine_kind"])
    return frame.astype({c.name: DTYPES[c.kind] for c in COLUMNS if c.kind in DTYPES} | {"machine_kind": "string"})
