"""The command line: `python -m report rows | compare | page | micro | curves | columns`, in .tox/bench."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from benchmarks import console
from benchmarks.environments import ROOT
from benchmarks.errors import UsageError
from benchmarks.micro.launcher import RESULTS as MICRO_RESULTS
from benchmarks.schema import COLUMNS
from report import curves, micro, render
from report.compare import compare, newest
from report.load import load

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)
out = console.terminal()

Results = Annotated[Path, typer.Option(help="folder that holds the rows")]
Base = Annotated[str | None, typer.Option(help="framework to compare with; default: the fastest, in accuracy numpy")]


def loaded(results: Path) -> pd.DataFrame:
    """Return the folder's rows; UsageError if there are none."""
    frame = load(results)
    if frame.empty:
        raise UsageError(f"no rows in {results}; make some with `tox -e bench`, or pass --results DIR")
    return frame


@app.command()
def rows(format: Annotated[str, typer.Option(help="csv or json")] = "csv", results: Results = ROOT / "results") -> None:
    """Print every row, one launch a line."""
    frame = load(results)
    match format:
        case "csv":
            print(frame.to_csv(index=False), end="")  # noqa: T201  # for programs: no wrapping, no colours
        case "json":
            print(frame.to_json(orient="records", lines=True), end="")  # noqa: T201
        case _:
            raise UsageError(f"--format {format}: expected csv or json")


@app.command("compare")
def compare_frameworks(results: Results = ROOT / "results", base: Base = None) -> None:
    """Show the frameworks beside each other, a table for each comparison, newest launches of each cell."""
    for table in render.as_tables(compare(loaded(results), base)):
        out.print(table)


@app.command()
def page(
    results: Results = ROOT / "results",
    out_dir: Annotated[Path, typer.Option("--out", help="folder for report.html and report.md")] = ROOT / "report/out",
    base: Base = None,
) -> None:
    """Write the comparison as a page (HTML) and as Markdown."""
    frame = loaded(results)
    table = compare(frame, base)
    out_dir.mkdir(parents=True, exist_ok=True)
    sweeps = sorted(set(newest(frame)["sweep"]))
    for name, text in (("report.html", render.as_page(table, sweeps)), ("report.md", render.as_markdown(table))):
        (out_dir / name).write_text(text)
        out.print(f"wrote {out_dir / name}", highlight=False, soft_wrap=True)


@app.command("micro")
def micro_benchmarks(results: Results = MICRO_RESULTS) -> None:
    """Show what single calls take, newest run of each cell: a table for each kind of call."""
    for table in micro.as_tables(micro.load(results)):
        out.print(table)


@app.command("curves")
def curves_by_epoch(results: Results = ROOT / "results" / "curves") -> None:
    """Print accuracy by epoch beside the published figures as Markdown; README.md holds these tables."""
    print(curves.as_markdown(curves.curves(loaded(results))))  # noqa: T201  # for a file, not for a screen


@app.command()
def columns() -> None:
    """Print the columns of a row as Markdown; results/README.md holds this list."""
    lines = ["| column | type | unit | meaning |", "| --- | --- | --- | --- |"]
    lines += [f"| {c.name} | {c.kind} | {c.unit} | {c.meaning} |" for c in COLUMNS]
    print("\n".join(lines))  # noqa: T201  # for a file, not for a screen


def main() -> None:
    """Run the command line."""
    console.run_app(app)


if __name__ == "__main__":
    main()
