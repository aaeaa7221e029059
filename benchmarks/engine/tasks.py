"""What Dask calls on a member: JSON comes, JSON goes; errors that a user can act on are JSON, too.

What an order came to is told as rows are, before Dask tells that it has ended. A result would have to be fetched: where
its machine is lost in that moment Dask gives the order once more, unasked, and the driver waits for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from benchmarks.engine.facts import other_protocol
from benchmarks.engine.member import Member
from benchmarks.errors import EngineError, LockstepError

Json = dict[str, Any]


def here() -> Member:
    """Return this process's member; EngineError where it is a worker that did not join."""
    if Member.present is None:
        raise EngineError("this worker of Dask's is no member: python -m benchmarks join ADDRESS makes one")
    return Member.present


def answered(work: Callable[[Member], Json]) -> str:
    """Return what a member answers, or its error."""
    try:
        return json.dumps(work(here()), allow_nan=False)
    except (LockstepError, OSError) as error:
        return json.dumps({"error": str(error)})


def facts() -> str:
    """Return the machine's facts and its clock, now."""
    return answered(lambda member: {**member.facts, **member.clock()})


def carried_out(order: str, work: Callable[[Member, Json], Json]) -> None:
    """Have the main thread carry out an order, and tell what it answers."""
    asked = json.loads(order)

    def done(member: Member) -> Json:
        if wrong := other_protocol("the driver", asked.get("protocol")):
            raise EngineError(wrong)
        return member.do(asked["driver"], lambda: work(member, asked))

    answer = answered(done)
    here().tell(asked.get("driver", ""), {"sweep": asked["sweep"], "answer": answer})


def open_part(order: str) -> None:
    """Begin a part of a sweep."""
    carried_out(order, Member.open)


def measure(order: str) -> None:
    """Measure a block."""
    carried_out(order, Member.measure)


def lines(order: str) -> str:
    """Return lines of a file."""
    return answered(lambda member: member.lines(**json.loads(order)))


def kept() -> str:
    """Return which sweeps' files are still there."""
    return answered(lambda member: member.kept())


def close(order: str) -> str:
    """End parts."""
    return answered(lambda member: member.close(**json.loads(order)))


def abandon(order: str) -> str:
    """End what is being measured for a driver."""
    return answered(lambda member: member.abandon(**json.loads(order)))


def clients(dask_scheduler: Any) -> list[str]:
    """Return, on the scheduler, Dask's names of the clients that are connected."""
    return list(dask_scheduler.clients)
