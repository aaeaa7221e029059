"""The command line: `python -m report COMMAND`, in .tox/bench; --help lists the commands of cli.py."""

from __future__ import annotations

import benchmarks.cli.declared  # isort: skip  # noqa: F401  # before all that imports declarations
from benchmarks.cli import terminal
from benchmarks.errors import require


def main() -> None:
    """Run the command line."""
    terminal.run_app(_commands)


def _commands() -> None:
    """Run it where it can read rows at all."""
    require("the report", "pyarrow")
    from report.cli import app  # noqa: PLC0415  # every command of it imports pyarrow

    app()


if __name__ == "__main__":
    main()
