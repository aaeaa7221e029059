"""What all commands share: the terminal they speak to, and how an axis of a sweep is typed."""

from __future__ import annotations

from typing import Annotated

import typer

from benchmarks import console

out, err = console.terminal(), console.terminal(stderr=True)
Wait = Annotated[
    bool, typer.Option("--wait/--no-wait", help="while another process measures on this machine: wait, or exit with 75")
]
Axis = Annotated[list[str] | None, typer.Option(help="repeatable, or comma-separated")]
Pythons = Annotated[list[str] | None, typer.Option(help="FRAMEWORK=PATH: an interpreter in place of tox's")]


def say(text: str) -> None:
    """Print progress where it does not mix with what programs read."""
    err.print(console.plain(text), markup=False, highlight=False, soft_wrap=True)
