"""The machines that a driver knows: who came, who went, and what each is doing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distributed import Client, Future

from benchmarks.errors import EngineError
from benchmarks.machine import environments, git
from benchmarks.plan.cells import Block, Cell, Launch
from benchmarks.sweep.dask.copies import Copy
from benchmarks.sweep.dask.facts import Facts, machine_words, other_protocol
from benchmarks.sweep.dask.plan import Kind, Series
from benchmarks.sweep.dask.rpc import Answer, ask

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
