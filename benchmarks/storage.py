"""Rows on disk: append-only JSON lines, one file per sweep, one write and one fsync per line.

The first line of a file is the run's record (machine, versions, command), the others are what was trained on, proofs,
rows, images that were misread, when a comparison has been measured enough its stop, and at the end where the time went.
Each line carries the schema's version and a checksum of itself. Readers never rewrite: a torn last line is left alone,
a damaged line is reported with its number.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import regular
from benchmarks.errors import SchemaError, StorageError
from benchmarks.lines import LINES, valid
from benchmarks.schema import BY_NAME, READABLE, SCHEMA_VERSION, validate

Record = dict[str, Any]

MAX_LINE_BYTES = 1 << 20
# The checksum ends a line and covers the bytes before it: to hash these costs a tenth of writing the JSON anew.
SEALED = re.compile(rb'(?P<body>.*), "checksum": "(?P<checksum>[0-9a-f]{16})"\}')
CANONICAL = 3  # up to this version the checksum is that of the record's canonical JSON


def checksum(body: bytes) -> str:
    """Return the first 16 hex digits of the SHA-256 of the bytes that a line's checksum covers."""
    return hashlib.sha256(body).hexdigest()[:16]


def canonical(record: Mapping[str, Any]) -> bytes:
    """Return a record's JSON with sorted keys and no spaces."""
    return json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def sealed(line: bytes) -> bool:
    """Return whether a line ends with the checksum of the bytes before it, as lines do since version 4."""
    match = SEALED.fullmatch(line)
    return match is not None and checksum(match["body"]).encode() == match["checksum"]


def append(path: Path, kind: str, record: Mapping[str, Any]) -> None:
    """Append one line (`kind`: one of KINDS); return when it is on the disk, StorageError if it cannot be."""
    body = json.dumps({"kind": kind, "schema_version": SCHEMA_VERSION, **record}, allow_nan=False)[:-1]
    line = f'{body}, "checksum": "{checksum(body.encode())}"}}\n'
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            if os.write(descriptor, line.encode()) != len(line.encode()):
                raise OSError("the disk took part of the line")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StorageError(f"cannot write to {path}: {error}; earlier rows are intact") from error


@dataclass
class Sweep:
    """What a results file holds: the run's record, valid rows, and a line for each that is not valid."""

    path: Path
    run: Record = field(default_factory=dict)
    rows: list[Record] = field(default_factory=list)
    stops: list[Record] = field(default_factory=list)  # why each comparison was measured no further
    proofs: list[Record] = field(default_factory=list)  # the gate's whole answers, one for each cell that has one
    datasets: list[Record] = field(default_factory=list)  # class balance and sample digits
    images: list[Record] = field(default_factory=list)  # test images that rows name as mistakes
    end: Record = field(default_factory=dict)  # empty where it was interrupted
    problems: list[str] = field(default_factory=list)

    def take(self, kind: str, record: Record) -> None:
        """Keep the record of one line that parse has read."""
        if kind in LISTS:
            getattr(self, LISTS[kind]).append(record)
        else:
            setattr(self, kind, record)


SINGLE = ("run", "end")
LISTS = {"row": "rows", "stop": "stops", "proof": "proofs", "dataset": "datasets", "image": "images"}
KINDS = ("row", *LINES)


def parse(line: bytes) -> tuple[str, dict[str, Any]]:
    """Return (kind, record) of one line; SchemaError says what is wrong with it."""
    try:
        body = json.loads(line, object_pairs_hook=unique, parse_constant=refuse)
        if not isinstance(body, dict):
            raise SchemaError("checksum does not match")
        said, version = body.pop("checksum", None), body.get("schema_version")
        old = isinstance(version, int) and version <= CANONICAL
        intact = said == checksum(canonical(body)) if old else sealed(line)
    except (ValueError, RecursionError) as error:
        raise SchemaError(f"not JSON: {error}") from None
    if not intact:
        raise SchemaError("checksum does not match")
    kind = body.pop("kind", None)
    if version not in READABLE:
        found, known = reprlib.repr(version), ", ".join(map(str, READABLE))
        raise SchemaError(f"schema version {found}, this program reads {known}")
    if kind == "row":
        return "row", validate({name: value for name, value in body.items() if name in BY_NAME})
    return str(kind), valid(str(kind), body)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object; ValueError on a key that occurs twice."""
    built = dict(pairs)
    if len(built) != len(pairs):
        raise ValueError("a key occurs twice")
    return built


def refuse(constant: str) -> Any:
    """Refuse NaN and Infinity, which are not JSON."""
    raise ValueError(f"{constant} is not JSON")


def read(path: Path) -> Sweep:
    """Read one file; a torn last line is ignored, damaged lines and what is no file become `problems`."""
    sweep = Sweep(path)
    try:
        with regular.opened(path) as file:
            lines = file.read().split(b"\n")
    except regular.NotRegular as error:
        sweep.problems.append(str(error))
        return sweep
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error}") from error
    for number, line in enumerate(lines[:-1], 1):  # what follows the last newline was torn off by a crash
        judge(sweep, number, line)
    return sweep


def judge(sweep: Sweep, number: int, line: bytes) -> None:
    """Add what the line with this number holds, newline apart, or a problem that says why it holds nothing."""
    try:
        if len(line) > MAX_LINE_BYTES:
            raise SchemaError(f"longer than {MAX_LINE_BYTES} bytes")
        sweep.take(*parse(line))
    except SchemaError as error:
        sweep.problems.append(f"{sweep.path.name}, line {number}: {error}; line ignored")


def read_all(results: Path) -> Iterator[Sweep]:
    """Read every results file of a folder, oldest name first; StorageError if there is no such folder."""
    if not results.is_dir():
        raise StorageError(f"no results folder {results}; make rows with `tox -e bench`, or pass --results DIR")
    for path in sorted(results.glob("*.jsonl")):
        yield read(path)
