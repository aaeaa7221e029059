"""Opening a data file that may be hostile: gzipped or not, every failure is one DataError line with its place."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.errors import DataError

# 196 MB of pixels at most, whatever a header claims; the largest digits anyone trains on here (EMNIST) are 240,000.
MAX_IMAGES = 250_000
BLOCK_BYTES = 1 << 18


def shown(path: Path | str) -> str:
    """Return the path, or a name from a file, as it stands in a message: quoted where it would break the line."""
    text = str(path)
    return text if text.isprintable() else ascii(text)


def corrupt(path: Path, place: str, expected: object, found: object) -> DataError:
    """Return the one error of all readers: file, place, expected, found."""
    return DataError(f"dataset corrupt: {shown(path)}, {place}: expected {expected}, found {found}")


@contextmanager
def open_data(path: Path) -> Iterator[io.BufferedIOBase]:
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
                raise corrupt(path, place, "more gzip data", "the end of the file") from error
            except (zlib.error, gzip.BadGzipFile) as error:
                raise corrupt(path, f"near offset {raw.tell()} of the compressed file", "gzip data", error) from error
    except OSError as error:
        raise DataError(f"cannot read {shown(path)}: {error.strerror or error}") from error


def file_sha256(path: Path) -> str:
    """Return the hex sha256 of the file's bytes as they lie on the disk; DataError if it cannot be read."""
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"cannot read {shown(path)}: {error.strerror or error}") from error
