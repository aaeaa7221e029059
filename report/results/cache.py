"""Results files as Parquet in the user's cache, so that a file is parsed once and then read by columns.

An entry is named by everything that decides what is in it: the file's path, size, times and inode, and the code that
reads it. It is derived and may be deleted at any time; where it cannot be written or read, the file itself is read.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import files
from benchmarks.errors import StorageError
from benchmarks.files import default_cache
from benchmarks.machine.imports import code_hash
from benchmarks.record import schema
from benchmarks.record.store import SweepFile
from report.results import arrow

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
            entry = _place(path, before)
            if found := _kept_table(entry, path, columns):
                return found
            if _settled(before):
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
    sweep, parts = SweepFile(path), [arrow.SCHEMA.empty_table().select(columns)]
    for block in arrow.blocks(file, sweep):
        keep(block)
        parts.append(block.select(columns))
    return _encoded(pa.concat_tables(parts)), sweep


def _parse_and_keep(file: BinaryIO, path: Path, columns: Sequence[str], entry: Path) -> tuple[pa.Table, SweepFile]:
    """Return the same, and make the entry in one piece unless the file changes meanwhile; older ones of it go."""
    before, part = os.fstat(file.fileno()), entry.with_suffix(f".{os.getpid()}.{time.monotonic_ns()}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        with pq.ParquetWriter(part, arrow.SCHEMA, **WRITTEN) as writer:
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


def no_rows(columns: Sequence[str] = arrow.SCHEMA.names) -> pa.Table:
    """Return a table of no rows, as read gives it."""
    return _encoded(arrow.SCHEMA.empty_table().select(columns))


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


def _settled(stat: os.stat_result) -> bool:
    """Return whether a file has been left alone for long enough that its times tell of every change."""
    return time.time() - max(stat.st_mtime, stat.st_ctime) > SETTLED_S
