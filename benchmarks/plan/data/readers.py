"""Strict readers of the three file formats that tutorials use for handwritten digits.

They are MNIST's own IDX, CSV with a label and 784 pixels a row, and the nested lists of `mnist.json.gz`, which
are parsed one innermost list at a time: json.load would need gigabytes for 70,000 images.

A file is data from a stranger, gzipped or not: no reader reserves memory for what a header claims, each keeps at most
MAX_IMAGES images, and each error is one line with the file, the place, what was expected and what was found.
"""

from __future__ import annotations

import codecs
import gzip
import io
import json
import math
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmarks.errors import DataError, shown
from benchmarks.plan.data import Array, Arrays

# 196 MB of pixels at most, whatever a header claims; the largest digits anyone trains on here (EMNIST) are 240,000.
MAX_IMAGES = 250_000
BLOCK_BYTES = 1 << 18


def _corrupt(path: Path, place: str, expected: object, found: object) -> DataError:
    """Return the one error of all readers: file, place, expected, found."""
    return DataError(f"dataset corrupt: {shown(path)}, {place}: expected {expected}, found {found}")


@contextmanager
def _open_data(path: Path) -> Iterator[io.BufferedIOBase]:
    """Open a regular file for reading, through gzip where it begins like gzip, whatever its name.

    Raises DataError, also for what is found while reading: gzip data that is cut short or damaged.
    """
    if not path.is_file():
        raise DataError(f"cannot read {shown(path)}: no such file")
    try:
        with path.open("rb") as raw:
            gzipped = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            if not gzipped:
                yield raw
                return
            try:
                with gzip.GzipFile(fileobj=raw) as unzipped:
                    yield unzipped
            except EOFError as error:
                place = f"offset {raw.tell()} of the compressed file"
                raise _corrupt(path, place, "more gzip data", "the end of the file") from error
            except (zlib.error, gzip.BadGzipFile) as error:
                raise _corrupt(path, f"near offset {raw.tell()} of the compressed file", "gzip data", error) from error
    except OSError as error:
        raise DataError(f"cannot read {shown(path)}: {error.strerror or error}") from error


DIMENSIONS = {0x00000803: (28, 28), 0x00000801: ()}  # magic numbers: unsigned bytes in three dimensions and in one


def read_idx(path: Path) -> Array:
    """Return the content of an IDX file, gzipped or not: images uint8 (N, 28, 28) or labels uint8 (N,).

    Raises DataError with the offset in the decoded file. Source: http://yann.lecun.com/exdb/mnist/, "file formats".
    """
    with _open_data(path) as handle:
        magic = _word(handle, path, 0)
        if magic not in DIMENSIONS:
            raise _corrupt(path, "offset 0", "magic 0x00000803 or 0x00000801", f"0x{magic:08x}")
        count = _word(handle, path, 4)
        if not 1 <= count <= MAX_IMAGES:
            raise _corrupt(path, "offset 4", f"1 to {MAX_IMAGES} items", count)
        shape = DIMENSIONS[magic]
        for axis, size in enumerate(shape):
            offset = 8 + 4 * axis
            if (found := _word(handle, path, offset)) != size:
                raise _corrupt(path, f"offset {offset}", size, found)
        content = _content(handle, path, 4 + 4 * (1 + len(shape)), count * math.prod(shape))
    array = np.frombuffer(content, dtype=np.uint8).reshape(count, *shape)
    if array.ndim == 1 and array.max() > 9:
        at = int(np.argmax(array > 9))
        raise _corrupt(path, f"offset {8 + at}", "a label 0-9", array[at])
    return array


def _word(handle: io.BufferedIOBase, path: Path, offset: int) -> int:
    word = handle.read(4)
    if len(word) != 4:
        raise _corrupt(path, f"offset {offset}", "a header word of 4 bytes", f"{len(word)} bytes")
    return int.from_bytes(word, "big")


def _content(handle: io.BufferedIOBase, path: Path, start: int, size: int) -> bytearray:
    content = bytearray()  # grows with what really arrives: a header alone never costs memory
    while block := handle.read(min(BLOCK_BYTES, size + 1 - len(content))):
        content += block
        if len(content) > size:
            raise _corrupt(path, f"offset {start + size}", "the end of the data", "trailing bytes")
    if len(content) < size:
        raise _corrupt(path, f"offset {start + len(content)}", f"{size} bytes of data", f"{len(content)} bytes")
    return content


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
        raise _corrupt(path, "row 1", "rows of a label and 784 pixels", "none")
    table = np.frombuffer(values, dtype=np.uint8).reshape(-1, COLUMNS)
    at = _label_index(table, header, label_column)
    if table[:, at].max() > 9:
        row = int(np.argmax(table[:, at] > 9))
        raise _corrupt(path, f"row {row + 1 + bool(header)}, column {at + 1}", "a label 0-9", table[row, at])
    pixels = table[:, 1:] if at == 0 else table[:, :-1]
    return np.ascontiguousarray(pixels).reshape(-1, 28, 28), table[:, at].copy()


def _values(path: Path) -> tuple[bytearray, list[bytes]]:
    values = bytearray()
    header: list[bytes] = []
    with _open_data(path) as handle:
        for row, fields in _rows(handle, path):
            if row == 1 and sum(field not in VALUES for field in fields) > COLUMNS // 2:
                header = fields
                continue
            try:
                values += bytes(map(VALUES.__getitem__, fields))
            except KeyError:
                at = next(at for at, field in enumerate(fields) if field not in VALUES)
                place = f"row {row}, column {at + 1}"
                raise _corrupt(path, place, "a number 0-255", repr(fields[at][:20])) from None
            if len(values) > MAX_IMAGES * COLUMNS:
                raise _corrupt(path, f"row {row}", f"at most {MAX_IMAGES} images", "more")
    return values, header


def _rows(handle: io.BufferedIOBase, path: Path) -> Iterator[tuple[int, list[bytes]]]:
    row = 0
    while line := handle.readline(MAX_LINE_BYTES + 1):
        row += 1
        fields = line.removesuffix(b"\n").removesuffix(b"\r").split(b",")
        if len(line) > MAX_LINE_BYTES:
            place = f"row {row}, column {len(fields)}"
            raise _corrupt(path, place, f"a line of at most {MAX_LINE_BYTES} bytes", "a longer one")
        if row == 1:
            fields[0] = fields[0].removeprefix(codecs.BOM_UTF8)
        if len(fields) != COLUMNS:
            raise _corrupt(
                path, f"row {row}, column {min(len(fields), COLUMNS) + 1}", f"{COLUMNS} columns", len(fields)
            )
        yield row, fields


def _label_index(table: Array, header: list[bytes], label_column: LabelColumn) -> int:
    if label_column != "auto":
        return 0 if label_column == "first" else PIXELS
    named = [field.strip(b'"').lower() in {b"label", b"class"} for field in header]
    if any(named):
        return PIXELS if named[-1] else 0
    return PIXELS if np.ptp(table[:, 0]) == 0 and np.ptp(table[:, -1]) > 0 else 0


MAX_LIST_BYTES = 4 << 20  # 250,000 labels with generous white space
NUMBERS = re.compile(rb"[-+.,0-9eE \t\r\n]*")  # what json.loads takes beyond numbers (NaN, true, strings) is refused

Lists = Iterator[tuple[int, bytes, bytes]]  # of each "]": offset, the commas and brackets before it, its numbers


def read_json(path: Path) -> Arrays:
    """Return (train images, train labels, test images, test labels) of [[images, labels] x 3], gzipped or not.

    The three are train, validation and test; the validation images are checked and left out, not merged into
    train. Pixels 0..1 become uint8 by round(255 x); images (N, 28, 28), labels (N,). Raises DataError with the
    offset of the list in the decoded file.
    """
    with _open_data(path) as handle:
        lists = _lists(handle, path)
        train, _, test = [_part(lists, path, opening) for opening in (b"[[[[", b",[[[", b",[[[")]
        _expect(lists, path, b"")
        for offset, _, _ in lists:
            raise _corrupt(path, f"offset {offset}", "the end of the file", "another list")
    return *train, *test


def _lists(handle: io.BufferedIOBase, path: Path) -> Lists:
    pending, offset = b"", 0
    while block := handle.read(BLOCK_BYTES):
        *texts, pending = (pending + block).split(b"]")
        for text in texts:
            numbers = text.lstrip(b"[, \t\r\n")
            yield offset, text[: len(text) - len(numbers)].translate(None, b" \t\r\n"), numbers
            offset += len(text) + 1
        if len(pending) > MAX_LIST_BYTES:
            raise _corrupt(path, f"offset {offset}", f"a list of at most {MAX_LIST_BYTES} bytes", "a longer one")
    if pending.strip():
        raise _corrupt(path, f"offset {offset}", "the end of the file", repr(pending[:20]))


def _next(lists: Lists, path: Path) -> tuple[int, bytes, bytes]:
    for found in lists:
        return found
    raise _corrupt(path, "end of the file", "[[images, labels], [images, labels], [images, labels]]", "less")


def _expect(lists: Lists, path: Path, prefix: bytes) -> tuple[int, bytes]:
    offset, found, numbers = _next(lists, path)
    if found != prefix or (numbers and not prefix):
        raise _corrupt(path, f"offset {offset}", repr(prefix + b"]"), repr((found + numbers)[:20]))
    return offset, numbers


def _part(lists: Lists, path: Path, opening: bytes) -> tuple[Array, Array]:
    pixels = bytearray()
    offset, found, numbers = _next(lists, path)
    while found or numbers or not pixels:  # an empty one closes the list of images
        if found != opening:
            raise _corrupt(path, f"offset {offset}", repr(opening), repr((found + numbers)[:20]))
        pixels += _image(numbers, offset, path)
        if len(pixels) > MAX_IMAGES * PIXELS:
            raise _corrupt(path, f"offset {offset}", f"at most {MAX_IMAGES} images", "more")
        opening = b",["
        offset, found, numbers = _next(lists, path)
    offset, numbers = _expect(lists, path, b",[")
    labels = _labels(numbers, offset, path)
    if len(labels) * PIXELS != len(pixels):
        raise _corrupt(path, f"offset {offset}", f"{len(pixels) // PIXELS} labels", len(labels))
    _expect(lists, path, b"")
    return np.frombuffer(pixels, dtype=np.uint8).reshape(-1, 28, 28), labels


def _numbers(text: bytes, offset: int, path: Path) -> list[Any]:
    try:
        if NUMBERS.fullmatch(text):
            return list(json.loads(b"[" + text + b"]"))
    except ValueError:
        pass
    raise _corrupt(path, f"offset {offset}", "a list of numbers", repr(text[:20]))


def _image(text: bytes, offset: int, path: Path) -> bytes:
    numbers = _numbers(text, offset, path)
    if len(numbers) != PIXELS:
        raise _corrupt(path, f"offset {offset}", f"an image of {PIXELS} pixels", len(numbers))
    for at, number in enumerate(numbers):
        if not 0 <= number <= 1:
            raise _corrupt(path, f"offset {offset}, pixel {at}", "a pixel 0..1", str(number)[:20])
    return np.rint(np.array(numbers, dtype=np.float64) * 255).astype(np.uint8).tobytes()


def _labels(text: bytes, offset: int, path: Path) -> Array:
    numbers = _numbers(text, offset, path)
    for at, number in enumerate(numbers):
        if not (isinstance(number, int) and 0 <= number <= 9):
            raise _corrupt(path, f"offset {offset}, label {at}", "a label 0-9", str(number)[:20])
    return np.array(numbers, dtype=np.uint8)
