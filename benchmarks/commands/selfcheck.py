"""`selfcheck`: known truths put into our own measuring."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from benchmarks import selfcheck, tables, turn
from benchmarks.commands.terminal import Wait, out, say
from benchmarks.options import values


def check_measuring(
    only: Annotated[list[str] | None, typer.Option(help=", ".join(selfcheck.NAMES))] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
    wait: Wait = True,
) -> None:
    """Put known truths into the measuring and hold what comes out to bounds.

    Exit code 1 when one does not hold, 75 when another process measures (with --no-wait).
    """
    names, found = values(only, selfcheck.NAMES, selfcheck.NAMES, "check"), []
    with turn.taken("its own measuring", wait, say):
        for check in selfcheck.run(names):
            found.append(check)
            say(f"{check.name}: {check.what}: {check.found}")
    if as_json:
        print(json.dumps([vars(check) for check in found], indent=1))  # noqa: T201
    else:
        out.print(tables.checked(found))
    raise typer.Exit(0 if all(check.passed for check in found) else 1)
