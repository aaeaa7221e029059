"""The nested lists of mnist.json.gz, as json.dump writes them, plain and gzipped, and a deep nest."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

from benchmarks.errors import DataError
from benchmarks.plan.data.readers import read_json

ERRORS = DataError
TOKENS = (b"1e999", b"NaN", b"[[[[", b"]]", b"-0.0", b"true", b'"x"')


def seeds() -> Iterator[bytes]:
    parts = [[[[(at % 3) / 2 for at in range(784)]] * count, list(range(count))] for count in (2, 1, 1)]
    text = json.dumps(parts).encode()
    yield from (text, json.dumps(parts, indent=0).encode(), gzip.compress(text, mtime=0), b"[" * 5000 + b"]" * 5000)


def content(data: bytes) -> bytes:
    return data


def parse(path: Path) -> None:
    train, test = read_json(path)
    assert len(train.images) == len(train.labels) > 0
    assert len(test.images) == len(test.labels) > 0
