"""The one loader: the results files of a folder, a file or a git revision as one typed pandas frame."""

from __future__ import annotations

import difflib
import gc
import glob
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.errors import StorageError, UsageError, plain
from benchmarks.machine import git
from benchmarks.record.schema import BY_NAME, COLUMNS
from benchmarks.record.store import SweepFile, session, sessions
from report.results import arrow, machines
from report.tables.compare import CELL

FOLDER = "results"


@contextmanager
def _extracted(revision: str) -> Iterator[list[Path] | None]:
    """Yield the results files at `REV`, `REV:path/to/folder` or `REV:path/to/file.jsonl`, in a temporary folder.

    REV alone means its folder results/. Yields None where this is no revision of the repository; UsageError where it
    is one without such results.
    """
    rev, _, path = revision.partition(":")
    path = path.strip("/") or FOLDER
    named = rev and git.output("rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}")
    if not named:
        yield None
        return
    commit = named.decode().strip()
    below = {Path(name): blob for name, blob in _tree(commit, path).items()}
    found = {name.name: blob for name, blob in below.items() if Path(path) in (name, name.parent)}
    if not found:
        folders = ", ".join(sorted({f"{rev}:{Path(name).parent}" for name in _tree(commit, FOLDER)}))
        others = f"there are: {folders}" if folders else "it has none in any folder of results/"
        raise UsageError(plain(f"{rev} has no .jsonl files in {path}; {others}"))
    with tempfile.TemporaryDirectory(prefix="lockstep-") as folder:
        for name, blob in found.items():
            (Path(folder) / name).write_bytes(git.output("cat-file", "blob", blob) or b"")
        yield sorted(Path(folder).iterdir())


def _tree(commit: str, path: str) -> dict[str, str]:
    """Return the blobs of all results files at or below a path of a commit, by full name, links left out."""
    listed = git.output("--literal-pathspecs", "ls-tree", "-r", "-z", "--full-tree", commit, "--", path)
    found = {}
    for line in filter(None, (listed or b"").split(b"\0")):
        about, name = line.decode(errors="surrogateescape").split("\t", 1)
        mode, _, blob = about.split()
        if mode.startswith("100") and name.endswith(".jsonl"):
            found[name] = blob
    return found


DERIVED = ("machine_kind", "machine", "session", "overtaken")  # the frame's columns that do not stand in rows
COLUMN_NAMES = (*(column.name for column in COLUMNS), *DERIVED)
DTYPES = {
    pa.int64(): pd.Int64Dtype(), pa.float64(): pd.Float64Dtype(), pa.large_string(): pd.StringDtype(),
    pa.bool_(): pd.BooleanDtype(),
}  # fmt: skip
# What tells launches and cells apart; always loaded.
KEYS = {*CELL, *DERIVED, "sweep", "cell", "task", "round", "seed", "attempt", "status"}
TEXT = pa.dictionary(pa.int32(), pa.string())
Part = machines.Part
READERS = 2  # threads; parsing and hashing leave the interpreter's lock


def load(source: str | Path, columns: Sequence[str] | None = None, categories: bool = False) -> pd.DataFrame:
    """Return all valid rows of `source`: one line a launch, the schema's columns and DERIVED.

    `source` is a folder with .jsonl files, one such file with those of its members where it is a sweep's over several
    machines, or a git revision of this repository: `REV` for its results/, or `REV:path/to/folder`. Numbers and text
    have nullable dtypes, an absent number is no zero and no NaN; lists are Python lists. `machine_kind` is from the
    file's run record, `machine` names that kind for people; `session` is the sweep that resumed this launch's sweep
    last, or that sweep itself; `overtaken` launches are of a comparison that began again, as their machine was lost,
    and count no more. With `columns` only those and KEYS are read, in the schema's order; with `categories` text is a
    pandas category, sorted by name, which takes a tenth of the memory where rows are many.
    Lines that cannot be read are named on stderr and left out. UsageError if there is no such source or column,
    StorageError for one that cannot be read.
    """
    names = wanted(columns)
    read = [name for name in names if name in BY_NAME]
    parts = _parts_of(source, read)
    for _, sweep in parts:
        for problem in sweep.problems:
            print(plain(problem), file=sys.stderr)  # noqa: T201  # a table must not hide what it leaves out
    return framed(with_derived(parts), names, categories)


def records(source: str | Path) -> list[SweepFile]:
    """Return the sweeps of `source` without their rows: run records, stops and whatever else stands beside rows.

    Problems are in them, not on stderr. The paths of a git revision's files are no longer there.
    """
    return [sweep for _, sweep in _parts_of(source, [])]


def wanted(columns: Sequence[str] | None) -> list[str]:
    """Return the names of the frame's columns in order; UsageError for an unknown one."""
    if columns is None:
        return list(COLUMN_NAMES)
    for name in columns:
        if name not in COLUMN_NAMES:
            close = difflib.get_close_matches(name, COLUMN_NAMES) or ["python -m report columns lists them"]
            raise UsageError(f"no column {name!r} in the rows; did you mean: {', '.join(close)}")
    return [name for name in COLUMN_NAMES if name in KEYS or name in columns]


def _parts_of(source: str | Path, columns: Sequence[str]) -> list[Part]:
    """Return the columns and the sweep of each file of `source` by the files' names, a few files at a time."""
    with _files(source) as paths, ThreadPoolExecutor(READERS) as readers:
        parts = readers.map(lambda path: arrow.read(path, columns), paths)
        return sorted(parts, key=lambda part: part[1].path.name)


@contextmanager
def _files(source: str | Path) -> Iterator[list[Path]]:
    """Yield the results files of `source`, as long as they are needed; UsageError if it is no such thing."""
    path = Path(source)
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:  # a folder above that may not be entered, a name too long
        raise StorageError(f"cannot read {plain(str(path))}: {error.strerror}") from error
    if is_folder:
        yield sorted(path.glob("*.jsonl"))
    elif is_file:
        if path.suffix != ".jsonl":
            raise UsageError(f"{path} is no results file, whose name ends in .jsonl; pass one, or a folder")
        yield [path, *sorted(path.parent.glob(f"{glob.escape(path.stem)}.m*.jsonl"))]
    else:
        with _extracted(os.fspath(source)) as found:
            if found is None:
                raise UsageError(
                    f"no results folder, .jsonl file or git revision {plain(str(source))}; make rows with"
                    " `tox -e bench`, or name another folder, file or revision"
                )
            yield found


def with_derived(parts: Sequence[Part]) -> Iterator[pa.Table]:
    """Yield each file's rows with the columns that do not stand in the rows themselves."""
    sweeps = [sweep for _, sweep in parts]
    last, named = sessions([sweep.run for sweep in sweeps]), machines.names(sweeps)
    kinds = machines.kinds(parts)
    for (table, _), kind, overtaken in zip(parts, kinds, machines.overtaken(parts, kinds, last), strict=True):
        derived = {
            "machine_kind": kind,
            "machine": _renamed(kind, lambda key: named.get(key, key)),
            "session": pa.chunked_array([_renamed(c, lambda s: session(s, last)) for c in table["sweep"].chunks], TEXT),
            "overtaken": pa.array(overtaken),
        }
        for name in DERIVED:
            table = table.append_column(name, derived[name])
        yield table


def _renamed(texts: pa.DictionaryArray, name: Callable[[str], str]) -> pa.DictionaryArray:
    """Return a column with another text for each of its texts."""
    names = [name(text) for text in texts.dictionary.to_pylist()]
    return pa.DictionaryArray.from_arrays(texts.indices, pa.array(names, pa.string()))


def framed(tables: Iterable[pa.Table], names: Sequence[str], categories: bool) -> pd.DataFrame:
    """Return tables as one frame with these columns."""
    [empty] = with_derived([(arrow.no_rows(), SweepFile(Path()))])
    table = pa.concat_tables([found.select(names) for found in (empty, *tables)])
    with ThreadPoolExecutor(READERS) as converters:
        columns = converters.map(lambda name: _series(table[name], categories), names)
        return pd.DataFrame(dict(zip(names, columns, strict=True)), copy=False)


def _series(values: pa.ChunkedArray, categories: bool) -> pd.Series:
    """Return a column with its nullable dtype, lists as Python lists."""
    if pa.types.is_list(values.type):
        return pd.Series(_lists(values), dtype=object)
    if pa.types.is_dictionary(values.type) and categories:
        return pd.Series(_category(values))
    if pa.types.is_dictionary(values.type):
        values = values.cast(pa.large_string())  # as pandas keeps text
    made: pd.Series = values.to_pandas(types_mapper=DTYPES.get)
    return made


def _category(values: pa.ChunkedArray) -> pd.Categorical:
    """Return text, given as dictionaries, as a category with sorted names."""
    one = values.combine_chunks()
    codes, names = pd.factorize(pd.Index(one.dictionary.to_pylist(), dtype="str"), sort=True)
    known = np.append(codes, -1)  # -1, what is absent, takes the last
    return pd.Categorical.from_codes(known[one.indices.fill_null(-1).to_numpy()], categories=names)


@contextmanager
def _collector_off() -> Iterator[None]:
    """Keep the garbage collector from looking through a million lists again and again while they are made."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _lists(values: pa.ChunkedArray) -> list[list[Any] | None]:
    """Return a column of lists; most are empty or absent where they name what is rare."""
    lengths = pc.list_value_length(values).fill_null(0).to_numpy()
    ends, items = lengths.cumsum(), pc.list_flatten(values).to_pylist()
    with _collector_off():
        found: list[list[Any] | None] = [[] for _ in range(len(values))]
    for place in np.flatnonzero(lengths).tolist():
        found[place] = items[ends[place] - lengths[place] : ends[place]]
    for place in np.flatnonzero(values.is_null().to_numpy()).tolist():
        found[place] = None
    return found
