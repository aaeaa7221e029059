"""`rows` and `columns`: every row as it is, and what its columns mean."""

from __future__ import annotations

from typing import Annotated

import typer

from benchmarks.errors import UsageError
from benchmarks.schema import COLUMNS
from report.commands.terminal import RESULTS, Results
from report.load import load
from report.spreadsheet import as_csv


def rows(format: Annotated[str, typer.Option(help="csv or json")] = "csv", results: Results = RESULTS) -> None:
    """Print every row, one launch a line."""
    frame = load(results)
    match format:
        case "csv":
            print(as_csv(frame), end="")  # noqa: T201  # for programs: no wrapping, no colours
        case "json":
            print(frame.to_json(orient="records", lines=True), end="")  # noqa: T201
        case _:
            raise UsageError(f"--format {format}: expected csv or json")


def columns() -> None:
    """Print the columns of a row as Markdown; results/README.md holds this list."""
    lines = ["| column | type | unit | meaning |", "| --- | --- | --- | --- |"]
    lines += [f"| {c.name} | {c.kind} | {c.unit} | {c.meaning} |" for c in COLUMNS]
    print("\n".join(lines))  # noqa: T201  # for a file, not for a screen
