"""`export`: results in the formats that other tools read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.errors import UsageError
from report.commands.terminal import RESULTS, Results, deliver, err, loaded
from report.exports import EXPORTS, exported
from report.metrics import DEFAULT, metric


def export(
    form: Annotated[str, typer.Option("--format", help=", ".join(EXPORTS))],
    name: Annotated[
        str, typer.Option("--metric", help="numeric column of a row; csv, json, parquet hold all")
    ] = DEFAULT,
    results: Results = RESULTS,
    out_file: Annotated[Path | None, typer.Option("--out", help="file to write instead of the output")] = None,
) -> None:
    """Write results for another tool: of each cell the newest launches that ended ok, or every row as it is."""
    asked = metric(name)
    if form == "parquet" and not out_file and sys.stdout.isatty():
        raise UsageError("--format parquet is no text; give --out FILE")
    content = exported(loaded(results), form, asked)
    deliver(content, out_file)
    if form == "github-action-benchmark":
        way = "customBiggerIsBetter" if asked.rising else "customSmallerIsBetter"
        err.print(f"the action reads this with `tool: {way}`", highlight=False, soft_wrap=True)
