"""IDX files: images and labels, plain and gzipped, and a header that claims 2^32 - 1 images."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterator
from pathlib import Path

from benchmarks.errors import DataError
from benchmarks.plan.data.readers import read_idx

ERRORS = DataError
TOKENS = (struct.pack(">I", 0x0803), struct.pack(">I", 0x0801), struct.pack(">I", 28), b"\xff\xff\xff\xff")


def seeds() -> Iterator[bytes]:
    images = struct.pack(">4I", 0x0803, 2, 28, 28) + bytes(range(256)) * 6 + bytes(32)
    labels = struct.pack(">2I", 0x0801, 10) + bytes(range(10))
    yield from (images, labels, gzip.compress(images, mtime=0), gzip.compress(labels, mtime=0))
    yield struct.pack(">4I", 0x0803, 2**32 - 1, 28, 28)


def content(data: bytes) -> bytes:
    return data


def parse(path: Path) -> None:
    array = read_idx(path)
    assert array.ndim in (1, 3)
    assert array.size
