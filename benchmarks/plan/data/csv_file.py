"""Reader of CSV files: a label and the pixels of a square image in a row, in the ways that people's programs write it.

pyarrow parses; here is judged what came out. A file is read twice, block by block, so that it takes the memory of its
images alone: first for what its columns hold (which is the label, do pixels end at 1 or at 255), then for the images.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.errors import DataError, require, shown
from benchmarks.plan.data import LABEL, MAX_CLASSES, Labelled, as_labels
from benchmarks.plan.data.opening import NUMPY_ALONE, corrupt, open_data, unfit, written
from benchmarks.plan.data.readers import as_bytes, beyond, is_unit, judge_size

BLOCK_BYTES = 1 << 18  # pyarrow refuses a line that is longer; 64x64 pixels as numpy.savetxt writes them make 102 kB
SMALLEST_SIDE = 4  # a table of fewer columns is one of something else
NUMBER = re.compile(r"[ \t]*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?[ \t]*", re.ASCII)
WIDTHS = "785 columns of 28x28, 65 of 8x8, 4,097 of 64x64"
LABELS = ("label", "labels", "class", "digit", "target", "y")
INDEXES = ("", "unnamed: 0", "index", "id")
MOSTLY = 0.9  # of the rows: a column with fewer digits is no label, and one with more of one digit is a dark pixel
Floats = npt.NDArray[np.float32]


class Unlabelled(DataError):
    """A table has no column of labels, as Kaggle's test.csv."""


@dataclass(frozen=True)
class Layout:
    """How a CSV file is written: delimiter, decimal point, columns, and their names where there is a header.

    `side` is that of the square images.
    """

    delimiter: str
    point: str
    columns: int
    side: int
    names: tuple[str, ...]

    @property
    def pixels(self) -> int:
        return self.side**2


@dataclass
class Columns:
    """What the columns of a table hold: the largest value of each, which are whole, how often each digit is there."""

    rows: int
    top: Floats
    whole: npt.NDArray[np.bool_]
    digits: npt.NDArray[np.int64]  # (10, columns)
    counts_up: bool = True  # the first column, by one from row to row

    def add(self, block: Floats, last: float | None) -> None:
        """Add rows, (n, columns); `last` is what stood in the first column before them."""
        self.rows += len(block)
        self.top = np.fmax(self.top, block.max(0))
        self.whole &= (block == np.rint(block)).all(0)
        for digit in range(10):
            self.digits[digit] += (block == digit).sum(0)
        first = block[:, 0] if last is None else np.concatenate([[last], block[:, 0]])
        self.counts_up = self.counts_up and bool((np.diff(first) == 1).all())

    def classes(self) -> npt.NDArray[np.int64]:
        """Return how many digits each column has; 0 for one that mostly has other values."""
        return np.where(self.digits.sum(0) >= MOSTLY * self.rows, (self.digits > 0).sum(0), 0)


def read_csv(path: Path) -> Labelled:
    """Return the images of a CSV file, gzipped or not.

    A row is a label and as many pixels as a square has, of 0-255 or 0..1, separated by commas, semicolons, tabs or
    blanks, plain or quoted; a header may name the label's column, else it is the first or the last, and holds digits.
    A column of row numbers is left out. Raises DataError with row (from 1, blank lines apart) and column.
    """
    require("reading a CSV file", "pyarrow", instead=NUMPY_ALONE)
    layout = _layout(path)
    columns = _surveyed(path, layout)
    label, index = _roles(path, layout, columns)
    pixels = [at for at in range(layout.columns) if at not in (label, index)]
    unit = is_unit(float(columns.top[pixels].max()), bool(columns.whole[pixels].all()))
    images, labels = bytearray(), list[npt.NDArray[np.uint16]]()
    for row, block in _blocks(path, layout):
        _judge(path, row, block, label, pixels)
        images += as_bytes(block[:, pixels], unit).tobytes()
        labels.append(block[:, label].astype(np.uint16))
    remarks = ["row 1 is a header and left out"] if layout.names else []
    remarks += [f"column {index + 1} has row numbers and is left out"] if index is not None else []
    remarks += [] if layout.names and layout.names[label] in LABELS else [f"labels are column {label + 1}"]
    content = np.frombuffer(images, dtype=np.uint8).reshape(-1, layout.side, layout.side)
    return Labelled(content, as_labels(np.concatenate(labels)), tuple(remarks))


def _layout(path: Path) -> Layout:
    """Return how a file is written, by its first line and the next."""
    with open_data(path) as handle:
        first, second = (handle.readline(BLOCK_BYTES + 1) for _ in range(2))
    if len(first) > BLOCK_BYTES:
        raise corrupt(path, "row 1", f"a line of at most {BLOCK_BYTES} bytes", "a longer one")
    text = first.decode(errors="replace").removeprefix("\ufeff").rstrip("\r\n")
    delimiter = max(";\t, ", key=text.count)
    point = "," if delimiter == ";" and b"," in second else "."
    try:
        fields = next(csv.reader([text], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error as error:
        raise corrupt(path, "row 1", "fields and the end of the line", error) from error
    names = tuple(field.strip().lower() for field in fields) if _is_header(fields) else ()
    side, count = math.isqrt(len(fields)), len(fields)
    unnamed = not {*names} & {*LABELS}
    if side >= SMALLEST_SIDE and unnamed and count - side**2 in (0, len({*names} & {*INDEXES})):
        raise Unlabelled(
            f"{shown(path)} has no labels, but {side**2} columns of pixels; give a file that has, as Kaggle's train.csv"
        )
    if side < SMALLEST_SIDE or count - side**2 not in (1, 2):
        raise unfit(path, "row 1", f"a label and the pixels of a square image ({WIDTHS})", f"{count} columns")
    return Layout(delimiter, point, count, side, names)


def _is_header(fields: list[str]) -> bool:
    """Return whether a row is a header: no number is in it, or pandas' own names, which count up as no pixels do."""
    numbers = [float(field.replace(",", ".")) for field in fields if NUMBER.fullmatch(field.replace(",", "."))]
    return not numbers or (len(numbers) >= SMALLEST_SIDE**2 and bool((np.diff(numbers) == 1).all()))


def _surveyed(path: Path, layout: Layout) -> Columns:
    """Return what the columns hold."""
    count = layout.columns
    found = Columns(0, np.zeros(count, np.float32), np.ones(count, bool), np.zeros((10, count), np.int64))
    last = None
    for row, block in _blocks(path, layout):
        found.add(block, last)
        last = float(block[-1, 0])
        judge_size(path, f"row {row + len(block) - 1}", found.rows, (layout.pixels,))
    if not found.rows:
        raise corrupt(path, "row 1", f"rows of a label and {layout.pixels} pixels", "none")
    return found


def _blocks(path: Path, layout: Layout) -> Iterator[tuple[int, Floats]]:
    """Yield the number of a block's first row, and its values (n, columns)."""
    import pyarrow as pa  # noqa: PLC0415 - see errors.py
    from pyarrow import csv as arrow  # noqa: PLC0415

    names = [str(at) for at in range(layout.columns)]
    header = bool(layout.names)
    reading = arrow.ReadOptions(use_threads=False, block_size=BLOCK_BYTES, column_names=names, skip_rows=header)
    converting = arrow.ConvertOptions(
        column_types=dict.fromkeys(names, pa.float32()), null_values=[], decimal_point=layout.point
    )
    with open_data(path) as handle:
        try:
            row = 1 + header
            for batch in arrow.open_csv(handle, reading, arrow.ParseOptions(delimiter=layout.delimiter), converting):
                yield row, batch.to_tensor().to_numpy()
                row += batch.num_rows
        except pa.ArrowInvalid as error:
            raise _place(path, str(error), layout) from error


FIELD = re.compile(r"In CSV column #(\d+): Row #(\d+): .* invalid value '(.*)'", re.DOTALL)
WIDTH = re.compile(r"CSV parse error: Row #(\d+): Expected \d+ columns, got (\d+)")


def _place(path: Path, message: str, layout: Layout) -> DataError:
    """Return pyarrow's error as ours: it names row and column, too."""
    if found := FIELD.match(message):
        return corrupt(path, f"row {found[2]}, column {int(found[1]) + 1}", "a number 0-255 or 0..1", written(found[3]))
    if found := WIDTH.match(message):
        return corrupt(path, f"row {found[1]}", f"{layout.columns} columns as in row 1", found[2])
    if "Empty CSV file" in message or "Could not skip" in message:  # there is no second line
        return corrupt(path, "row 2", f"rows of a label and {layout.pixels} pixels", "none")
    if "straddling" in message:
        return corrupt(path, "a row", f"a line of at most {BLOCK_BYTES} bytes", "a longer one")
    return DataError(f"dataset corrupt: {shown(path)}: {ascii(message)[:200]}")


def _roles(path: Path, layout: Layout, columns: Columns) -> tuple[int, int | None]:
    """Return which column is the label, and which holds row numbers if one does."""
    named = [at for at, name in enumerate(layout.names) if name in LABELS]
    wide = layout.columns > layout.pixels + 1
    indexes = [at for at, name in enumerate(layout.names) if name in INDEXES] if wide else []
    if wide and not indexes and columns.counts_up:
        indexes = [0]
    if layout.columns - len(indexes) != layout.pixels + 1 or len(named) > 1:
        found = f"{layout.columns} columns, {len(named)} called label, none that counts the rows"
        raise corrupt(path, "row 1", f"one label and {layout.pixels} pixels", found)
    index = indexes[0] if indexes else None
    return named[0] if named else _by_values(path, columns, index), index


def _by_values(path: Path, columns: Columns, index: int | None) -> int:
    """Return the column that has the most digits: it is the first or the last, or a header says so."""
    classes = columns.classes()
    if index is not None:
        classes[index] = 0
    first, last = 0 if index != 0 else 1, len(classes) - 1
    best = max((first, last), key=lambda at: (classes[at], -at))
    likely = np.where(columns.digits.max(0) <= MOSTLY * columns.rows, classes, 0)
    if classes[best] < max(2, likely.max()):
        middle = f"; column {int(likely.argmax()) + 1} looks like them" if likely.max() > 1 else ""
        raise corrupt(
            path,
            f"columns {first + 1} and {last + 1}",
            "labels 0-9 of two classes or more",
            f"none{middle}; call the column of labels `label` in a header",
        )
    return best


def _judge(path: Path, row: int, block: Floats, label: int, pixels: list[int]) -> None:
    """Raise DataError for a value that is no label or no pixel, with its place."""
    bad = ~((block >= 0) & (block <= 255))
    bad[:, [at for at in range(block.shape[1]) if at not in pixels]] = False
    bad[:, label] = ~((block[:, label] >= 0) & (block[:, label] < MAX_CLASSES) & (block[:, label] % 1 == 0))
    if bad.any():
        at, column = map(int, np.argwhere(bad)[0])
        place, value = f"row {row + at}, column {column + 1}", float(block[at, column])
        if column == label:
            raise unfit(path, place, LABEL, f"{value:g}")
        raise corrupt(path, place, "a number 0-255 or 0..1", beyond(value))
