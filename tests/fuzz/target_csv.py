"""CSV tables of digits: with and without header, quotes, byte order mark and CRLF, plain and gzipped."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from benchmarks.errors import DataError
from benchmarks.plan.data.csv_file import read_csv

os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"  # the others reserve a gigabyte, which a limit cannot see into
pa.set_io_thread_count(1)  # each that starts later reserves more than the limit lets it
pa.set_cpu_count(1)
ERRORS = DataError
TOKENS = (b"\xef\xbb\xbf", b"\r\n", b'""', b"256", b"-1", b"1_0", b",,", b";", b"0.5", b"nan", b"1e999")
NAMES = ["label", *(f"pixel{number}" for number in range(784))]


def seeds() -> Iterator[bytes]:
    rows = [[str(label), *(str((label * at) % 256) for at in range(784))] for label in range(3)]
    plain = "".join(",".join(row) + "\n" for row in rows).encode()
    quoted = "".join(",".join(f'"{field}"' for field in row) + "\r\n" for row in [NAMES, *rows]).encode()
    yield from (plain, b"\xef\xbb\xbf" + quoted, gzip.compress(plain, mtime=0))


def content(data: bytes) -> bytes:
    return data


def parse(path: Path) -> None:
    found = read_csv(path)
    assert found.images.shape == (len(found.labels), 28, 28)
    assert found.labels.max() <= 9
