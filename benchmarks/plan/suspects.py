"""The configurations that a gate suspects, in a file: `report compare --suspects` writes it, `run --confirm` reads it.

What looked slow among many was chosen for that, and part of it is luck. So the alarm is left to a second verdict, on
new launches alone.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.errors import StorageError, UsageError, plain, shown
from benchmarks.files import NotRegular, open_regular
from benchmarks.plan.cells import Cell

MAX_BYTES = 10_000_000  # of a file: some 40,000 configurations


def write(path: Path, cells: Iterable[Cell]) -> int:
    """Write the cells, each once, and return how many; none makes a file that names none."""
    found = [dataclasses.asdict(cell) for cell in dict.fromkeys(cells)]
    try:
        path.write_text(json.dumps(found, indent=1) + "\n")
    except OSError as error:
        raise StorageError(f"cannot write {shown(path)}: {error.strerror}; choose another --suspects") from error
    return len(found)


def suspected(path: Path, cells: Sequence[Cell]) -> list[Cell]:
    """Return those of a plan's cells that a file names; UsageError where it names none, or another."""
    planned = {json.dumps(dataclasses.asdict(cell)): cell for cell in cells}
    named = [json.dumps(one) for one in _read(path)]
    if not named:
        raise UsageError(f"--confirm {shown(path)}: it names no suspect; there is nothing to measure again")
    for one in named:
        if one not in planned:
            raise UsageError(
                f"--confirm {shown(path)}: these options do not measure {plain(one[:300])}; give those of the first run"
            )
    return [cell for text, cell in planned.items() if text in set(named)]


def _read(path: Path) -> list[object]:
    """Return what a file lists, whatever that is; UsageError where it cannot be read, or is no list."""
    try:
        with open_regular(path) as file:
            found = json.loads(file.read(MAX_BYTES))
    except NotRegular as error:
        raise UsageError(f"--confirm {error}") from None
    except OSError as error:
        words = error.strerror or str(error)
        raise UsageError(f"--confirm {shown(path)}: {words}; `report compare --suspects` writes it") from None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list):
        raise UsageError(f"--confirm {shown(path)}: no list of suspects; `report compare --suspects` writes it")
    return found
