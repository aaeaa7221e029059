"""The members that a driver knows: how it reaches them, what each does, and whether its clock can be trusted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from distributed import Client

from benchmarks.cells import Block, Cell, Launch
from benchmarks.engine import tasks
from benchmarks.engine.copies import Copy
from benchmarks.engine.facts import Facts
from benchmarks.engine.kinds import Kind
from benchmarks.engine.plan import Series

Json = dict[str, Any]
ANSWER_S = 20.0  # of a member's event loop, which measures nothing itself
TOLERATED_S = 0.5  # that a message may take
TOLERATED_RATE = 0.02  # by which a member's clock may run faster or slower: no speed below that is known so well


@dataclass
class Clock:
    """A member's clock beside the driver's."""

    member_s: float
    driver_s: float
    behind_s: float  # of the wall clocks; no measurement rests on it

    def rate(self, member_s: float) -> float | None:
        """Return how fast the member's clock has run, 1 being the driver's; None where it is as it should be."""
        theirs, ours = member_s - self.member_s, time.monotonic() - self.driver_s
        if abs(theirs - ours) <= TOLERATED_S + TOLERATED_RATE * ours:
            return None
        return theirs / ours


@dataclass
class Member:
    """One machine in a sweep; `busy` with the block of a series, `waiting` holds its launches without a row."""

    number: int
    address: str
    sweep: str  # BASE.m01
    facts: Facts
    clock: Clock
    copy: Copy
    kind: Kind | None = None  # None until it has begun its part
    series: Series | None = None
    block: Block | None = None
    waiting: dict[Cell, Launch] = field(default_factory=dict)
    future: Any = None
    doing: str = "begins"
    since_s: float = field(default_factory=time.monotonic)  # for the account of where time went
    told: int = 0  # lines that the member says it has
    lost: str = ""  # why it is no member any more

    @property
    def name(self) -> str:
        """How people are told of it: m01."""
        return f"m{self.number:02d}"


class Answer:
    """What a member answered, or an error in words."""

    def __init__(self, text: Any) -> None:
        self.said: Json = {}
        self.error = ""
        if isinstance(text, BaseException):
            self.error = f"{type(text).__name__}: {text}"
            return
        try:
            self.said = json.loads(text)
            self.error = str(self.said.get("error", ""))
        except (TypeError, ValueError) as error:
            self.error = f"an answer that is no JSON: {error}"


def asked(client: Client, address: str, work: Callable[..., str], **arguments: Any) -> Answer:
    """Ask a member something that its event loop answers at once, whatever it measures."""
    given = (json.dumps(arguments),) if arguments else ()
    try:
        found = client.sync(client._run, work, *given, workers=[address], on_error="return", callback_timeout=ANSWER_S)
        return Answer(found.get(address, EOFError("no answer")))
    except Exception as error:
        return Answer(error)


def facts_of(client: Client, address: str) -> tuple[Facts, Clock, str]:
    """Return a machine's facts, its clock beside ours, and an error if it has none."""
    begin = time.monotonic()
    answer = asked(client, address, tasks.facts)
    between = (begin + time.monotonic()) / 2
    said = answer.said
    clock = Clock(said.pop("clock_s", 0.0), between, time.time() - said.pop("wall_s", time.time()))
    return said, clock, answer.error
