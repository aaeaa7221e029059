"""The members as a driver sees them: who came, who went, what each is doing, and what it is told and asked.

All that it sends is JSON: orders, and questions that members' event loops answer at once. An order begins a part of a
sweep or measures a block of it; member.carry_out takes it, in its turn. What members measured for a driver that was
killed is taken over here too: the lines that a folder lacks, none twice.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from distributed import Client, Future

from adapters.recipes import declared_own
from benchmarks.errors import EngineError
from benchmarks.machine import environments, git
from benchmarks.plan.cells import Block, Cell, Launch, Request
from benchmarks.record import store
from benchmarks.sweep.dask import member
from benchmarks.sweep.dask.copies import Copy, some_lines
from benchmarks.sweep.dask.facts import Facts, machine_words, other_protocol, requested_points, requested_probes
from benchmarks.sweep.dask.plan import Kind, Series
from benchmarks.sweep.dask.scheduler import connected

Json = dict[str, Any]
ANSWER_S = 20.0


class Answer:
    """What a member answered, or an error in words."""

    def __init__(self, text: Any) -> None:
        self.content: Json = {}
        if isinstance(text, BaseException):  # rows repeat the words, and no address may stand in them
            self.error = "it does not answer" if isinstance(text, OSError) else f"{type(text).__name__}: {text}"
            return
        try:
            self.content = dict(json.loads(text))
            self.error = str(self.content.get("error", ""))
        except (TypeError, ValueError) as error:
            self.error = f"its answer is not valid: {error}"


def ask_all(
    client: Client, addresses: Sequence[str], question: str, within_s: float = ANSWER_S, **about: Any
) -> dict[str, Answer]:
    """Ask several members one of member.QUESTIONS and return their answers by address."""
    text = json.dumps({"question": question, **about})
    try:
        # Client.run takes no limit of time, and a member whose link was cut never answers.
        answers = client.sync(
            client._run, member.answer, text, workers=list(addresses), on_error="return", callback_timeout=within_s
        )
    except Exception as error:
        return {address: Answer(error) for address in addresses}
    return {address: Answer(answers.get(address, EOFError("no answer"))) for address in addresses}


def ask(client: Client, address: str, question: str, **about: Any) -> Answer:
    """Ask one member."""
    return ask_all(client, [address], question, **about)[address]


SENT_FIELDS = ("epochs", "timeout_s", "proof_timeout_s", "fresh_proof", "memory_bytes", "peak")


def requested_modes(request: Request) -> Json:
    """Return what run records say of the modes that were asked for."""
    return {"modes": "recommended"} if all(mode is None for mode in request.axes.modes) else {}


def opening(request: Request, sweep: str, base: str, facts: Facts) -> Json:
    """Return the order to begin a part of the sweep `base`, under the name `sweep`, for a machine with these facts."""
    return {
        "order": "open",
        "sweep": sweep,
        "part_of": base,
        "probes": [list(pair) for pair in requested_probes(request.axes, facts)],
        "points": [list(point) for point in requested_points(request.axes, facts)],
        "revisions": list(request.axes.revisions),
        "requested": requested_modes(request),
        **request.record(),
        **{name: getattr(request, name) for name in SENT_FIELDS},
        "data_dir": str(request.data_dir.absolute()) if request.data_dir else None,
        "sets": list(request.sets),
        "networks": declared_own(request.axes.recipes),
    }


def measuring(sweep: str, block: Block, attempt: int, left_s: float) -> Json:
    """Return the order to measure a block; `left_s` is what is left of the time cap."""
    return {
        "order": "measure",
        "sweep": sweep,
        "task": block.task,
        "round": block.round,
        "seed": block.seed,
        "attempt": attempt,
        "cells": [dataclasses.asdict(cell) for cell in block.cells],
        "time_left_s": left_s if math.isfinite(left_s) else None,
    }


LOOK_S = 1.0  # between looks at which machines are connected
IDENTITY_S = 5.0


@dataclass(eq=False)
class Machine:
    """One machine in a sweep; while it measures a block, `waiting` holds the launches that have no row yet."""

    number: int
    address: str
    sweep: str  # BASE.m01
    facts: Facts
    behind_s: float  # of its wall clock; no measurement rests on it
    copy: Copy
    kind: Kind | None = None  # None until it has begun its part
    series: Series | None = None
    block: Block | None = None
    waiting: dict[Cell, Launch] = field(default_factory=dict)
    future: Future | None = None  # of the order that its slot carries out
    answer: Answer | None = None  # to that
    doing: str = "begins"
    since_s: float = field(default_factory=time.monotonic)  # for the account of where time went

    @property
    def name(self) -> str:
        """Its name in messages: m01."""
        return f"m{self.number:02d}"

    @property
    def words(self) -> str:
        """What it is, and whether its wall clock is off."""
        behind = self.behind_s
        off = f"; its clock is {abs(behind):,.0f} s {'behind' if behind > 0 else 'ahead'}" if abs(behind) > 1 else ""
        return machine_words(self.facts) + off


@dataclass
class Workers:
    """All machines of a sweep; `message` shows why one takes no part."""

    client: Client
    base: str  # the sweep
    results: Path
    patience_s: float
    message: Callable[[str], None]
    present: dict[str, Machine] = field(default_factory=dict)  # by address
    former: list[Machine] = field(default_factory=list)
    turned_away: set[str] = field(default_factory=set)  # addresses; a machine that joins again has another
    looked_s: float = 0.0
    away_s: float | None = None  # since when the scheduler does not answer
    returned: Callable[[], None] = lambda: None  # called when it answers again

    def look(self) -> tuple[list[Machine], list[Machine]]:
        """Return who came and who went since the last look, nobody where that is less than LOOK_S ago."""
        now = time.monotonic()
        if now - self.looked_s < LOOK_S or (addresses := self.workers()) is None:
            return [], []
        self.looked_s = now
        went = [machine for address, machine in self.present.items() if address not in addresses]
        came = [self.welcome(address) for address in sorted(addresses.difference(self.present, self.turned_away))]
        return [machine for machine in came if machine is not None], went

    def workers(self) -> set[str] | None:
        """Return the addresses of Dask's workers; None while the scheduler does not answer, EngineError after that."""
        if self.client.status == "running":
            try:
                identity = self.client.sync(self.client.scheduler.identity, n_workers=-1, callback_timeout=IDENTITY_S)
                if self.away_s is not None:
                    self.away_s = None
                    self.returned()
                return set(identity["workers"])
            except (OSError, TimeoutError):
                pass  # it may come back
        self.away_s = self.away_s or time.monotonic()
        if self.client.status == "closed" or time.monotonic() - self.away_s > self.patience_s:
            raise EngineError("the scheduler is gone; start it again, let the machines join, and --resume")
        return None

    def welcome(self, address: str) -> Machine | None:
        """Return a machine that can take part; turn another away."""
        answer = ask(self.client, address, "facts")
        facts = answer.content
        error = answer.error or other_protocol("it", facts.get("protocol"))
        if not error and facts["code"] != environments.code_hash():
            other = f"commit {facts['commit']}, here it is {git.commit()}"
            error = f"its checkout measures by other code ({other}); bring both to the same"
        if error:
            self.turn_away(address, error)
            return None
        behind_s = time.time() - facts.pop("wall_s")
        number = len(self.present) + len(self.former) + 1
        sweep = f"{self.base}.m{number:02d}"
        machine = Machine(number, address, sweep, facts, behind_s, Copy(self.results / f"{sweep}.jsonl"))
        self.present[address] = machine
        return machine

    def turn_away(self, address: str, why: str) -> None:
        """Refuse a machine, and say why."""
        self.dismiss(address)
        self.message(f"{address} takes no part: {why}")

    def dismiss(self, address: str, back: bool = False) -> None:
        """Do without a machine; it may come `back` under this address, otherwise only by joining again."""
        if not back:
            self.turned_away.add(address)
        if machine := self.present.pop(address, None):
            if machine.future is not None and self.client.status == "running":
                machine.future.cancel()  # it would wait for ever, and run should that address come back
            machine.future = None
            self.former.append(machine)

    def forget(self) -> None:
        """Delete the copies of a sweep that never began: they hold no measurement."""
        for machine in (*self.present.values(), *self.former):
            if machine.copy.begun:
                machine.copy.path.unlink(missing_ok=True)

    def by_sweep(self, sweep: Any) -> Machine | None:
        """Return the machine whose part this is; None for another driver's, or one that takes no part any more."""
        return next((machine for machine in self.present.values() if machine.sweep == sweep), None)

    def seconds(self) -> float:
        """Return for how long all machines together took part."""
        now = time.monotonic()
        return sum(now - machine.since_s for machine in (*self.present.values(), *self.former))


Fetched = dict[str, int]  # lines by sweep


def from_folder(folder: Path, results: Path) -> Fetched:
    """Take over from a folder of this machine, or one that was copied here."""
    store.check(results)
    paths = sorted(folder.glob("*.jsonl"))
    counts = {path.stem: _completed(Copy.existing(results / path.name), partial(some_lines, path)) for path in paths}
    return {sweep: lines for sweep, lines in counts.items() if lines}


def _completed(copy: Copy, lines: Callable[[int], list[str]]) -> int:
    """Append all lines that a copy lacks; return how many."""
    before = copy.lines
    while some := lines(copy.lines):
        copy.take(copy.lines, some)
    copy.settle()
    return copy.lines - before


def _lines_of(client: Client, member: str, sweep: str, first: int) -> list[str]:
    return list(ask(client, member, "lines", sweep=sweep, first=first).content.get("lines", []))


def _clients(dask_scheduler: Any) -> list[str]:
    """Return, on the scheduler, Dask's names of the clients that are connected."""
    return list(dask_scheduler.clients)


def from_members(address: str, results: Path, say: Callable[[str], None]) -> Fetched:
    """Take over from every member of a scheduler, which then deletes it; files of running sweeps stay with it."""
    store.check(results)
    fetched: Fetched = {}
    with connected(address) as client:
        drivers = set(client.run_on_scheduler(_clients))
        for member in client.sync(client.scheduler.identity, n_workers=-1)["workers"]:
            kept = ask(client, member, "sweep files")
            if kept.error:
                say(f"{member}: {kept.error}")
            for sweep, driver in kept.content.get("sweeps", {}).items():
                if driver in drivers:
                    say(f"{sweep}: its driver still runs; left alone")
                    continue
                copy = Copy.existing(results / f"{Path(sweep).name}.jsonl")
                if new := _completed(copy, partial(_lines_of, client, member, sweep)):
                    fetched[sweep] = new
                ask(client, member, "close", lines={sweep: copy.lines})
    return fetched
