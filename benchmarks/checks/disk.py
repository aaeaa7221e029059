"""Is there room for results, and may we write where we have to?"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.checks.finding import Finding
from benchmarks.datasets.prepared import default_cache
from benchmarks.datasets.reading import shown

LITTLE_BYTES = 1 << 30
TOO_LITTLE_BYTES = 100 << 20


def findings(results: Path) -> Iterator[Finding]:
    """Yield a finding for each folder that is written to."""
    yield place("results folder", results, "pass another --results")
    yield place("cache", default_cache(), "set LOCKSTEP_CACHE to a folder you can write")
    try:
        yield place("temporary files", Path(tempfile.gettempdir()), "set TMPDIR to a folder you can write")
    except FileNotFoundError:
        yield Finding("error", "temporary files", "no folder for them can be written", "set TMPDIR to one that can")


def place(what: str, folder: Path, advice: str) -> Finding:
    """Say whether a folder, or the nearest one above it that exists, takes a file and has room."""
    nearest = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest) as file:
            file.write(b"1")
        free = shutil.disk_usage(nearest).free
    except OSError as error:
        return Finding("error", what, f"{shown(nearest)} cannot be written: {error.strerror}", advice)
    found = f"{free / 2**30:,.1f} GiB free, writable"
    if free < LITTLE_BYTES:
        level = "error" if free < TOO_LITTLE_BYTES else "warning"
        return Finding(level, what, f"{free / 2**20:,.0f} MiB free at {shown(nearest)}", f"make room, or {advice}")
    return Finding("ok", what, found if nearest == folder.absolute() else f"{found}; not there yet, will be made")
