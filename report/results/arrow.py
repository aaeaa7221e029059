"""One results file as Arrow tables, parsed once and then kept as Parquet in the user's cache and read by columns.

store.judge is the judge of what a line holds and needs a tenth of a millisecond for it. A line whose checksum holds
is as our own writer left it, so Arrow parses such lines by the thousand and the schema's checks run on whole columns;
lines that Arrow or a check does not like go to the judge. Both ways give the same table.

An entry of the cache is named by everything that decides what is in it: the file's path, size, times and inode, and the
code that reads it. It may be deleted at any time; where it cannot be written or read, the file itself is read.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
import pyarrow.parquet as pq

from benchmarks import files
from benchmarks.errors import StorageError
from benchmarks.files import default_cache
from benchmarks.machine.imports import code_hash
from benchmarks.record import schema, store
from benchmarks.record.schema import COLUMNS, SCHEMA_VERSION, Column
from benchmarks.record.store import SweepFile
from benchmarks.worker.validate import fraction, positive

BLOCK_BYTES = 8 << 20  # of lines at a time: memory does not grow with a file's length
FEWEST = 16  # lines that are not worth another halving: the judge takes them
TYPES = {
    "str": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "strings": pa.list_(pa.string()),
    "ints": pa.list_(pa.int64()),
    "floats": pa.list_(pa.float64()),
}
SCHEMA = pa.schema([(column.name, TYPES[column.kind]) for column in COLUMNS])
LINE = pa.schema([("kind", pa.string()), *SCHEMA, ("checksum", pa.string())])
HEAD = f'{{"kind": "row", "schema_version": {SCHEMA_VERSION}, '.encode()
MARK = b', "checksum": "'
TAIL_BYTES = len(MARK) + 16 + len(b'"}')
AT_ONCE = pa.json.ReadOptions(use_threads=False, block_size=4 << 20)  # threads read files of their own: load.py
STRICT = pa.json.ParseOptions(explicit_schema=LINE, unexpected_field_behavior="error")
WITHIN = (positive, fraction)  # checks that hold for all values if they hold for the smallest and the largest
UNCHECKED = Column.__dataclass_fields__["check"].default


def blocks(file: BinaryIO, sweep: store.SweepFile) -> Iterator[pa.Table]:
    """Yield the valid rows of a file in order, a table with the schema's columns for each block of lines.

    The other records and a line on each damaged one are added to `sweep`; what follows the last newline is ignored.
    """
    before = 0
    for found in files.read_lines(file, BLOCK_BYTES, store.MAX_LINE_BYTES):
        yield _block(found, before, sweep)
        before += len(found)


def _block(found: Sequence[bytes], before: int, sweep: store.SweepFile) -> pa.Table:
    """Return the rows of some lines, `before` of which the file has others, and note the rest in `sweep`."""
    sound = [number for number, line in enumerate(found) if _is_sound(line)]
    tables: list[pa.Table] = []
    taken = _parsed(found, sound, tables)
    rows: list[dict[str, Any]] = []
    judged: list[int] = []
    for number in sorted(set(range(len(found))).difference(taken)):
        store.judge(sweep, before + number + 1, found[number])
        if sweep.rows:
            row = sweep.rows.pop()
            rows.append({column.name: clean(column.kind, row[column.name]) for column in COLUMNS})
            judged.append(number)
    if not rows:
        return pa.concat_tables([SCHEMA.empty_table(), *tables])
    places = pa.array([*taken, *judged])
    return pa.concat_tables([*tables, pa.Table.from_pylist(rows, SCHEMA)]).take(pc.sort_indices(places))


def _is_sound(line: bytes) -> bool:
    """Return whether a line is a row of this version that nothing changed since."""
    end = len(line) - TAIL_BYTES
    return (
        line.startswith(HEAD)
        and line.startswith(MARK, end)
        and line.endswith(b'"}')
        and len(line) <= store.MAX_LINE_BYTES
        and line.isascii()
        and hashlib.sha256(memoryview(line)[:end]).hexdigest()[:16].encode() == line[-18:-2]
    )


def _parsed(found: Sequence[bytes], numbers: list[int], tables: list[pa.Table]) -> list[int]:
    """Add tables of the lines with these numbers, in order, and return the numbers of the lines that are in them.

    Lines that one among them spoils are halved until few are left.
    """
    if not numbers:
        return []
    table = _at_once([found[number] for number in numbers])
    if table is not None:
        tables.append(table)
        return numbers
    if len(numbers) <= FEWEST:
        return []
    half = len(numbers) // 2
    return _parsed(found, numbers[:half], tables) + _parsed(found, numbers[half:], tables)


def _at_once(some: Sequence[bytes]) -> pa.Table | None:
    """Return the rows of sound lines, or None if Arrow or a check of the schema does not like one of them.

    Each line begins with its kind, which cannot come twice. Each begins and ends with a brace, so no object spans two
    lines, and as many rows as lines is one row a line. A key that occurs twice and one that the schema lacks are errors
    to Arrow; NaN, and null in a list, are not.
    """
    try:
        table = pa.json.read_json(pa.BufferReader(b"\n".join(some)), AT_ONCE, STRICT)
    except (pa.ArrowException, ValueError):
        return None
    if table.num_rows != len(some) or table.schema != LINE:
        return None
    return table.select(SCHEMA.names) if all(_holds(column, table[column.name]) for column in COLUMNS) else None


def _holds(column: Column, values: pa.ChunkedArray) -> bool:
    """Return whether all values of a column are what schema.validate lets pass, their type aside."""
    if column.required and values.null_count:
        return False
    nested = pa.types.is_list(values.type)
    items = pc.list_flatten(values) if nested else values
    if nested and items.null_count:
        return False
    if pa.types.is_floating(items.type) and not pc.all(pc.is_finite(items), min_count=0).as_py():
        return False
    if column.check is UNCHECKED:
        return True
    if column.check in WITHIN:
        found = pc.min_max(values).as_py().values()
    else:
        found = (values if nested else pc.unique(values)).to_pylist()
    return all(column.check(value) for value in found if value is not None)


def clean(kind: str, value: Any) -> Any:
    """Return a value as Arrow takes it: an integer among floats is one, half a surrogate pair is written out."""
    match kind, value:
        case _, None:
            return None
        case "float", _:
            return float(value)
        case "str", _:
            return value.encode("utf-8", "backslashreplace").decode()
        case "floats", _:
            return [float(item) for item in value]
        case "strings", _:
            return [clean("str", item) for item in value]
        case _:
            return value


SETTLED_S = 2.0  # a file changed more recently may change again within its clock's grain, and look the same
TEXTS = [column.name for column in schema.COLUMNS if column.kind == "str"]
ABOUT = [field.name for field in fields(SweepFile) if field.name not in ("path", "rows")]
KEY = b"lockstep"
WRITTEN = {"use_dictionary": TEXTS, "compression": "lz4", "write_page_checksum": True}


def read(path: Path, columns: Sequence[str]) -> tuple[pa.Table, SweepFile]:
    """Return some columns of a file's valid rows, text as dictionaries, and its sweep without rows.

    What is no regular file is one of the sweep's problems, StorageError if it cannot be read; the cache never is an
    error.
    """
    try:
        with files.open_regular(path) as file:
            before = os.fstat(file.fileno())
            try:
                entry = _place(path, before)
            except files.NoCache:
                return parse(file, path, columns)
            if found := _kept_table(entry, path, columns):
                return found
            if time.time() - max(before.st_mtime, before.st_ctime) > SETTLED_S:
                with suppress(OSError):  # a cache that cannot be written, a full disk
                    return _parse_and_keep(file, path, columns, entry)
                file.seek(0)
            return parse(file, path, columns)
    except files.NotRegular as error:
        return no_rows(columns), SweepFile(path, problems=[str(error)])
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error


def _kept_table(entry: Path, path: Path, columns: Sequence[str]) -> tuple[pa.Table, SweepFile] | None:
    """Return what an entry holds, or None if there is none or it is damaged."""
    try:
        with pq.ParquetFile(entry, read_dictionary=TEXTS, page_checksum_verification=True) as file:
            about = json.loads(file.metadata.metadata[KEY])
            return _encoded(file.read(list(columns), use_threads=False)), SweepFile(path, **about)
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError):
        return None


def parse(
    file: BinaryIO, path: Path, columns: Sequence[str], keep: Callable[[pa.Table], None] = lambda block: None
) -> tuple[pa.Table, SweepFile]:
    """Return the same from the file itself; `keep` gets each block of rows with all columns."""
    sweep, parts = SweepFile(path), [SCHEMA.empty_table().select(columns)]
    for block in blocks(file, sweep):
        keep(block)
        parts.append(block.select(columns))
    return _encoded(pa.concat_tables(parts)), sweep


def _parse_and_keep(file: BinaryIO, path: Path, columns: Sequence[str], entry: Path) -> tuple[pa.Table, SweepFile]:
    """Return the same, and make the entry in one piece unless the file changes meanwhile; older ones of it go."""
    before, part = os.fstat(file.fileno()), entry.with_suffix(f".{os.getpid()}.{time.monotonic_ns()}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        with pq.ParquetWriter(part, SCHEMA, **WRITTEN) as writer:
            table, sweep = parse(file, path, columns, writer.write_table)
            writer.add_key_value_metadata({KEY: json.dumps({name: getattr(sweep, name) for name in ABOUT})})
        if _state(before) == _state(os.fstat(file.fileno())):
            part.rename(entry)
            for other in entry.parent.glob(f"{entry.name.split('-')[0]}-*.parquet"):
                if other != entry:
                    other.unlink(missing_ok=True)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return table, sweep


def no_rows(columns: Sequence[str] = SCHEMA.names) -> pa.Table:
    """Return a table of no rows, as read gives it."""
    return _encoded(SCHEMA.empty_table().select(columns))


def _encoded(table: pa.Table) -> pa.Table:
    """Return the table with its texts as dictionaries; most columns hold few different ones."""
    for index, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            table = table.set_column(index, field.name, table.column(index).dictionary_encode())
    return table


def _place(path: Path, stat: os.stat_result) -> Path:
    """Return the entry that is, or would be, kept of a file in this state."""
    path_key = files.cache_key({"path": str(path.resolve())})
    return default_cache() / "rows" / f"{path_key}-{files.cache_key({'state': _state(stat), 'code': _code()})}.parquet"


def _code() -> str:
    """Return what decides how a file is read: the modules of ours that this one imports, and the version of Arrow."""
    return f"{code_hash(__name__, packages=False)} {pa.__version__}"


def _state(stat: os.stat_result) -> list[int]:
    """Return what changes when a file does."""
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
