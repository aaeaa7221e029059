"""Results files: each line that the fuzzer makes, and the same with a right checksum, so that the schema sees it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.errors import StorageError
from benchmarks.record.schema import COLUMNS, SCHEMA_VERSION
from benchmarks.record.store import KINDS, _checksum, append
from tests.kept import read_file

ERRORS = StorageError
TOKENS = (b"1e999", b"NaN", b"[[", b"{}", b"null", b"1" * 20, b"\\ud800", b'"schema_version": 4, ', b'"__proto__": ')
VALUES = {"str": "x", "int": 1, "float": 0.5, "strings": ["x"], "ints": [1, 2], "floats": [0.5, 1]}
AXES = {"device": "cpu", "input": "preloaded", "task": "speed", "status": "ok", "lockstep": "pass"}


def row() -> dict[str, object]:
    return {column.name: VALUES[column.kind] for column in COLUMNS} | AXES | {"schema_version": SCHEMA_VERSION}


def seeds() -> Iterator[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            path = Path(folder) / f"{kind}.jsonl"
            append(path, kind, row() if kind == "row" else {"name": kind})
            yield path.read_bytes()
    yield b'{"schema_version": 4, "rows": [0.5, -1, true, null, "x", {}]}\n'


def content(data: bytes) -> bytes:
    return b"\n".join([data, *map(signed, data.split(b"\n")[:4]), b""])


def signed(line: bytes) -> bytes:
    """Return the line with the right checksum in place of its own."""
    body = line.partition(b', "checksum"')[0].removesuffix(b"}")
    return body + f', "checksum": "{_checksum(body)}"}}'.encode()


def parse(path: Path) -> None:
    sweep = read_file(path)
    assert all(problem.isprintable() and len(problem) < 600 for problem in sweep.problems)
