"""A sweep over several machines: hands out blocks, takes rows as they are made, and nothing disappears.

Dask carries orders and answers and decides nothing: each block is meant for one machine, runs at most once, and is
planned again by us, visibly, where that machine was lost.
"""

from __future__ import annotations

import json
import time
from typing import Any

from distributed import Client

from benchmarks.errors import EngineError, UsageError
from benchmarks.machine import signals
from benchmarks.plan.cells import Request
from benchmarks.sweep.dask import member, workers
from benchmarks.sweep.dask.events import Account, Display, Events
from benchmarks.sweep.dask.facts import PROTOCOL
from benchmarks.sweep.dask.member import SLOT, TOPIC
from benchmarks.sweep.dask.plan import resume
from benchmarks.sweep.dask.workers import LOOK_S, Machine, Workers, ask, ask_all
from benchmarks.sweep.ledger import Ledger
from benchmarks.sweep.local import interruption_reason, is_unwritable, name_now

Json = dict[str, Any]
LATECOMERS_S = 2.0  # after enough machines have come, for others that come at the same time
ENDING_S = 5.0  # for machines to hear that the sweep has ended


class Driver:
    """One sweep over the members of a scheduler; its folder takes its own file and a copy of each member's."""

    def __init__(
        self, client: Client, request: Request, display: Display, members: int, patience_s: float, queued: bool = False
    ) -> None:
        """`members` must have joined before anything is measured; where they are `queued`, perhaps in hours."""
        self.client, self.request, self.results, self.display = client, request, request.results, display
        self.members, self.patience_s, self.queued = members, patience_s, queued
        self.name = name_now()
        self.path = self.results / f"{self.name}.jsonl"
        self.account = Account(self.name, self.path)
        self.workers = Workers(client, self.name, self.results, patience_s, display.message, returned=self.listen)
        self.events = Events(client, request, self.account, self.workers, display)
        self.begun_s = 0.0  # when the sweep's record was written
        self.alone_s: dict[str, float] = {}  # by kind: since when no machine of it is present
        self.wall: dict[str, float] = {}

    @property
    def ledger(self) -> Ledger:
        """The account over all machines."""
        return self.account.ledger

    @property
    def stops(self) -> list[Json]:
        """Why each comparison was measured no further."""
        return [stop for kind in self.account.kinds.values() for stop in kind.stops]

    def rows_by_machine(self) -> dict[str, list[Json]]:
        """Return the rows of the tables at its end, by kind of machine."""
        return {kind.name: kind.ledger.rows for kind in self.account.kinds.values()}

    def run(self) -> None:
        """Measure everything.

        Whatever ends it early, launches that were not made have rows that say so, unless rows cannot be written.
        """
        self.listen()
        try:
            self.gather()
            self.begin()
            while not self.over():
                self.look()
                self.hand_out()
                self.events.take(LOOK_S)
        except BaseException as ending:
            if self.account.begun and not is_unwritable(ending):
                with signals.deferred():
                    self.events.settle()
                    self.account.record_unreached(self.account.kinds.values(), interruption_reason(ending))
                    self.wall = self.account.end(self.workers.seconds(), interruption_reason(ending))
            if not self.account.begun:
                self.workers.forget()
            raise
        else:
            self.events.settle()
            self.wall = self.account.end(self.workers.seconds(), "")
        finally:
            self.close()

    def listen(self) -> None:
        """Hear what members send."""
        self.client.subscribe_topic(TOPIC, self.events.receive)

    # Which machines take part, and what is planned for them.

    def gather(self) -> None:
        """Wait until enough machines have begun their parts; EngineError where the patience ends first."""
        deadline = time.monotonic() + self.patience_s
        while (begun := self.begun()) < self.members:
            if time.monotonic() > deadline and begun == len(self.workers.present) and not self.queued:
                raise EngineError(
                    f"{self.members} machines were asked for, {begun} came within {self.patience_s:g} s (--patience);"
                    " on each: python -m benchmarks cluster join ADDRESS"
                )
            self.look()
            self.events.take(LOOK_S)
        if not any(kind.cells for kind in self.account.kinds.values()):
            raise UsageError("no machine that joined has a device that was asked for; choose others with --device")

    def begun(self) -> int:
        """Return how many machines have begun."""
        return sum(machine.kind is not None for machine in self.workers.present.values())

    def begin(self) -> None:
        """Write the sweep's record, after a moment for machines that came together."""
        deadline = time.monotonic() + LATECOMERS_S
        while time.monotonic() < deadline or self.begun() < len(self.workers.present):
            self.look()
            self.events.take(LOOK_S / 4)
        kinds = self.account.kinds.values()
        preset, again = self.request.preset, self.request.resume
        resumed = {name for kind in kinds if again for name in resume(kind, self.results, preset)}
        members = [machine.sweep for machine in self.workers.present.values()]
        self.account.begin(self.request, members, sorted(resumed))
        self.begun_s = time.monotonic()

    def look(self) -> None:
        """Let machines that came begin, and do without those that went."""
        came, went = self.workers.look()
        for machine in came:
            self.display.message(f"{machine.name} takes part: {machine.words}")
            ask(self.client, machine.address, "abandon", driver=self.client.id)  # what it began before it was lost
            self.send(machine, workers.opening(self.request, machine.sweep, self.name, machine.facts))
        for machine in went:
            self.events.lose(machine, "its process ended, or its link was cut")

    # What is measured where.

    def over(self) -> bool:
        """Return whether nothing is left; give up what nobody has come to measure within the patience."""
        now = time.monotonic()
        for key, kind in self.account.kinds.items():
            present = any(machine.kind is kind for machine in self.workers.present.values())
            if kind.plan.over or present or self.workers.away_s is not None:  # without a scheduler nobody can come
                self.alone_s.pop(key, None)
            elif now - self.alone_s.setdefault(key, now) > self.patience_s:
                why = f"no machine of its kind ({kind.name}) was left, and none joined within {self.patience_s:g} s"
                self.account.record_unreached([kind], why)
        return all(kind.plan.over for kind in self.account.kinds.values())

    def hand_out(self) -> None:
        """Give every idle machine its next block."""
        for machine in self.workers.present.values():
            if machine.kind is None or machine.future is not None:
                continue
            series = machine.kind.plan.take(machine.address)
            if series is None:
                machine.doing = "nothing is left for it"
                continue
            if series.done == 0:
                self.account.repeated += machine.kind.withdraw(series)
            machine.series, (_, machine.block) = series, series.next
            machine.waiting = {planned.cell: planned for planned in machine.block.launches(series.attempt)}
            left_s = self.request.time_cap_s - (time.monotonic() - self.begun_s)
            self.send(machine, workers.measuring(machine.sweep, machine.block, series.attempt, left_s))

    def send(self, machine: Machine, order: Json) -> None:
        """Give a machine's slot something to do."""
        place = {"workers": [machine.address], "allow_other_workers": False, "resources": {SLOT: 1}}
        text = json.dumps({"protocol": PROTOCOL, "driver": self.client.id, **order}, allow_nan=False)
        machine.future = self.client.submit(member.carry_out, text, pure=False, retries=0, **place)
        machine.future.add_done_callback(
            lambda future: self.events.inbox.put(lambda: self.events.done(machine, future))
        )

    def close(self) -> None:
        """Let machines end what they measure for us, forget the sweep and delete what the driver has all of."""
        self.display.close()
        present = self.workers.present
        if present and self.client.status == "running":
            if any(machine.future is not None for machine in present.values()):
                ask_all(self.client, list(present), "abandon", ENDING_S, driver=self.client.id)
            lines = {machine.sweep: machine.copy.settled for machine in present.values()}
            ask_all(self.client, list(present), "close", ENDING_S, lines=lines)
