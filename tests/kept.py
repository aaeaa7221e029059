"""Results files as tests look at them: whole, line by line, as store.judge takes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.record.store import SweepFile, _numbered, files, judge


def read_file(path: Path) -> SweepFile:
    """Return one file; a torn last line is ignored, other damaged lines and a path that is no file are `problems`."""
    sweep = SweepFile(path)
    for number, line in _numbered(path, sweep):
        judge(sweep, number, line)
    return sweep


def read_all(results: Path) -> Iterator[SweepFile]:
    """Yield every results file of a folder, oldest name first; UsageError if there is no such folder."""
    yield from (read_file(path) for path in files(results))
