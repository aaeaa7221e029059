"""`page`: the report as one HTML file, beside it the headline as Markdown and every cell as CSV."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from benchmarks.environments import ROOT
from benchmarks.errors import UsageError
from report.commands.terminal import RESULTS, Base, Results, deliver, loaded
from report.load import records
from report.page import COLUMNS, Inputs, build
from report.page.machines import machines
from report.page.markdown import as_markdown
from report.spreadsheet import as_csv


def page(
    results: Results = RESULTS,
    out: Annotated[Path, typer.Option(help="the page; .md and .csv go beside it")] = ROOT / "report/out/report.html",
    base: Base = None,
) -> None:
    """Write the report page (HTML), its headline as Markdown, and the figures of every cell as CSV."""
    if out.suffix != ".html":
        raise UsageError(
            f"--out {out}: expected the name of an .html file, such as {out.with_suffix('') / 'report.html'}"
        )
    inputs = Inputs(loaded(results, COLUMNS), records(results), base)
    deliver(build(inputs), out)
    deliver(as_markdown(inputs), out.with_suffix(".md"))
    tables = [machine.inputs.table for machine in machines(inputs)]  # as in the page: verdicts are by machine
    deliver(as_csv(pd.concat(tables) if tables else inputs.table), out.with_suffix(".csv"))
