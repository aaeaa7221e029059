"""`run --engine dask`: the same sweep over the machines of a scheduler, or over nodes that Slurm grants."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import disk
from benchmarks.commands.engine import need_engine
from benchmarks.commands.outcome import show_outcome, told
from benchmarks.commands.terminal import err, say
from benchmarks.errors import UsageError
from benchmarks.options import values

if TYPE_CHECKING:
    from distributed import Client

    from benchmarks.engine.request import Request

ENGINES = ("local", "dask")
CLUSTERS = ("slurm",)
INSTEAD = {"dry_run": ": what is planned depends on the machines that join", "python": ": say it where a machine joins"}


def over_several(engine: str, scheduler: str | None, cluster: str | None, **others: object) -> bool:
    """Return whether a sweep is one over several machines; UsageError for options that do not go together."""
    [name] = values([engine], [], ENGINES, "engine")
    if name == "local":
        if scheduler or cluster:
            raise UsageError("--scheduler and --cluster are for --engine dask; add it, or leave them out")
        return False
    if (scheduler is None) == (cluster is None):
        raise UsageError(
            "--engine dask needs --scheduler ADDRESS (python -m benchmarks schedule starts one) or"
            f" --cluster {'|'.join(CLUSTERS)}, one of them"
        )
    if cluster:
        values([cluster], [], CLUSTERS, "cluster")
    for option in [option for option, value in others.items() if value]:
        raise UsageError(f"--{option.replace('_', '-')} is for one machine{INSTEAD.get(option, '')}")
    return True


def over_machines(
    request: Request,
    results: Path,
    scheduler: str | None,
    cluster: str | None,
    members: int,
    patience_s: float,
    insecure: bool,
) -> int:
    """Measure over several machines; return the exit code. UsageError, EngineError and what a sweep may end with."""
    need_engine("--engine dask")
    from benchmarks.engine import settings  # noqa: PLC0415
    from benchmarks.engine.board import Board  # noqa: PLC0415
    from benchmarks.engine.driver import Driver  # noqa: PLC0415

    settings.apply(patience_s)
    disk.check(results)
    with clients(scheduler, cluster, members, insecure, patience_s) as client:
        say(f"scheduler at {client.scheduler.address}; dashboard at {client.dashboard_link or 'none'}")
        board = Board(err)
        driver = Driver(client, request, results, board, members, patience_s)
        driver.queued = cluster is not None
        with told(driver, board):
            driver.run()
        kinds = list(driver.account.kinds.values())
        stops = [stop for kind in kinds for stop in kind.stops]
        return show_outcome(driver, {kind.name: kind.ledger.rows for kind in kinds}, stops)


@contextlib.contextmanager
def clients(
    scheduler: str | None, cluster: str | None, nodes: int, insecure: bool, patience_s: float
) -> Iterator[Client]:
    """Yield a client of the scheduler, or of one that starts members through Slurm."""
    from benchmarks.engine.connection import checked, connected  # noqa: PLC0415

    if scheduler is not None:
        with connected(checked(scheduler, insecure)) as client:
            yield client
        return
    from benchmarks.engine.cluster import started  # noqa: PLC0415

    with started(nodes, insecure, patience_s) as address, connected(address) as client:
        yield client
