"""A sweep over several machines: hands out blocks, takes rows as they are made, and lets nothing disappear.

Dask carries orders and answers and decides nothing: each block is meant for one member, runs at most once, and is
planned again by us, visibly, where its member was lost.
"""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distributed import Client, Future

from benchmarks import disk, environments, interruption, storage
from benchmarks.cells import Cell
from benchmarks.datasets import Prepared
from benchmarks.engine import tasks
from benchmarks.engine.board import Board
from benchmarks.engine.copies import Copy
from benchmarks.engine.crew import Answer, Member, asked, facts_of
from benchmarks.engine.facts import words
from benchmarks.engine.kinds import Kind
from benchmarks.engine.member import SLOT, TOPIC
from benchmarks.engine.request import Request
from benchmarks.errors import EngineError, SchemaError, UsageError
from benchmarks.ledger import Ledger
from benchmarks.runner import TOGETHER, name_now, said, unwritable

Json = dict[str, Any]
LOOK_S = 1.0  # between looks at who is there
KINDS_S = 2.0  # after enough members have come, for others that come at the same time


@dataclass
class Driver:
    """One sweep over the members of a scheduler; `results` takes its file and a copy of each member's."""

    client: Client
    request: Request
    results: Path
    board: Board
    members_wanted: int = 1
    patience_s: float = 60.0
    name: str = field(default_factory=name_now)
    crew: dict[str, Member] = field(default_factory=dict)  # by address; lost ones leave it
    lost: list[Member] = field(default_factory=list)
    turned_away: set[str] = field(default_factory=set)  # addresses
    kinds: dict[str, Kind] = field(default_factory=dict)  # by fingerprint
    inbox: queue.SimpleQueue[tuple[str, Any]] = field(default_factory=queue.SimpleQueue)
    repeated: int = 0  # launches whose rows a later attempt took the place of
    looked_s: float = 0.0
    away_s: float | None = None  # since when the scheduler does not answer
    alone_s: dict[str, float] = field(default_factory=dict)  # by kind: since when no member is there for it

    @property
    def path(self) -> Path:
        """The driver's own file."""
        return self.results / f"{self.name}.jsonl"

    def run(self) -> Ledger:
        """Measure everything; return the account over all machines.

        Whatever ends it early, launches that were not made have rows that say so, unless rows cannot be written.
        """
        self.begun_s = time.monotonic()
        self.client.subscribe_topic(TOPIC, lambda event: self.inbox.put(("told", event[1])))
        try:
            self.gather()
            self.begin()
            while not self.over():
                self.look()
                self.hand_out()
                self.take(LOOK_S)
        except BaseException as ending:
            if self.kinds and not unwritable(ending):
                self.abandon()
                with interruption.held():
                    self.leave(said(ending))
                    self.end(said(ending))
            self.close()
            raise
        self.end("")
        self.close()
        return self.ledger

    # Who is there.

    def gather(self) -> None:
        """Wait until enough members have begun their parts; EngineError where the patience ends first."""
        deadline = time.monotonic() + self.patience_s
        while self.begun() < self.members_wanted:
            if time.monotonic() > deadline:
                raise EngineError(
                    f"{self.members_wanted} members were asked for, {self.begun()} came within {self.patience_s:g} s;"
                    " on each machine: python -m benchmarks join ADDRESS"
                )
            self.look()
            self.take(LOOK_S)
        if not any(kind.cells for kind in self.kinds.values()):
            raise UsageError("none of the members has a device that was asked for; choose others with --device")

    def begun(self) -> int:
        """Return how many members have begun."""
        return sum(member.kind is not None for member in self.crew.values())

    def look(self) -> None:
        """See who came and who went, once in LOOK_S."""
        if time.monotonic() - self.looked_s < LOOK_S:
            return
        self.looked_s = time.monotonic()
        there = self.workers()
        if there is None:
            return
        for address in [address for address in self.crew if address not in there]:
            self.lose(self.crew[address], "it left the scheduler: its process ended, or its link was cut")
        for address in there.difference(self.crew, self.turned_away):
            self.welcome(address)

    def workers(self) -> set[str] | None:
        """Return the addresses of Dask's workers; None while the scheduler does not answer, EngineError after that."""
        found = None
        if self.client.status == "running":
            try:
                found = set(
                    self.client.sync(self.client.scheduler.identity, n_workers=-1, callback_timeout=5)["workers"]
                )
            except (OSError, TimeoutError):
                found = None
        if found is not None:
            self.away_s = None
            return found
        self.away_s = self.away_s or time.monotonic()
        if self.client.status == "closed" or time.monotonic() - self.away_s > self.patience_s:
            raise EngineError("the scheduler is gone; start it again, let the machines join, and --resume")
        return None

    def welcome(self, address: str) -> None:
        """Let a machine begin its part, or say why it is none of this sweep."""
        facts, clock, error = facts_of(self.client, address)
        if error:
            self.turn_away(address, error)
            return
        if facts["code"] != environments.code_hash():
            other = f"commit {facts['commit']}, here it is {environments.commit()}"
            self.turn_away(address, f"its checkout measures by other code ({other}); bring both to the same")
            return
        number = len(self.crew) + len(self.lost) + 1
        sweep = f"{self.name}.m{number:02d}"
        member = Member(number, address, sweep, facts, clock, Copy(self.results / f"{sweep}.jsonl"))
        self.crew[address] = member
        self.board.came(member, words(facts))
        opening = self.request.opening(sweep, self.name, facts)
        self.send(member, tasks.open_part, {**opening, "driver": self.client.id})

    def turn_away(self, address: str, why: str) -> None:
        """Do without a machine and say why."""
        self.turned_away.add(address)
        self.board.tell(f"{address} takes no part: {why}")

    def send(self, member: Member, work: Any, order: Json) -> None:
        """Give a member's slot something to do."""
        place = {"workers": [member.address], "allow_other_workers": False, "resources": {SLOT: 1}}
        member.future = self.client.submit(work, json.dumps(order, allow_nan=False), pure=False, retries=0, **place)
        member.future.add_done_callback(lambda future: self.inbox.put(("done", (member, future))))

    # What is measured where.

    def begin(self) -> None:
        """Write the sweep's record, after a moment for machines that came together."""
        self.begun_s = deadline = time.monotonic()
        deadline += KINDS_S
        while time.monotonic() < deadline or any(member.kind is None for member in self.crew.values()):
            self.look()
            self.take(LOOK_S / 4)
        disk.check(self.results)
        engine = {"name": "dask", "members": [member.sweep for member in self.crew.values()]}
        about = {"preset": self.request.preset(), "seed": self.request.seed, "resumes": []}
        requested = self.ledger.requested | self.request.requested()
        told = {"sweep": self.name, "code": environments.code_hash(), "commit": environments.commit()}
        storage.append(self.path, "run", {**told, **about, "requested": requested, "engine": engine})

    def over(self) -> bool:
        """Return whether nothing is left to be measured, or nobody who could measure it has come back in time."""
        left = [key for key, kind in self.kinds.items() if not kind.plan.over]
        now = time.monotonic()
        for key in left:
            if any(member.kind is self.kinds[key] for member in self.crew.values()):
                self.alone_s.pop(key, None)
            elif now - self.alone_s.setdefault(key, now) > self.patience_s:
                self.give_up(self.kinds[key])
        return all(kind.plan.over for kind in self.kinds.values())

    def hand_out(self) -> None:
        """Give every idle member its next block."""
        for member in self.crew.values():
            if member.kind is None or member.future is not None:
                continue
            series = member.kind.plan.take(member.address)
            if series is None:
                member.doing = "nothing is left for it"
                continue
            if series.attempt > 1 and series.done == 0 and series.reported:
                self.repeated += member.kind.withdraw(series)
            member.series, (_, member.block) = series, series.next
            member.waiting = {planned.cell: planned for planned in member.block.launches(series.attempt)}
            left_s = self.request.time_cap_s - (time.monotonic() - self.begun_s)
            self.send(member, tasks.measure, self.request.block(member.sweep, member.block, series.attempt, left_s))

    def take(self, wait_s: float) -> None:
        """Take what has come, waiting for the first of it."""
        try:
            event, what = self.inbox.get(timeout=wait_s)
            while True:
                self.take_one(event, what)
                event, what = self.inbox.get_nowait()
        except queue.Empty:
            self.board.show(self.crew.values(), self.ledger_progress())

    def take_one(self, event: str, what: Any) -> None:
        """Take what a member told, or that it has done what it was given."""
        if event == "done":
            member, future = what
            if member.future is future:  # otherwise it was lost meanwhile
                member.future = None
                self.done(member, future)
            return
        told = Answer(what.get("json"))
        member = next((one for one in self.crew.values() if one.sweep == told.said.get("sweep")), None)
        if member is None or told.error:
            return  # another driver's, or of one that was lost
        if "doing" in told.said:
            member.doing = str(told.said["doing"])
        else:
            self.keep(member, told.said)

    def keep(self, member: Member, told: Json) -> bool:
        """Append what a member told to its copy; return whether nothing before it is missing."""
        try:
            with interruption.held():
                lines = member.copy.take(int(told["first"]), told["lines"])
                for kind, record in lines or []:
                    self.note(member, kind, record)
        except (SchemaError, KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, SchemaError) and "cannot write" in str(error):
                raise
            self.lose(member, f"what it told cannot be read: {error}")
            return False
        return lines is not None

    def note(self, member: Member, kind: str, record: Json) -> None:
        """Take account of one line."""
        series, machines = member.series, member.kind
        if machines is None or series is None or member.block is None:
            return
        if kind == "row":
            axes = {name: record[name] for name in CELL}
            planned = member.waiting.pop(Cell(**{**axes, "revision": record["revision"] or ""}), None)
            if planned is not None:
                machines.report(series, planned, record)
                self.board.row(member, self.ledger_progress(), planned, record)
        elif kind == "stop" and member.block.task == "speed":
            series.stopped = True
            later = series.blocks[series.done + 1 :]
            machines.ledger.not_needed += sum(len(block.cells) for _, block in later)
            machines.stops.append(record)

    def done(self, member: Member, future: Future) -> None:
        """Go on after a member has begun, or has measured a block; or count it as lost where it could not."""
        if future.status != "finished":
            why = future.exception() if future.status == "error" else None
            self.lose(member, f"its block was lost: {repr(why)}")
            return
        answer = Answer(future.result())
        if answer.error:
            if member.kind is None:
                self.crew.pop(member.address)
                self.lost.append(member)
                self.turn_away(member.address, answer.error)
            else:
                self.lose(member, answer.error)
            return
        if self.fetch(member, int(answer.said["lines"])) and self.on_time(member, answer):
            if member.kind is None:
                self.enrol(member, answer.said["data"])
            else:
                self.finish(member)

    def fetch(self, member: Member, lines: int) -> bool:
        """Ask a member for lines that did not come; return whether all are there now."""
        while member.copy.lines < lines:
            missing = asked(self.client, member.address, tasks.lines, sweep=member.sweep, first=member.copy.lines)
            if missing.error or not missing.said["lines"]:
                self.lose(member, missing.error or "its file lacks lines that it told of")
                return False
            if not self.keep(member, {"first": member.copy.lines, **missing.said}):
                return False
        return True

    def on_time(self, member: Member, answer: Answer) -> bool:
        """Return whether a member's clock runs as ours does; without that no speed of it is one."""
        rate = member.clock.rate(float(answer.said["clock_s"]))
        if rate is None:
            return True
        wrong = f"its clock runs at {rate:.3g} of the driver's"
        self.lose(member, wrong, f"{member.name}: {wrong}; no speed that it measured is one")
        return False

    def enrol(self, member: Member, data: list[Json]) -> None:
        """Let a member be one of its kind, the first of which says what is planned."""
        key = str(member.facts["fingerprints"]["cpu"]) + "".join(sorted(member.facts["fingerprints"].values()))
        prepared = {found["name"]: Prepared(**found, folder=Path()) for found in data}
        known = {name: found.sha256 for kind in self.kinds.values() for name, found in kind.launcher.data.items()}
        kind = self.kinds.get(key)
        wrong = ""
        if known and known != {name: found.sha256 for name, found in prepared.items()}:
            wrong = "its data are not those of the other members"
        elif kind is None and self.path.exists():
            wrong = "it is of a kind that was not there when the sweep began; it can take part in the next"
        elif kind is not None and (differing := kind.differs(member.facts)):
            wrong = f"its environments are not those of the other {kind.name}: {differing}; make them anew there"
        if wrong:
            del self.crew[member.address]
            self.lost.append(member)
            self.turn_away(member.address, wrong)
            asked(self.client, member.address, tasks.close, sweep=member.sweep, lines=member.copy.lines)
            return
        if kind is None:
            kind = self.kinds[key] = self.request.kind(member.facts, prepared)
        member.kind, member.doing = kind, "waits"

    def finish(self, member: Member) -> None:
        """Note that a block is measured."""
        if member.kind is None or member.series is None:
            return
        if member.waiting:
            self.lose(member, f"it told of no rows of {len(member.waiting)} launches")
            return
        member.series.done += 1
        member.kind.plan.give_back(member.address)
        member.series = member.block = None

    # What is lost, and what is left at the end.

    def lose(self, member: Member, why: str, amiss: str = "") -> None:
        """Do without a member: what it was measuring has rows that say so, what it had begun begins anew."""
        self.crew.pop(member.address, None)
        self.turned_away.add(member.address)  # what joins again has another
        member.lost, member.future = why, None
        self.lost.append(member)
        self.board.went(member, why)
        if member.kind is None:
            return
        kind, series = member.kind, member.series
        if series is not None and member.waiting:
            reason = f"{member.name} was lost: {why}; its comparison begins anew as attempt {series.attempt + 1}"
            self.write(kind, [(series, planned) for planned in member.waiting.values()], "interrupted", reason)
        kind.plan.lose(member.address, amiss)

    def give_up(self, kind: Kind) -> None:
        """Write rows for all that no machine of a kind is left to measure."""
        why = f"no machine of its kind ({kind.name}) was left, and none came within {self.patience_s:g} s"
        for series in [series for series in kind.plan.series if not series.over]:
            self.leave_series(kind, series, why)
        kind.plan.end()

    def leave(self, reason: str) -> None:
        """Write rows for all that is not made."""
        for kind in self.kinds.values():
            for series in kind.plan.series:
                self.leave_series(kind, series, reason)

    def leave_series(self, kind: Kind, series: Any, reason: str) -> None:
        """Write rows for the launches of one series that are not made."""
        if series.amiss:
            self.repeated += kind.withdraw(series)
            series.attempt += 1
            self.write(kind, [(series, planned) for planned in series.open()], "invalid", series.amiss)
            series.amiss = ""
        else:
            self.write(kind, [(series, planned) for planned in series.open()], "interrupted", reason)

    def write(self, kind: Kind, launches: list[Any], status: str, reason: str) -> None:
        """Append rows of launches that were not made, as many at once as memory takes lightly."""
        for first in range(0, len(launches), TOGETHER):
            some = launches[first : first + TOGETHER]
            rows = [kind.not_made(planned, self.name, status, reason) for _, planned in some]
            storage.append(self.path, "row", *rows)
            for (series, planned), row in zip(some, rows, strict=True):
                kind.report(series, planned, row)

    def end(self, reason: str) -> None:
        """Append where the machines' time went and how much there is."""
        now, ledger = time.monotonic(), self.ledger
        self.wall = ledger.wall.split(sum(now - member.since_s for member in (*self.crew.values(), *self.lost)))
        counts = {"reported": len(ledger.rows), "not_needed": ledger.not_needed, "repeated": self.repeated}
        storage.append(self.path, "end", {"wall_s": self.wall, **counts, "interrupted": reason or None})

    def abandon(self) -> None:
        """Let members end what they measure for us."""
        for member in list(self.crew.values()):
            if member.future is not None and self.client.status == "running":
                asked(self.client, member.address, tasks.abandon, sweep=member.sweep)

    def close(self) -> None:
        """Let members forget the sweep, and delete what the driver has all of."""
        self.board.close()
        for member in list(self.crew.values()):
            if self.client.status == "running":
                asked(self.client, member.address, tasks.close, sweep=member.sweep, lines=member.copy.lines)

    @property
    def ledger(self) -> Ledger:
        """The account over all kinds of machine."""
        return Ledger.over([kind.ledger for kind in self.kinds.values()])

    def ledger_progress(self) -> tuple[int, int]:
        """Return how many launches are reported, of how many that are needed, over all kinds."""
        both = [kind.ledger.progress() for kind in self.kinds.values()]
        return sum(done for done, _ in both), sum(total for _, total in both)

    def rows(self) -> Iterator[tuple[Kind, Any]]:
        """Yield each kind with what is kept of its rows."""
        yield from ((kind, kind.ledger.rows) for kind in self.kinds.values())


CELL = ("framework", "recipe", "dataset", "device", "batch_size", "mode", "dtype", "threads", "pipeline")
