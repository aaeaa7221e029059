"""Handwritten digits as a CSV table: one row an image, a label and 784 pixels."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.datasets.content import Array
from benchmarks.datasets.reading import MAX_IMAGES, corrupt, open_data

PIXELS = 28 * 28
COLUMNS = 1 + PIXELS
MAX_LINE_BYTES = 16_384  # 785 quoted names such as "pixel783" make 9 kB
# A table instead of int(): only plain decimal 0-255, quoted or not, is a value; int() also takes "1_0" and " 7".
VALUES = {form % value: value for value in range(256) for form in (b"%d", b'"%d"')}

LabelColumn = Literal["first", "last", "auto"]


def read_csv(path: Path, label_column: LabelColumn = "first") -> tuple[Array, Array]:
    """Return (images uint8 (N, 28, 28), labels uint8 (N,)) of a CSV file, gzipped or not.

    A row is a label 0-9 and 784 pixels 0-255, plain or quoted; a byte order mark, CRLF and one header line are
    accepted. "auto" takes the last column as the label where the header calls it so or where the first holds one
    value only (a corner pixel) and the last does not. Raises DataError with row (the line, from 1) and column.
    """
    values, header = _values(path)
    if not values:
        raise corrupt(path, "row 1", "rows of a label and 784 pixels", "none")
    table = np.frombuffer(values, dtype=np.uint8).reshape(-1, COLUMNS)
    at = _label_index(table, header, label_column)
    if table[:, at].max() > 9:
        row = int(np.argmax(table[:, at] > 9))
        raise corrupt(path, f"row {row + 1 + bool(header)}, column {at + 1}", "a label 0-9", table[row, at])
    pixels = table[:, 1:] if at == 0 else table[:, :-1]
    return np.ascontiguousarray(pixels).reshape(-1, 28, 28), table[:, at].copy()


def _values(path: Path) -> tuple[bytearray, list[bytes]]:
    values = bytearray()
    header: list[bytes] = []
    with open_data(path) as handle:
        for row, fields in _rows(handle, path):
            if row == 1 and sum(field not in VALUES for field in fields) > COLUMNS // 2:
                header = fields
                continue
            try:
                values += bytes(map(VALUES.__getitem__, fields))
            except KeyError:
                at = next(at for at, field in enumerate(fields) if field not in VALUES)
                place = f"row {row}, column {at + 1}"
                raise corrupt(path, place, "a number 0-255", repr(fields[at][:20])) from None
            if len(values) > MAX_IMAGES * COLUMNS:
                raise corrupt(path, f"row {row}", f"at most {MAX_IMAGES} images", "more")
    return values, header


def _rows(handle: io.BufferedIOBase, path: Path) -> Iterator[tuple[int, list[bytes]]]:
    row = 0
    while line := handle.readline(MAX_LINE_BYTES + 1):
        row += 1
        fields = line.removesuffix(b"\n").removesuffix(b"\r").split(b",")
        if len(line) > MAX_LINE_BYTES:
            place = f"row {row}, column {len(fields)}"
            raise corrupt(path, place, f"a line of at most {MAX_LINE_BYTES} bytes", "a longer one")
        if row == 1:
            fields[0] = fields[0].removeprefix(codecs.BOM_UTF8)
        if len(fields) != COLUMNS:
            raise corrupt(path, f"row {row}, column {min(len(fields), COLUMNS) + 1}", f"{COLUMNS} columns", len(fields))
        yield row, fields


def _label_index(table: Array, header: list[bytes], label_column: LabelColumn) -> int:
    if label_column != "auto":
        return 0 if label_column == "first" else PIXELS
    named = [field.strip(b'"').lower() in {b"label", b"class"} for field in header]
    if any(named):
        return PIXELS if named[-1] else 0
    return PIXELS if np.ptp(table[:, 0]) == 0 and np.ptp(table[:, -1]) > 0 else 0
