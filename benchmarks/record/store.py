"""Rows on disk: append-only JSON lines, one file per sweep, one write and one fsync per line.

The first line of a file is the run's record (machine, versions, what was requested). The others are data sets,
networks of the user's own, proofs, rows, misread images, a stop for each comparison that was measured enough, and at
the end where the time went. Each line carries the schema's version and a checksum of itself. Readers never rewrite: a
torn last line is ignored, and a damaged line is reported with its number.

Sweeps that resumed one another count as one session, and so do the members of one sweep. A sweep BASE over several
machines has a file for each member, whose own sweep is named BASE.m01, BASE.m02 and so on; the file BASE itself is the
driver's. report/tables/groups.py says which of a session's launches tables show.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import reprlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.errors import SchemaError, StorageError, UsageError
from benchmarks.files import NotRegular, open_regular, read_lines
from benchmarks.machine import signals
from benchmarks.record.schema import BY_NAME, LINES, SCHEMA_VERSION, valid, validate
from benchmarks.worker.validate import loads

FREE_BYTES = 16 << 20  # a row takes some 10 KB: a thousand rows and their proofs


def check(results: Path) -> None:
    """Make the results folder and try it; StorageError where it cannot be written or has less than FREE_BYTES."""
    try:
        results.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=results):
            pass
        disk = os.statvfs(results)
    except OSError as error:
        doing = "write to" if results.is_dir() else "make"
        raise StorageError(
            f"cannot {doing} the results folder {results}: {error.strerror}; pass --results DIR"
        ) from error
    if (free := disk.f_bavail * disk.f_frsize) < FREE_BYTES:
        raise StorageError(
            f"the results folder {results} has {free / 2**20:.1f} MiB left, a sweep needs {FREE_BYTES >> 20};"
            " free some, or pass --results DIR"
        )


Record = dict[str, Any]

MAX_LINE_BYTES = 1 << 20  # a row has a few thousand
BLOCK_BYTES = 8 << 20  # read at a time
MAX_FILE_BYTES = 1 << 30  # some 300,000 launches; rows in memory need a few times as much
MAX_PROBLEMS = 1000  # named; a file of damaged lines alone must not fill the memory with their descriptions
MAX_PROBLEM_CHARS = 400
# The checksum ends a line and covers the bytes before it: to hash these costs a tenth of writing the JSON again.
SEALED = re.compile(rb'(?P<body>.*), "checksum": "(?P<checksum>[0-9a-f]{16})"\}')


def _checksum(body: bytes) -> str:
    """Return the first 16 hex digits of the SHA-256 of the bytes that a line's checksum covers."""
    return hashlib.sha256(body).hexdigest()[:16]


def append(path: Path, kind: str, *records: Mapping[str, Any]) -> None:
    """Append a line for each record (`kind`: one of KINDS); return when all are on the disk.

    One write a line, then one fsync. StorageError where a line cannot be written; a part of it may then stand at the
    file's end, which readers ignore.
    """
    append_lines(path, [_line(kind, record) for record in records])


def create(path: Path, record: Mapping[str, Any]) -> None:
    """Make a sweep's file with the run's record in it; StorageError where the file exists already."""
    append_lines(path, [_line("run", record)], new=True)


def append_lines(path: Path, contents: Sequence[bytes], wait: bool = True, new: bool = False) -> None:
    """Append lines as they are, newlines included, as append() does; without `wait` settle() is to follow.

    A `new` file must not exist yet.
    """
    try:
        with signals.deferred(), _opened(path, new) as descriptor:
            for number, content in enumerate(contents):
                _write(descriptor, content if number or _whole(descriptor) else b"\n" + content)
            if wait:
                os.fsync(descriptor)
    except FileExistsError as error:
        raise StorageError(f"{path} is another sweep's and stays as it is; start this one again") from error
    except OSError as error:
        raise StorageError(f"cannot write to {path}: {error.strerror}; earlier rows are intact") from error


def settle(path: Path) -> None:
    """Return when all lines of a file are on the disk; StorageError where the disk fails."""
    append_lines(path, [])


def _line(kind: str, record: Mapping[str, Any]) -> bytes:
    """Return a record as a line with its newline."""
    body = json.dumps({"kind": kind, "schema_version": SCHEMA_VERSION, **record}, allow_nan=False)[:-1].encode()
    return body + f', "checksum": "{_checksum(body)}"}}\n'.encode()


@contextmanager
def _opened(path: Path, new: bool) -> Iterator[int]:
    """Yield a descriptor that appends to a file; a missing one is made, and its name put on the disk too.

    FileExistsError where the file must be `new` and exists.
    """
    made = new or not path.exists()
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_EXCL if new else 0)
    descriptor = os.open(path, flags, 0o644)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
    if made:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _whole(descriptor: int) -> bool:
    """Return whether a file is empty or ends with a newline: after a torn line the next needs a newline first."""
    size = os.fstat(descriptor).st_size
    return not size or os.pread(descriptor, 1, size - 1) == b"\n"


def _write(descriptor: int, content: bytes) -> None:
    """Write all of it, at once where the disk lets us; after a part was taken, the rest raises what is wrong."""
    while content:
        content = content[os.write(descriptor, content) :]


@dataclass
class SweepFile:
    """What a results file holds: the run's record, valid rows, and a line for each that is not valid."""

    path: Path
    run: Record = field(default_factory=dict)
    rows: list[Record] = field(default_factory=list)
    stops: list[Record] = field(default_factory=list)  # why each comparison was measured no further
    proofs: list[Record] = field(default_factory=list)  # the gate's whole answers, one for each cell that has one
    datasets: list[Record] = field(default_factory=list)  # class balance and sample digits
    networks: list[Record] = field(default_factory=list)  # declarations of the user's own
    images: list[Record] = field(default_factory=list)  # test images that rows name as mistakes
    end: Record = field(default_factory=dict)  # empty where it was killed
    problems: list[str] = field(default_factory=list)

    def take(self, kind: str, record: Record) -> None:
        """Keep the record of one line that parse has read."""
        if kind in LISTS:
            getattr(self, LISTS[kind]).append(record)
        else:
            setattr(self, kind, record)


class OtherVersion(SchemaError):
    """A line of another schema version."""


ADVICE = "read it with the version of Lockstep that wrote it"
LISTS = {
    "row": "rows", "stop": "stops", "proof": "proofs", "dataset": "datasets", "network": "networks", "image": "images",
}  # fmt: skip
KINDS = ("row", *LINES)


def parse(line: bytes) -> tuple[str, dict[str, Any]]:
    """Return (kind, record) of one line; SchemaError says what is wrong with it."""
    try:
        body = loads(line)
    except ValueError as error:
        raise SchemaError(f"not JSON: {error}") from None
    if not isinstance(body, dict):
        raise SchemaError("not an object")
    if (version := body.get("schema_version")) != SCHEMA_VERSION:  # asked first: its checksum may be another one
        raise OtherVersion(f"schema version {reprlib.repr(version)}, this program reads {SCHEMA_VERSION}; {ADVICE}")
    seal = SEALED.fullmatch(line)
    if seal is None or _checksum(seal["body"]).encode() != seal["checksum"]:
        raise SchemaError("checksum does not match")
    kind = body.pop("kind", None)
    del body["checksum"]
    if kind == "row":
        return "row", validate({name: value for name, value in body.items() if name in BY_NAME})
    return str(kind), valid(str(kind), body)


def rows(path: Path) -> Iterator[Record]:
    """Yield the valid rows of one file one by one, for a reader that keeps little of each.

    A torn last line is ignored, as other damaged lines and a path that is no file are. Lines are read one by one and
    no file is larger than MAX_FILE_BYTES.
    """
    sweep = SweepFile(path)
    for number, line in _numbered(path, sweep):
        judge(sweep, number, line)
        yield from sweep.rows
        sweep = SweepFile(path)


def run_of(path: Path) -> Record:
    """Return the run's record, which is a file's first line; empty where that cannot be read."""
    sweep = SweepFile(path)
    for number, line in itertools.islice(_numbered(path, sweep), 1):
        judge(sweep, number, line)
    return sweep.run


def _numbered(path: Path, sweep: SweepFile) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of one file, newlines apart, with their numbers from 1; a torn last line is not among them.

    A path that is not a regular file becomes a problem of the sweep; StorageError for a file that is too large or
    cannot be read.
    """
    try:
        with open_regular(path) as file:
            if (size := os.fstat(file.fileno()).st_size) > MAX_FILE_BYTES:
                asked = f"expected a results file of at most {MAX_FILE_BYTES} bytes, found one of {size}"
                raise StorageError(f"cannot read {path}: {asked}; move it out of the results folder")
            lines = itertools.chain.from_iterable(read_lines(file, BLOCK_BYTES, MAX_LINE_BYTES))
            yield from enumerate(lines, 1)
    except NotRegular as error:
        sweep.problems.append(str(error))
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error


def judge(sweep: SweepFile, number: int, line: bytes) -> None:
    """Add what the line with this number holds, newline apart, or a problem that says why it holds nothing.

    Lines of another version that follow each other are one problem.
    """
    try:
        if len(line) > MAX_LINE_BYTES:
            raise SchemaError(f"longer than {MAX_LINE_BYTES} bytes")
        sweep.take(*parse(line))
    except SchemaError as error:
        if isinstance(error, OtherVersion) and sweep.problems and f": {error};" in sweep.problems[-1]:
            return
        if len(sweep.problems) < MAX_PROBLEMS:
            sweep.problems.append(f"{sweep.path.name}, line {number}: {str(error)[:MAX_PROBLEM_CHARS]}; line ignored")
        elif len(sweep.problems) == MAX_PROBLEMS:
            sweep.problems.append(f"{sweep.path.name}, line {number} and after it: more damaged lines; all ignored")


def files(results: Path) -> list[Path]:
    """Return the results files of a folder, oldest name first; UsageError if there is no such folder."""
    if not results.is_dir():
        raise UsageError(f"no results folder {results}; make rows with `tox -e bench`, or pass --results DIR")
    return sorted(results.glob("*.jsonl"))


def submissions(results: Path) -> list[Path]:
    """Return the folders of submitters in a folder; none where it has results files itself."""
    return [] if any(results.glob("*.jsonl")) else sorted({path.parent for path in results.glob("*/*.jsonl")})


MEMBER = re.compile(r"(.+)\.m\d+", re.DOTALL)


def base_of(sweep: str) -> str:
    """Return the sweep that a member's sweep is part of; any other sweep itself."""
    member = MEMBER.fullmatch(sweep)
    return member[1] if member else sweep


def sessions(runs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return for each sweep that another resumed the last one that did, through all that lie between.

    A run record's `resumes` names the sweeps it went on with; names sort by time, and only older ones count. Members
    are named by the sweep that they are part of.
    """
    last: dict[str, str] = {}
    named: dict[str, set[str]] = {}
    for run in runs:
        named.setdefault(base_of(str(run.get("sweep"))), set()).update(map(base_of, run.get("resumes", [])))
    for name in sorted(named, reverse=True):
        for older in named[name]:
            if older < name:
                last.setdefault(older, last.get(name, name))
    return last


def session(sweep: str, last: Mapping[str, str]) -> str:
    """Return the session of a sweep's launches; `last` is what sessions() says."""
    base = base_of(sweep)
    return last.get(base, base)
