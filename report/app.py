"""The commands by name; commands/ holds them."""

from __future__ import annotations

from collections.abc import Callable

import typer

from report.commands.check import check_results
from report.commands.compare import compare_sets
from report.commands.curve import curve_of
from report.commands.curves import curves_by_epoch
from report.commands.export import export
from report.commands.micro import micro_benchmarks
from report.commands.page import page
from report.commands.rows import columns, rows

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)
COMMANDS: dict[str, Callable[..., None]] = {
    "compare": compare_sets,
    "export": export,
    "page": page,
    "rows": rows,
    "micro": micro_benchmarks,
    "curves": curves_by_epoch,
    "curve": curve_of,
    "columns": columns,
    "check": check_results,
}
for _name, _command in COMMANDS.items():
    app.command(_name)(_command)
