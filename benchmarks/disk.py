"""Can results be kept here? Asked before anything is measured, not when hours have been."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from benchmarks.errors import StorageError

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
