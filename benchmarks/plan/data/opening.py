"""A stranger's file is opened: regular, through gzip where it begins so, and called what it is where that is no data.

A download that failed leaves an HTML page, a clone without its large files a pointer. Both have the right name, and
their first bytes say what they are. A pickle is never opened: to read one runs the code in it.
"""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.errors import DataError, shown
from benchmarks.plan.data import FITS, MAX_IMAGES

GZIP = b"\x1f\x8b"
PICKLE = (
    "a pickle, which can run code and is not opened; save its arrays with numpy.savez(PATH, x_train=..., y_train=...)"
)
PAGE = "an HTML page; download the file itself, not the page about it"
KINDS = {  # how a file begins, in lower case: what it is, and what helps
    b"<!doctype html": PAGE, b"<html": PAGE, b"<?xml": PAGE,
    b"version https://git-lfs": "a pointer of Git LFS; git lfs pull fetches the file",
    **{b"\x80" + bytes([protocol]): PICKLE for protocol in range(2, 6)},
    GZIP: "gzipped twice; gunzip it once",
    b"bzh": "compressed by bzip2; bunzip2 it", b"\xfd7zxz": "compressed by xz; unxz it",
    b"pk\x03\x04": "a zip archive; unzip it, and give the path of what was in it",
    b"par1": "a Parquet file; let its name end in .parquet",
    b"\x89png": "a PNG picture; a data set is a folder of them for each class",
    b"\xff\xd8\xff": "a JPEG picture; a data set is a folder of them for each class",
    b"\xff\xfe": "text in UTF-16; save it as UTF-8", b"\xfe\xff": "text in UTF-16; save it as UTF-8",
}  # fmt: skip
LONGEST_SHOWN = 20
NUMPY_ALONE = "give four IDX files or an .npz, which need NumPy alone"  # where a reader's package is missing

File = io.BufferedReader | gzip.GzipFile


def corrupt(path: Path, place: str, expected: object, found: object) -> DataError:
    """Return the one error of all readers: file, place, expected, found."""
    return DataError(f"dataset corrupt: {shown(path)}, {place}: expected {expected}, found {found}")


def unfit(path: Path, place: str, expected: object, found: object) -> DataError:
    """Return the error of a file that may be well, but holds what is not read here."""
    return DataError(f"dataset does not fit: {shown(path)}, {place}: expected {expected}, found {found}; {FITS}")


def written(found: bytes | str) -> str:
    """Return the beginning of what a file holds, as a person writes it."""
    text = found.decode(errors="replace") if isinstance(found, bytes) else found
    return shown(text[:LONGEST_SHOWN].strip()) or "nothing"


def kind_of(head: bytes) -> str | None:
    """Return what a file is that begins so, and what helps; None where that may be data."""
    begins = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return next((kind for magic, kind in KINDS.items() if begins.startswith(magic) or head.startswith(magic)), None)


@contextmanager
def open_data(path: Path, magic: tuple[bytes, ...] = ()) -> Iterator[File]:
    """Open a regular file for reading, through gzip where it begins like gzip, whatever its name.

    `magic` are the ways in which the file may begin, if they are known. Raises DataError, also for what is found while
    reading: gzip data that is cut short or damaged.
    """
    if not path.is_file():
        raise DataError(f"cannot read {shown(path)}: no such file")
    try:
        with path.open("rb") as raw:
            if not raw.peek(len(GZIP)).startswith(GZIP):
                yield _data(raw, path, magic)
                return
            try:
                with gzip.GzipFile(fileobj=raw) as unzipped:
                    yield _data(unzipped, path, magic)
            except EOFError as error:
                place = f"offset {raw.tell()} of the compressed file"
                raise corrupt(path, place, "more gzip data", "the end of the file") from error
            except (zlib.error, gzip.BadGzipFile) as error:
                raise corrupt(path, f"near offset {raw.tell()} of the compressed file", "gzip data", error) from error
    except OSError as error:
        raise DataError(f"cannot read {shown(path)}: {error.strerror or error}") from error


def _data(file: File, path: Path, magic: tuple[bytes, ...]) -> File:
    """Return the file; DataError where its first bytes say that it is something else."""
    head = file.peek(64)[:64]
    if head.startswith(magic):
        return file
    if kind := kind_of(head):
        raise DataError(f"{shown(path)} is no data set but {kind}")
    if magic:
        raise corrupt(path, "offset 0", f"a file as {written(path.suffix)} says", written(head))
    return file


def names(folder: Path) -> list[str]:
    """Return the sorted names in a folder without the hidden ones; DataError for more than a data set has."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            found += [] if entry.name.startswith(".") else [entry.name]
            if len(found) > MAX_IMAGES:
                raise DataError(f"{shown(folder)} has more than {MAX_IMAGES} files; give a part of them")
    return sorted(found)
