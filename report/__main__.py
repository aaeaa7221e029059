"""The command line: `python -m report COMMAND`, in .tox/bench; --help lists the commands of cli.py."""

from __future__ import annotations

from collections.abc import Callable

import typer

from benchmarks.cli import terminal
from benchmarks.errors import require
from report.cli import (
    check_results,
    columns,
    compare_sets,
    curve_of,
    curves_by_epoch,
    export,
    micro_benchmarks,
    page,
    rows,
)

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


def main() -> None:
    """Run the command line."""
    terminal.run_app(_commands)


def _commands() -> None:
    """Run it where it can read rows at all."""
    require("the report", "pyarrow")
    app()


if __name__ == "__main__":
    main()
