"""`micro`: what single calls take."""

from __future__ import annotations

from benchmarks.micro.launcher import RESULTS
from report import micro
from report.commands.terminal import Results, out


def micro_benchmarks(results: Results = RESULTS) -> None:
    """Show what single calls take, newest run of each cell: a table for each kind of call."""
    for table in micro.as_tables(micro.load(results)):
        out.print(table)
