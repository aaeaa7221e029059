"""The one loader: the results files of a folder, a file or a git revision as one typed pandas frame.

Its columns that do not stand in rows are the session, the machine and whether the launch still counts. A comparison
stays on the machine that began it, as a ratio never crosses machines. Where that machine was lost, another of its kind
begins the comparison again as a new attempt, and the launches before it no longer count. Names tell kinds apart for
people, and never hold a host or a user.
"""

from __future__ import annotations

import difflib
import gc
import glob
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from adapters.declaration import DeclarationError
from adapters.networks import recipe_of
from adapters.recipes import known
from benchmarks import files
from benchmarks.errors import StorageError, UsageError, plain
from benchmarks.machine import git
from benchmarks.plan.data.sources import NAMES
from benchmarks.record.ratios import Flags
from benchmarks.record.schema import BY_NAME, COLUMNS
from benchmarks.record.store import MEMBER, SweepFile, base_of, session, sessions
from report.results import arrow
from report.results.arrow import clean
from report.tables.compare import CELL, COMPARISON
from report.tables.groups import equal, highest, number

Part = tuple[pa.Table, SweepFile]
READ = [*(column for column in COMPARISON if column != "machine_kind"), "task", "status", "sweep", "attempt"]


def _is_part(sweep: SweepFile) -> bool:
    """Return whether a file is one of several that a sweep over several machines left."""
    return "engine" in sweep.run or MEMBER.fullmatch(str(sweep.run.get("sweep"))) is not None


def _by_base(parts: Sequence[Part]) -> list[list[int]]:
    """Return the places of each family's parts."""
    found: dict[str, list[int]] = defaultdict(list)
    for place, (_, sweep) in enumerate(parts):
        if _is_part(sweep):
            found[base_of(str(sweep.run.get("sweep")))].append(place)
    return list(found.values())


def kinds(parts: Sequence[Part]) -> list[pa.Array]:
    """Return each launch's kind of machine.

    It stands in its file's record. A driver's own launches are those that members lost: they are of the kind whose
    launches have the same identity (column `cell`), or of the only kind that there is.
    """
    found = [pa.repeat(kind(sweep), len(table)).dictionary_encode() for table, sweep in parts]
    for family in _by_base(parts):
        members = [place for place in family if "engine" not in parts[place][1].run]
        by_cell = {cell: kind(parts[p][1]) for p in members for cell in pc.unique(parts[p][0]["cell"]).to_pylist()}
        of_members = {kind(parts[place][1]) for place in members}
        otherwise = of_members.pop() if len(of_members) == 1 else UNKNOWN
        for place in set(family).difference(members):
            cells = parts[place][0]["cell"].to_pylist()
            texts = pa.array([by_cell.get(cell, otherwise) for cell in cells], pa.string())
            found[place] = texts.dictionary_encode()
    return found


def overtaken(parts: Sequence[Part], machine_kinds: Sequence[pa.Array], last: Mapping[str, str]) -> list[Flags]:
    """Return which launches are of an attempt at their comparison that a later one took the place of.

    `last` is what sessions() says: a sweep over machines that resumes another measures again what is not complete.
    """
    session_of = [session(str(sweep.run.get("sweep")), last) for _, sweep in parts]
    several = {name for name, (_, sweep) in zip(session_of, parts, strict=True) if _is_part(sweep)}
    places = [place for place, name in enumerate(session_of) if name in several]
    frames = [
        parts[p][0].select(READ).to_pandas().assign(machine_kind=machine_kinds[p].to_pylist(), session=session_of[p])
        for p in places
    ]
    found = [np.zeros(len(table), bool) for table, _ in parts]
    if frames:
        ends = np.cumsum([len(frame) for frame in frames])[:-1]
        for place, flags in zip(places, np.split(_before_the_last(pd.concat(frames)), ends), strict=True):
            found[place] = flags
    return found


def _before_the_last(frame: pd.DataFrame) -> Flags:
    """Return which launches are of an attempt before their session's last that has anything but interrupted ones.

    Attempts are numbered by who plans them: when a launch began says nothing of their order, clocks of machines differ.
    """
    comparison, numbered = number(frame, ["session", *COMPARISON, "task"]), frame["attempt"].notna().to_numpy(bool)
    attempts = pd.DataFrame({"base": [base_of(name) for name in frame["sweep"]], "attempt": 1})
    attempts.loc[numbered, "attempt"] = frame["attempt"].to_numpy()[numbered].astype(np.int64)
    attempt = number(attempts, ["base", "attempt"])
    last = highest(attempt, comparison, numbered & ~equal(frame["status"], "interrupted"))
    return np.asarray(attempt < last[comparison], bool)


UNKNOWN = "unknown"  # the kind of a file that does not tell it
LONGEST = 80  # characters of a processor's name


def kind(sweep: SweepFile) -> str:
    """Return the kind of machine that a file's record tells: a hash."""
    recorded = sweep.run.get("machine_kind")
    return str(clean("str", recorded)) if isinstance(recorded, str) else UNKNOWN


def _name(machine: Any) -> str:
    """Return a machine's facts in a few words, `AMD EPYC, 2 cores, 24 GiB`; empty where the processor is not known."""
    facts = machine if isinstance(machine, Mapping) else {}
    cpu, cores, memory = (facts.get(fact) for fact in ("cpu", "physical_cores", "memory_bytes"))
    if not isinstance(cpu, str) or not cpu.strip():
        return ""
    words = [str(clean("str", cpu.strip()[:LONGEST]))]
    if isinstance(cores, int):
        words.append(f"{cores} core{'' if cores == 1 else 's'}")
    if isinstance(memory, int):
        words.append(f"{round(memory / 2**30)} GiB")  # as benchmarks/machine/hardware.py rounds it for the kind's hash
    return ", ".join(words)


def names(sweeps: Sequence[SweepFile]) -> dict[str, str]:
    """Return a name for each kind of machine, the last file's; kinds of one name have their hash behind it."""
    found: dict[str, str] = {}
    for sweep in sweeps:
        before = found.get(kind(sweep), "")
        found[kind(sweep)] = _name(sweep.run.get("machine")) or before
    many = Counter(found.values())
    return {
        key: named if named and many[named] == 1 else f"{named or 'machine'} ({key})" for key, named in found.items()
    }


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
    with files.scratch() as folder:
        for name, blob in found.items():
            (folder / name).write_bytes(git.output("cat-file", "blob", blob) or b"")
        yield sorted(folder.iterdir())


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
READERS = 2  # threads; parsing and hashing leave the interpreter's lock


def load(
    source: str | Path,
    columns: Sequence[str] | None = None,
    categories: bool = False,
    which: Callable[[pd.DataFrame], Flags] | None = None,
) -> pd.DataFrame:
    """Return all valid rows of `source`: one line a launch, the schema's columns and DERIVED.

    `source` is a folder with .jsonl files, one such file with those of its members where it is a sweep's over several
    machines, FOLDER/* for the files of all folders in one, or a git revision of this repository: `REV` for its
    results/, or `REV:path/to/folder`. Numbers and text
    have nullable dtypes, an absent number is no zero and no NaN; lists are Python lists. `machine_kind` is from the
    file's run record, `machine` names that kind for people; `session` is the sweep that resumed this launch's sweep
    last, or that sweep itself; `overtaken` launches are of a comparison that began again, as their machine was lost,
    and count no more. With `columns` only those and KEYS are read, in the schema's order; with `categories` text is a
    pandas category, sorted by name, and lists of numbers stay Arrow's, which takes a tenth of the memory. `which` says
    of a frame with KEYS and revision which of its lines are wanted: of these alone the other columns are read.
    Lines that cannot be read are named on stderr and left out. UsageError if there is no such source or column,
    StorageError for one that cannot be read.
    """
    names = wanted(columns)
    first = [name for name in names if which is None or name in KEYS or name == "revision"]
    parts = parts_of(source, _in_rows(first))
    for _, sweep in parts:
        for problem in sweep.problems:
            print(plain(problem), file=sys.stderr)  # noqa: T201  # a table must not hide what it leaves out
    sizes, tables = [len(table) for table, _ in parts], with_derived(parts)
    del parts  # its columns go as frames are made of them
    frame = framed(tables, first, categories)
    if which is None:
        return frame
    others = [name for name in names if name not in first]
    flags = which(frame)
    found = _rows_of(source, others, np.split(flags, np.cumsum(sizes)[:-1]))
    if None in found:  # the folder has changed since
        return load(source, columns, categories)
    more, frame = framed(found, others, categories), frame[flags].reset_index(drop=True)
    return pd.DataFrame({name: (more if name in others else frame)[name] for name in names}, copy=False)


def _in_rows(names: Sequence[str]) -> list[str]:
    """Return those of the frame's columns that stand in rows."""
    return [name for name in names if name in BY_NAME]


def _rows_of(source: str | Path, columns: Sequence[str], flags: Sequence[Flags]) -> list[pa.Table | None]:
    """Return these columns of the flagged rows of each file, None where it is not as it was."""
    with _files(source) as paths, ThreadPoolExecutor(READERS) as readers:
        if len(paths) != len(flags):
            return [None]
        return list(readers.map(lambda path, own: _flagged(path, columns, own), sorted(paths, key=_name_of), flags))


def _flagged(path: Path, columns: Sequence[str], flags: Flags) -> pa.Table | None:
    """Return these columns of the flagged rows of a file, None where it has lost rows since they were counted."""
    table = arrow.read(path, columns)[0] if flags.any() else arrow.no_rows(columns)
    if len(table) < len(flags) and flags.any():
        return None
    return table.slice(0, len(flags)).filter(pa.array(flags[: len(table)]))


def records(source: str | Path) -> list[SweepFile]:
    """Return the sweeps of `source` without their rows: run records, stops and whatever else stands beside rows.

    Problems are in them, not on stderr. The paths of a git revision's files are no longer there.
    """
    return [sweep for _, sweep in parts_of(source, [])]


def wanted(columns: Sequence[str] | None) -> list[str]:
    """Return the names of the frame's columns in order; UsageError for an unknown one."""
    if columns is None:
        return list(COLUMN_NAMES)
    for name in columns:
        if name not in COLUMN_NAMES:
            close = difflib.get_close_matches(name, COLUMN_NAMES) or ["python -m report columns lists them"]
            raise UsageError(f"no column {name!r} in the rows; did you mean: {', '.join(close)}")
    return [name for name in COLUMN_NAMES if name in KEYS or name in columns]


def parts_of(source: str | Path, columns: Sequence[str]) -> list[Part]:
    """Return the columns and the sweep of each file of `source` by the files' names, a few files at a time."""
    with _files(source) as paths, ThreadPoolExecutor(READERS) as readers:
        parts = list(readers.map(lambda path: arrow.read(path, columns), sorted(paths, key=_name_of)))
    for _, sweep in parts:
        for network in sweep.networks:
            with suppress(DeclarationError):  # of a name that is not its content's: a table knows the name alone
                known(recipe_of(network["declaration"]))
    return parts


def _name_of(path: Path) -> str:
    """Return what files are sorted by."""
    return path.name


EACH = "*"  # behind a folder: the files of all folders in it


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
    elif path.name == EACH:
        yield sorted(path.parent.glob("*/*.jsonl"))
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
    last, named = sessions([sweep.run for sweep in sweeps]), names(sweeps)
    by_file = kinds(parts)
    for (table, sweep), own, again in zip(parts, by_file, overtaken(parts, by_file, last), strict=True):
        derived = {
            "machine_kind": own,
            "machine": _renamed(own, lambda key: named.get(key, key)),
            "session": pa.chunked_array([_renamed(c, lambda s: session(s, last)) for c in table["sweep"].chunks], TEXT),
            "overtaken": pa.array(again),
        }
        table = _with_contents(table, sweep)
        for name in DERIVED:
            table = table.append_column(name, derived[name])
        yield table


def _with_contents(table: pa.Table, sweep: SweepFile) -> pa.Table:
    """Return rows whose names of users' own data sets say the content, as newer rows do themselves.

    Two files of one stem are two data sets, which must not meet in a table.
    """
    named = {
        name: f"{name}-{sha256[:8]}"
        for name, sha256 in (sweep.run.get("data") or {}).items()
        if name not in NAMES and not name.endswith(f"-{sha256[:8]}")
    }
    if not named or "dataset" not in table.column_names:
        return table
    chunks = [_renamed(chunk, lambda name: named.get(name, name)) for chunk in table["dataset"].chunks]
    place = table.column_names.index("dataset")
    return table.set_column(place, "dataset", pa.chunked_array(chunks, TEXT))


def _renamed(texts: pa.DictionaryArray, name: Callable[[str], str]) -> pa.DictionaryArray:
    """Return a column with another text for each of its texts."""
    names = [name(text) for text in texts.dictionary.to_pylist()]
    return pa.DictionaryArray.from_arrays(texts.indices, pa.array(names, pa.string()))


def framed(tables: Iterable[pa.Table], names: Sequence[str], categories: bool) -> pd.DataFrame:
    """Return tables as one frame with these columns."""
    [empty] = with_derived([(arrow.no_rows(), SweepFile(Path()))])
    table = pa.concat_tables([found.select(names) for found in (empty, *tables)])
    waiting = {name: table[name] for name in names}
    del table, tables
    with ThreadPoolExecutor(READERS) as converters:  # a column goes when its series is made
        columns = converters.map(lambda name: _series(waiting.pop(name), categories), names)
        frame = pd.DataFrame(dict(zip(names, columns, strict=True)), copy=False)
    pa.default_memory_pool().release_unused()
    return frame


def _series(values: pa.ChunkedArray, categories: bool) -> pd.Series:
    """Return a column with its nullable dtype, lists as Python lists, but of numbers as Arrow's with `categories`."""
    if pa.types.is_list(values.type) and categories and not pa.types.is_string(values.type.value_type):
        return pd.Series(pd.arrays.ArrowExtensionArray(values))
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


NOTHING: list[Any] = []  # most launches have no flag: one list for all of them


def _lists(values: pa.ChunkedArray) -> list[list[Any] | None]:
    """Return a column of lists; most are empty or absent where they name what is rare."""
    lengths = pc.list_value_length(values).fill_null(0).to_numpy()
    ends, items = lengths.cumsum(), pc.list_flatten(values).to_pylist()
    found: list[list[Any] | None] = [NOTHING] * len(values)
    with _collector_off():
        for place in np.flatnonzero(lengths).tolist():
            found[place] = items[ends[place] - lengths[place] : ends[place]]
    for place in np.flatnonzero(values.is_null().to_numpy()).tolist():
        found[place] = None
    return found
