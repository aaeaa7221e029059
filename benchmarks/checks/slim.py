"""Results files as the checks need them: of each row the columns that rules read, so that many fit into memory."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import regular, storage
from benchmarks.errors import StorageError
from benchmarks.storage import Sweep

COLUMNS = (
    "sweep", "cell", "attempt",
    "framework", "framework_version", "model", "recipe", "dataset", "device", "device_name", "batch_size",
    "mode", "dtype", "pipeline", "threads", "revision", "task", "round", "seed", "status", "reason", "flags",
    "lockstep", "oracle_sha256", "mfu", "roofline_share", "threads_computing", "cpu_per_wall",
)  # fmt: skip


@dataclass(frozen=True)
class File:
    """One file: its sweep with slim rows, how many lines are whole, whether its last line was torn off."""

    sweep: Sweep
    lines: int
    torn: bool


def read(path: Path) -> File:
    """Read one file line by line; what is no regular file, or cannot be read, is among its problems."""
    sweep, rows, count, torn = Sweep(path), [], 0, False
    try:
        with regular.opened(path) as file:
            while line := file.readline(2 * storage.MAX_LINE_BYTES):
                if torn := not line.endswith(b"\n"):  # or a piece of a line that is too long
                    continue
                count += 1
                storage.judge(sweep, count, line[:-1])
                rows += [slim(row) for row in sweep.rows]
                sweep.rows.clear()
    except StorageError as error:
        sweep.problems.append(str(error))
    except OSError as error:
        sweep.problems.append(f"{path.name}: cannot be read: {error.strerror}")
    sweep.rows = rows
    return File(sweep, count, torn)


def slim(row: dict[str, Any]) -> dict[str, Any]:
    """Return what rules read of a row; equal texts are kept once."""
    return {name: sys.intern(row[name]) if isinstance(row[name], str) else row[name] for name in COLUMNS}


def read_all(folder: Path) -> list[File]:
    """Read every results file of a folder, oldest name first."""
    return [read(path) for path in sorted(folder.glob("*.jsonl"))]  # none where there is no such folder
