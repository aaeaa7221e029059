"""What Dask calls on a member: JSON comes, JSON goes; errors that a user can act on are JSON, too."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

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


def open_part(order: str) -> str:
    """Begin a part of a sweep, in the main thread."""
    asked = json.loads(order)
    return answered(lambda member: member.do(asked["part_of"], lambda: member.open(asked)))


def measure(order: str) -> str:
    """Measure a block, in the main thread."""
    asked = json.loads(order)
    return answered(lambda member: member.do(asked["part_of"], lambda: member.measure(asked)))


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
