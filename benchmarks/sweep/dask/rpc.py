"""Questions that a member's event loop answers at once, whatever its machine measures."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from distributed import Client

from benchmarks.sweep.dask import member
from benchmarks.sweep.dask.facts import Facts

Json = dict[str, Any]
ANSWER_S = 20.0
TOLERATED_S = 0.5  # beside what a message took
TOLERATED_RATE = 0.02  # by which a clock may run faster or slower than ours


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
    client: Client, addresses: Sequence[str], work: Callable[..., str], within_s: float = ANSWER_S, **given: Any
) -> dict[str, Answer]:
    """Ask several members the same and return their answers by address."""
    arguments = (json.dumps(given),) if given else ()
    try:
        # Client.run takes no limit of time, and a member whose link was cut never answers.
        found = client.sync(
            client._run, work, *arguments, workers=list(addresses), on_error="return", callback_timeout=within_s
        )
    except Exception as error:
        return {address: Answer(error) for address in addresses}
    return {address: Answer(found.get(address, EOFError("no answer"))) for address in addresses}


def ask(client: Client, address: str, work: Callable[..., str], **given: Any) -> Answer:
    """Ask one member."""
    return ask_all(client, [address], work, **given)[address]


@dataclass
class Clock:
    """A member's clock, read between two moments of the driver's."""

    member_s: float
    sent_s: float
    received_s: float
    behind_s: float = 0.0  # of the wall clocks; no measurement rests on it

    def wrong_rate(self, later: Clock) -> float | None:
        """Return how fast the member's clock has run, ours being 1; None where it may be right.

        A rate is wrong only where no delay of a message explains it: all that such a machine measured is invalid.
        """
        theirs = later.member_s - self.member_s
        least, most = later.sent_s - self.received_s, later.received_s - self.sent_s
        if least * (1 - TOLERATED_RATE) - TOLERATED_S <= theirs <= most * (1 + TOLERATED_RATE) + TOLERATED_S:
            return None
        return 2 * theirs / (least + most)


def facts_of(client: Client, address: str) -> tuple[Facts, Clock, str]:
    """Return a machine's facts, its clock beside ours, and an error if it has none."""
    begin = time.monotonic()
    answer = ask(client, address, member.facts)
    facts = answer.content
    behind_s = time.time() - facts.pop("wall_s", time.time())
    clock = Clock(facts.pop("clock_s", 0.0), begin, time.monotonic(), behind_s)
    return facts, clock, answer.error
