"""What a sweep says at its end: what became of every cell, where the time went, that nothing is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from rich.markup import escape

from benchmarks import errors
from benchmarks.cli import terminal
from benchmarks.cli.terminal import err, out, say
from benchmarks.errors import LockstepError
from benchmarks.machine.signals import Interrupted
from benchmarks.sweep.ledger import Ledger

Row = dict[str, Any]


class Reportable(Protocol):
    """A sweep, on one machine or over several."""

    results: Path
    wall: dict[str, float]

    @property
    def ledger(self) -> Ledger: ...
    @property
    def path(self) -> Path: ...
    @property
    def stops(self) -> list[Row]: ...
    def rows_by_machine(self) -> Mapping[str, Sequence[Row]]:
        """Return the rows of each machine's table; the name of the only one is empty."""


@contextmanager
def summarise_when_ended(sweep: Reportable, display: terminal.Display) -> Iterator[None]:
    """Where something ends a sweep early, say what is there all the same."""
    try:
        yield
    except (Interrupted, LockstepError) as ending:
        display.close()
        code = ending.exit_code
        with suppress(OSError):  # a terminal that hung up
            for words in (*sweep.ledger.words(), f"rows in {sweep.path.name}; exit code {code}"):
                say(words)
            say("go on with the same command and --resume")
        raise
    finally:
        display.close()


def show_outcome(sweep: Reportable) -> int:
    """Print what became of every cell, why comparisons stopped, where the time went, and that nothing is missing.

    Returns the exit code.
    """
    for machine, rows in sweep.rows_by_machine().items():
        if machine:
            out.print(f"\n{errors.plain(machine)}", markup=False, highlight=False, soft_wrap=True)
        for table in terminal.summary(rows):
            out.print(table)
    stops = sweep.stops
    for stop in stops if len(stops) <= terminal.MANY else stops[: terminal.SHOWN]:
        out.print(terminal.stopped(stop), highlight=False)
    if len(stops) > terminal.MANY:
        more = f"{len(stops) - terminal.SHOWN:,} more comparisons"
        out.print(f"{more}: python -m report compare --all --results {sweep.results}", highlight=False, soft_wrap=True)
    out.print(terminal.spent(sweep.wall), highlight=False)
    ledger = sweep.ledger
    code = 0 if ledger.all_ok() else 1
    for words in (*ledger.words(), f"rows in {sweep.path.name}; exit code {code}"):
        out.print(words, markup=False, highlight=False, soft_wrap=True)
    for name in ledger.unlearnable():
        err.print(
            f"warning: {escape(errors.plain(name))}: no launch read more digits right than chance would; its labels"
            " may be shuffled or belong to other images: look at some together, or train for more --epochs",
            style="yellow",
            highlight=False,
            soft_wrap=True,
        )
    return code
