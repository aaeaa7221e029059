"""What comes from the machines: rows as they are made, answers to orders, silence; and what the driver makes of it.

The driver's own file takes what was asked for and the launches that no machine made. cli/display.py shows the events.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from distributed import Client, Future
from distributed.scheduler import KilledWorker

from benchmarks.errors import SchemaError
from benchmarks.machine import environments, git, signals
from benchmarks.plan.cells import Cell, Launch, Request
from benchmarks.plan.data.prepared import Prepared
from benchmarks.plan.fit import misfits
from benchmarks.record import store
from benchmarks.sweep.block import append_rows, network_records
from benchmarks.sweep.dask.copies import Copy
from benchmarks.sweep.dask.plan import Kind, Series
from benchmarks.sweep.dask.workers import Answer, Machine, Workers, ask, requested_modes
from benchmarks.sweep.ledger import Ledger


class Display(Protocol):
    """Takes what happens, in the driver's main thread; `progress` is launches reported, of how many."""

    def show(self, machines: Iterable[Machine], progress: tuple[int, int]) -> None:
        """Show what each machine does now."""

    def row(self, machine: Machine, progress: tuple[int, int], planned: Launch, row: dict[str, Any]) -> None:
        """Show how a launch ended."""

    def went(self, machine: Machine, why: str) -> None:
        """Show that a machine was lost."""

    def message(self, words: str) -> None:
        """Show something else."""

    def close(self) -> None:
        """Show nothing more that moves."""


Json = dict[str, Any]


@dataclass
class Account:
    """`repeated` counts launches whose rows a later attempt replaces."""

    name: str
    path: Path
    kinds: dict[str, Kind] = field(default_factory=dict)  # by fingerprints
    repeated: int = 0
    begun: bool = False

    def begin(self, request: Request, members: Sequence[str], resumes: Sequence[str]) -> None:
        """Write the sweep's record."""
        code = {"code": environments.code_hash(), "commit": git.commit()}
        about = {"sweep": self.name, **code, **request.record(), "resumes": list(resumes)}
        requested = self.ledger.requested | requested_modes(request)
        engine = {"name": "dask", "members": list(members)}
        store.create(self.path, {**about, "requested": requested, "engine": engine})
        for network in network_records(request.axes.recipes):
            store.append(self.path, "network", network)
        self.begun = True

    def write(self, kind: Kind, series: Series, launches: Iterable[Launch], reason: str) -> None:
        """Append `interrupted` rows of launches of a series."""
        made = ((planned, kind.rows.interrupted(planned, self.name, reason)) for planned in list(launches))
        append_rows(self.path, made, partial(kind.report, series))

    def record_unreached(self, kinds: Iterable[Kind], reason: str) -> None:
        """Append rows for every launch of these kinds that was not made."""
        for kind in kinds:
            for series in kind.plan.series:
                self.write(kind, series, series.open(), reason)
            kind.plan.end()

    def end(self, seconds: float, reason: str) -> dict[str, float]:
        """Append where the machines' time went and how many launches are reported; return the former."""
        return self.ledger.end(self.path, seconds, reason, {}, repeated=self.repeated)

    @property
    def ledger(self) -> Ledger:
        """The account over all kinds."""
        return Ledger.over([kind.ledger for kind in self.kinds.values()])

    def progress(self) -> tuple[int, int]:
        """Return how many launches are reported, of how many that are needed."""
        each = [kind.ledger.progress() for kind in self.kinds.values()]
        return sum(done for done, _ in each), sum(total for _, total in each)


SETTLE_S = 1.0  # between waits for the disk: one a row would take longer than all else, and idle machines would wait


def _why_lost(future: Future) -> str:
    """Say why an order was not carried out; no addresses: rows repeat it."""
    error = future.exception() if future.status == "error" else None
    if error is None:
        return "the scheduler forgot its order"  # it was restarted, or our own link was cut
    if isinstance(error, KilledWorker | OSError):
        return "its process ended, or its link was cut"
    return f"{type(error).__name__}: {error}"


class Events:
    """Takes what comes from the machines of a sweep, in the driver's main thread, and keeps account of it."""

    def __init__(self, client: Client, request: Request, account: Account, workers: Workers, display: Display) -> None:
        self.client, self.request, self.account = client, request, account
        self.workers, self.display = workers, display
        self.inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.grown: dict[str, Copy] = {}  # by part: copies whose last lines may not be on the disk yet
        self.settled_s = time.monotonic()

    def receive(self, event: tuple[float, Json]) -> None:
        """Queue, in Dask's thread, what a machine sends to us and not to another driver."""
        if event[1].get("driver") == self.client.id:
            self.inbox.put(lambda: self.hear(event[1]))

    def take(self, wait_s: float) -> None:
        """Take all that has come, waiting for the first of it."""
        if time.monotonic() - self.settled_s > SETTLE_S:
            self.settle()
        try:
            self.inbox.get(timeout=wait_s)()
            for _ in range(self.inbox.qsize()):  # no more: with many machines it would never end
                self.inbox.get_nowait()()
        except queue.Empty:
            pass
        self.display.show(self.workers.present.values(), self.account.progress())

    def settle(self) -> None:
        """Wait until the disk has all lines; machines keep theirs until they hear of that."""
        while self.grown:
            self.grown.popitem()[1].settle()
        self.settled_s = time.monotonic()

    def hear(self, message: Json) -> None:
        """Take what a machine sent without being asked."""
        answer = Answer(message.get("json"))
        machine = self.workers.by_sweep(answer.content.get("sweep"))
        if machine is None:
            return
        if "doing" in answer.content:
            machine.doing = str(answer.content["doing"])
        elif "answer" in answer.content:
            machine.answer = Answer(answer.content["answer"])
        else:
            self.keep(machine, answer.content)

    def keep(self, machine: Machine, message: Json) -> bool:
        """Append lines to a machine's copy and count what they record; False where lines before them are missing."""
        try:
            first, lines = int(message["first"]), [str(line) for line in message["lines"]]
            with signals.deferred():
                if new := machine.copy.take(first, lines):
                    self.grown[machine.sweep] = machine.copy
                for kind, record in new or []:
                    self.note(machine, kind, record)
        except (SchemaError, KeyError, TypeError, ValueError) as error:
            self.lose(machine, f"what it sent cannot be read: {error}")
            return False
        return new is not None

    def note(self, machine: Machine, what: str, record: Json) -> None:
        """Count what one line records."""
        kind, series, block = machine.kind, machine.series, machine.block
        if kind is None or series is None or block is None:
            return
        if what == "row":
            if planned := machine.waiting.pop(Cell.from_row(record), None):
                kind.report(series, planned, record)
                self.display.row(machine, self.account.progress(), planned, record)
        elif what == "stop":
            kind.stop(series, record)

    def done(self, machine: Machine, future: Future) -> None:
        """Go on after a machine began its part or measured a block; do without it where it could not."""
        if machine.future is None or machine.future.key != future.key:
            return  # it was lost meanwhile
        machine.future = None
        answer, machine.answer = machine.answer, None
        if answer is None:
            self.lose(machine, _why_lost(future), back=future.status != "error")
            return
        future.release()  # what is held and lost with its machine is done once more by Dask
        if answer.error:
            self.lose(machine, answer.error)
        elif not self.fetched(machine, int(answer.content["lines"])):
            return
        elif machine.kind is None:
            machine.facts["probes"] = answer.content["probes"]  # they say more where networks are a user's own
            self.enrol(machine, answer.content["data"])
        else:
            self.finish(machine, machine.kind)

    def fetched(self, machine: Machine, lines: int) -> bool:
        """Ask a machine for lines that did not come; return whether all are here now."""
        while machine.copy.lines < lines:
            missing = ask(self.client, machine.address, "lines", sweep=machine.sweep, first=machine.copy.lines)
            if missing.error or not missing.content.get("lines"):
                self.lose(machine, missing.error or "its file lacks lines that it counted")
                return False
            if not self.keep(machine, {"first": machine.copy.lines, **missing.content}):
                return False
        return True

    def enrol(self, machine: Machine, data: list[Json]) -> None:
        """Let a machine be one of its kind, the first of which decides what is planned."""
        key = " ".join(f"{device}={fingerprint}" for device, fingerprint in machine.facts["fingerprints"].items())
        prepared = {one["name"]: Prepared(**one, folder=Path()) for one in data}
        kinds = self.account.kinds
        hashes = [[one.sha256 for one in kind.rows.data.values()] for kind in kinds.values()]
        wrong = ""
        if hashes and hashes[0] != [one.sha256 for one in prepared.values()]:
            wrong = "its data are not those of the others"
        elif key not in kinds and self.account.begun:
            wrong = "it is of a kind that was not there when the sweep began; it can take part in the next"
        elif misfit := misfits(self.request.axes.recipes, prepared.values()):
            wrong = misfit
        elif key in kinds and (differing := kinds[key].differs(machine.facts)):
            wrong = f"its environments differ from those of the others of its kind: {differing}; make them again"
        if wrong:
            self.workers.turn_away(machine.address, wrong)
            return
        if key not in kinds:
            kinds[key] = Kind.planned(self.request, machine.facts, prepared)
        machine.kind, machine.doing = kinds[key], "waits"

    def finish(self, machine: Machine, kind: Kind) -> None:
        """Note that a block is measured."""
        if machine.waiting:
            self.lose(machine, f"it sent no row for {len(machine.waiting)} launches of a block")
        elif machine.series is not None:
            machine.series.done += 1
            kind.plan.put_back(machine.address)
            machine.series = machine.block = None

    def lose(self, machine: Machine, why: str, back: bool = False) -> None:
        """Do without a machine: what it was measuring has rows that say so, what it had begun begins again.

        With `back` it may take part again as it is.
        """
        self.workers.dismiss(machine.address, back)
        self.display.went(machine, why)
        if machine.kind is None:
            return
        if machine.series is not None:
            again = f"its comparison begins again as attempt {machine.series.attempt + 1}"
            reason = f"{machine.name} was lost: {why}; {again}"
            self.account.write(machine.kind, machine.series, machine.waiting.values(), reason)
        machine.kind.plan.lose(machine.address)
