"""The command line: `python -m report COMMAND`, in .tox/bench; --help lists the commands, app.py holds them."""

from __future__ import annotations

from benchmarks import console
from benchmarks.packages import require


def main() -> None:
    """Run the command line."""
    console.run_app(commands)


def commands() -> None:
    """Run it where it can read rows at all."""
    require("the report", "pyarrow")
    from report.app import app  # noqa: PLC0415 - every command of it imports pyarrow

    app()


if __name__ == "__main__":
    main()
