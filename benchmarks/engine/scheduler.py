"""The scheduler: Dask's own, set as a sweep needs it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from distributed import Scheduler, Security

from benchmarks.engine.connection import checked, security
from benchmarks.errors import EngineError


def serve(host: str, port: int, dashboard: str, insecure: bool, say: Callable[[str], None]) -> None:
    """Be a scheduler until this process is told to end; EngineError where it cannot listen.

    Encrypted where Dask's settings name certificates (docs/engine.md).
    """
    protocol = "tls" if Security().tls_ca_file else "tcp"
    place = f"[{host}]" if ":" in host else host
    checked(f"{protocol}://{place}:{port or 1}", insecure)
    logging.getLogger("distributed.comm").setLevel(logging.WARNING)  # who was refused for want of a certificate
    try:
        asyncio.run(listen(protocol, host, port, dashboard, say))
    except OSError as error:
        raise EngineError(
            f"cannot listen at {host}:{port}: {error.strerror or error}; choose another --port"
        ) from error


async def listen(protocol: str, host: str, port: int, dashboard: str, say: Callable[[str], None]) -> None:
    """Listen, say where, and go on until cancelled."""
    keys = security(f"{protocol}://", "scheduler")
    async with Scheduler(
        host=host, port=port, protocol=f"{protocol}://", dashboard=True, dashboard_address=dashboard, security=keys
    ) as scheduler:
        page = f"http://{dashboard.rpartition(':')[0]}:{scheduler.service_ports['dashboard']}/status"
        say(f"scheduler at {scheduler.address}; dashboard at {page}; Ctrl-C ends it")
        say(f"on each machine: python -m benchmarks join {scheduler.address}")
        await scheduler.finished()
