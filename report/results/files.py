"""Is every line of the results whole, and did every sweep come to its end? For `benchmarks check`.

The files themselves are read, never what the cache holds of them: a byte that changed on the disk is to be found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from benchmarks import files
from benchmarks.checks import Finding, shortened
from benchmarks.errors import count
from benchmarks.record.store import ADVICE, SweepFile, base_of
from report.results import arrow

RESUME = "go on with the same command and --resume"
COLLECT = "fetch what its members still have: python -m benchmarks collect ADDRESS (its scheduler's); then "


@dataclass(frozen=True)
class File:
    """One file: its valid rows, its sweep without them, how many lines are whole, whether its last was torn off."""

    table: pa.Table
    sweep: SweepFile
    lines: int
    torn: bool


def read_all(folder: Path, columns: Sequence[str]) -> list[File]:
    """Read columns, at least one, of every results file of a folder, oldest name first; none where there is none."""
    return [_read(path, columns) for path in sorted(folder.glob("*.jsonl"))]


def _read(path: Path, columns: Sequence[str]) -> File:
    """Read one file; what is no regular file, or cannot be read, is among its sweep's problems."""
    try:
        with files.open_regular(path) as file:
            return File(*arrow.parse(file, path, columns), *_whole_lines(file))
    except files.NotRegular as error:
        problem = str(error)
    except OSError as error:
        problem = f"{path.name}: cannot be read: {error.strerror}"
    return File(arrow.no_rows(columns), SweepFile(path, problems=[problem]), 0, torn=False)


def _whole_lines(file: BinaryIO) -> tuple[int, bool]:
    """Return how many lines of a file are whole, and whether something follows the last of them."""
    file.seek(0)
    lines, last = 0, b"\n"
    while block := file.read(1 << 20):
        lines, last = lines + block.count(b"\n"), block[-1:]
    return lines, last != b"\n"


def findings(folder: Path, files: Sequence[File]) -> Iterator[Finding]:
    """Yield what is wrong with each file of a folder, and one finding on all of them."""
    if not folder.is_dir():
        yield Finding("note", "results folder", "there is none yet", "make rows with: tox -e bench")
        return
    if not files:
        others = " or ".join(sorted({path.parent.name for path in folder.glob("*/*.jsonl")}))
        advice = f"look into {others} below it with --results" if others else "make rows with: tox -e bench"
        yield Finding("note", "results files", "none in this folder", advice)
        return
    made = Counter(base_of(_name_of(file)) for file in files for _ in range(len(file.table)))
    families = {_name_of(file): made[_name_of(file)] for file in files}
    for file in files:
        yield from shortened(list(_lines(file)))
        yield from _ending(file, families)
    whole, rows = sum(file.lines for file in files), sum(len(file.table) for file in files)
    yield Finding(
        "ok", "results files", f"{count(len(files), 'file')}, {count(whole, 'whole line')}, {count(rows, 'valid row')}"
    )


def _lines(file: File) -> Iterator[Finding]:
    """Yield a finding for each line of a file that cannot be read, or for what is no file at all."""
    for problem in file.sweep.problems:
        what, _, why = problem.removesuffix("; line ignored").partition(": ")
        if why.endswith(ADVICE):
            why, advice = why.removesuffix(f"; {ADVICE}"), ADVICE
        elif ", line " in what:
            advice = "restore the file from a copy; if there is none, --resume measures that cell again"
        else:
            advice = ""
        yield Finding("error", what, why, advice)


def _ending(file: File, rows: Mapping[str, int]) -> Iterator[Finding]:
    """Yield what is wrong with a file as a sweep: a torn last line, no record of its run, no end.

    `rows` counts them by sweep, those of members as their driver's: a member's file ends with its driver's.
    """
    sweep, name = file.sweep, file.sweep.path.name
    if file.torn:
        found = f"what follows line {file.lines} was torn off by a crash and is ignored"
        yield Finding("warning", name, found, "nothing that was acknowledged is lost; go on with --resume")
    if not sweep.run and len(file.table):
        yield Finding("warning", name, "no record of its run: nothing is known of its machine and its versions")
    elif not sweep.run and file.lines + file.torn:
        yield Finding("error", name, "no sweep: it has neither a record of a run nor rows", "take it out of the folder")
    elif "part_of" in sweep.run:
        yield from _missing_members(file, rows)
    elif sweep.run and not sweep.end:
        found = f"no end after {rows[_name_of(file)]:,} rows: it still runs, or was killed"
        yield Finding("warning", name, found, (COLLECT if "engine" in sweep.run else "") + RESUME)


def _missing_members(file: File, sweeps: Container[str]) -> Iterator[Finding]:
    """Yield that a member's file is here without that of its driver, which knows what was asked for and lost."""
    driver = file.sweep.run["part_of"]
    if driver not in sweeps:
        found = f"of a sweep over several machines, whose driver's file {driver}.jsonl is not here"
        yield Finding("warning", file.sweep.path.name, found, "put it, and those of all its members, into this folder")


def _name_of(file: File) -> str:
    """Return the name of a file's sweep."""
    return str(file.sweep.run.get("sweep"))
