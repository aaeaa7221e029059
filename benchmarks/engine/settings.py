"""How Dask is set, in the scheduler, the members and the driver alike: it runs what it is told to, once, and is quiet.

What runs once more unseen, or elsewhere, would spoil a comparison; what works beside a measurement would disturb it.
TLS is the user's own setting of Dask (docs/engine.md) and is left as it is.
"""

from __future__ import annotations

import logging
from typing import Any

import dask

SETTINGS: dict[str, Any] = {
    "distributed.scheduler.allowed-failures": 0,  # a block whose member was lost is planned anew by us, visibly
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.worker.profile.enabled": False,  # would look into a member's threads every 10 ms
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.worker.http.routes": [],
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.tick.interval": "1s",  # 20 ms otherwise: fifty wake-ups a second beside what is timed
    "distributed.admin.tick.limit": "1h",
    "distributed.admin.low-level-log-length": 100,  # lines of rows pass as events, and must not pile up
    "distributed.comm.compression": False,
}
SHORTEST_TCP_S = 12.0  # Dask sends ten probes, a second apart at least, and refuses less
SHORTEST_TTL_S = 5.0  # Dask waits for ten heartbeats of half a second in any case, longer with many members
QUIET = ("distributed", "tornado", "bokeh", "asyncio")


def apply(patience_s: float) -> None:
    """Set Dask for this process; a side that is silent for `patience_s` counts as lost.

    Dask looks once in each `worker-ttl` whether one has passed, so that up to two have; TCP's own limit finds a link
    that was cut, the other one a machine that is stopped. tests/engine/test_lost_members.py measures both.
    """
    dask.config.set(
        SETTINGS
        | {
            "distributed.scheduler.worker-ttl": f"{max(patience_s / 2, SHORTEST_TTL_S)}s",
            "distributed.comm.timeouts.tcp": f"{max(patience_s / 2, SHORTEST_TCP_S)}s",
            "distributed.comm.timeouts.connect": f"{patience_s}s",
            "distributed.deploy.lost-worker-timeout": f"{patience_s}s",  # before a lost member's job is cancelled
        }
    )
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def certify_worker(ca_file: str | None, cert: str | None, key: str | None) -> None:
    """Set a member's certificate as dask-jobqueue hands it on; what is None stays as the user's settings have it."""
    given = {"ca-file": ca_file, "worker.cert": cert, "worker.key": key}
    dask.config.set({f"distributed.comm.tls.{name}": path for name, path in given.items() if path})
