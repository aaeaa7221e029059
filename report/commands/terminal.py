"""What all commands share: the terminal they speak to, the sets they read, and where text goes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from benchmarks import console
from benchmarks.environments import ROOT
from benchmarks.errors import StorageError, UsageError
from report.load import load

out, err = console.terminal(), console.terminal(stderr=True)
RESULTS = ROOT / "results"
Results = Annotated[Path, typer.Option(help="folder that holds the rows")]
Base = Annotated[str | None, typer.Option(help="framework to compare with; default: the fastest, in accuracy numpy")]


def loaded(source: str | Path, columns: Sequence[str] | None = None, categories: bool = False) -> pd.DataFrame:
    """Return a set's rows as load does; UsageError if there are none, with the folders below that have some."""
    frame = load(source, columns, categories)
    if frame.empty:
        others = sorted({str(path.parent) for path in Path(source).glob("*/*.jsonl")})
        there = f"; there are some in {', '.join(shortest(Path(other)) for other in others)}" if others else ""
        raise UsageError(f"no rows in {source}; make some with `tox -e bench`, or pass --results DIR{there}")
    return frame


def shortest(path: Path) -> str:
    """Return a path as it is typed from the root of the checkout."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def deliver(content: str | bytes, path: Path | None) -> None:
    """Write to a file and say so, or to the output as it is; StorageError where it cannot be written."""
    data = content.encode() if isinstance(content, str) else content
    if path is None:
        sys.stdout.buffer.write(data)  # for programs: no wrapping, no colours
        sys.stdout.flush()
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}; choose another --out") from error
    err.print(console.plain(f"wrote {path}"), markup=False, highlight=False, soft_wrap=True)
