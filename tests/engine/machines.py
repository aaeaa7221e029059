"""A field whose every machine is a place of its own, with links to cut, and a log of what each case came to."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.engine import namespaces
from tests.engine.field import Field, Program, launch, settled, sweeps
from tests.engine.namespaces import DRIVER, SCHEDULER, Network, network

PORT = "8786"
FAKES = ("steady-0", "steady-1", "steady-2")
HEAD = "| case | what was seen | requested | reported | rows twice | launches by attempt | left processes |"


def real(line: list[str]) -> list[str]:
    """Return a harness's line as the product's."""
    return [line[0], "-m", "benchmarks", *line[3:]]


class Machines(Field):
    """A scheduler, members m1, m2, ... and a driver, each in its place; `seen` goes into the log."""

    def __init__(self, folder: Path, made: Network, case: str) -> None:
        super().__init__(folder)
        self.network, self.case = made, case
        self.address = f"tcp://{made.address(SCHEDULER)}:{PORT}"
        self.members: dict[str, Program] = {}
        self.seen: list[str] = []
        self.account = ["-"] * 4
        self.change: Callable[[list[str]], list[str]] = list  # of every program's line

    def at(self, place: str, change: Callable[[list[str]], list[str]] = list) -> Callable:
        """Return what starts a program in a place, its line changed."""
        return lambda line, **others: self.network.start(place, change(self.change(line)), **others)

    def scheduler(self, patience_s: float) -> Program:
        host = self.network.address(SCHEDULER)
        asked = ("--host", host, "--insecure", "--patience", str(patience_s))
        return self.schedule(*asked, port=PORT, starter=self.at(SCHEDULER))

    def member(self, place: str, *frameworks: str, patience_s: float) -> None:
        asked = ("--insecure", "--patience", str(patience_s))
        others = {"starter": self.at(place)}
        self.members[place] = self.join(place, *frameworks, arguments=asked, wait=False, **others)

    def all(self, count: int, *frameworks: str, patience_s: float) -> None:
        """Start a scheduler and members, all together, and wait until they are there."""
        self.head = self.scheduler(patience_s)
        for place in [f"m{number}" for number in range(1, count + 1)]:
            self.member(place, *frameworks, patience_s=patience_s)
        for program in self.members.values():
            program.until("joined ", 120)

    def drive(self, *amount: str, patience_s: float, change: Callable = list, least: int = 0) -> Program:
        """Start a driver that waits for so many members, or all; a changed one may stop m2, which is named to it."""
        victim = {"VICTIM": str(self.members["m2"].process.pid), "VICTIM_AT": self.network.address("m2")}
        asked = ("--insecure", "--patience", str(patience_s), "--members", str(least or len(self.members)))
        return self.run(*asked, *amount, starter=self.at(DRIVER, change), **victim)

    def collect(self, *where: str, place: str = DRIVER) -> str:
        """Collect from a place, and return what was said."""
        asked = (*(where or (self.address, "--insecure")), "--results", str(self.results))
        program = self.start(f"collect-{len(self.programs)}", "cluster", "collect", *asked, starter=self.at(place))
        assert program.wait() == 0, program.said()
        return program.said()

    def seconds(self, driver: Program, pattern: str, since_s: float, within_s: float = 60.0) -> str:
        """Wait until a driver says something; note it, with how long that took."""
        words = driver.until(pattern, within_s)[0]
        self.seen.append(f"{words} ({time.monotonic() - since_s:.1f} s)")
        return words

    def came_out(self, requested: int) -> tuple[str, dict[tuple, dict]]:
        """Assert that the sweep reports what was requested, nothing twice; note the account."""
        base, rows = settled(self.results, requested)
        found = [sweep for name, sweep in sweeps(self.results).items() if name.partition(".m")[0] == base]
        end = next(sweep.end for sweep in found if sweep.end and "reported" in sweep.end)
        measured = Counter((launch(r), r["attempt"]) for s in found for r in s.rows if r["status"] != "interrupted")
        twice = sum(count > 1 for count in measured.values())
        kinds = Counter((row["attempt"], row["status"]) for row in rows.values())
        attempts = ", ".join(f"{attempt}: {count} {status}" for (attempt, status), count in sorted(kinds.items()))
        self.account = [str(requested), str(end["reported"]), str(twice), attempts]
        return base, rows

    def left(self) -> list[str]:
        """End everything; return which processes any place still has."""
        found = self.close()
        found += [f"{place}: {pid}" for place in self.network.places for pid in self.network.processes(place)]
        print(
            "\n| "
            + " | ".join([self.case, "; ".join(self.seen).replace("\n", " "), *self.account, str(len(found))])
            + " |",
            flush=True,
        )
        return found


@contextmanager
def machines(folder: Path, count: int, case: str) -> Iterator[Machines]:
    """Yield places for so many members; at the end no process may be left in any, nor a place."""
    with network(count) as made:
        field = Machines(folder, made, case)
        try:
            yield field
        finally:
            left = field.left()
    if left or (places := [name for name in namespaces.namespaces() if name.startswith(f"{made.name}-")]):
        pytest.fail(f"left behind: {left or places}")


def killed(program: Program) -> float:
    """Kill a program; return when."""
    program.end(signal.SIGKILL)
    return time.monotonic()
