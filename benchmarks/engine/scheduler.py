"""The scheduler: Dask's own, set as a sweep needs it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from distributed import Scheduler, Security

from benchmarks.engine.connection import checked, security
from benchmarks.errors import EngineError

ENDING_S = 5.0  # for Dask to say good-bye; it waits for ever for a driver whose link was cut


def serve(host: str, port: int, dashboard: str, insecure: bool, say: Callable[[str], None]) -> None:
    """Be a scheduler until this process is told to end; EngineError where it cannot listen.

    Encrypted where Dask's settings name certificates (docs/engine.md).
    """
    protocol = "tls" if Security().tls_ca_file else "tcp"
    place = f"[{host}]" if ":" in host else host
    checked(f"{protocol}://{place}:{port or 1}", insecure)
    logging.getLogger("distributed.comm").setLevel(logging.WARNING)  # who was refused for want of a certificate
    try:
        until_ended(listen(protocol, host, port, dashboard, say))
    except (OSError, RuntimeError) as error:
        cause = error.__cause__ or error  # Dask says only that it failed to start
        if not isinstance(cause, OSError):
            raise
        reason = cause.strerror or cause
        raise EngineError(f"cannot listen at {host}:{port}: {reason}; choose another --host or --port") from error


def until_ended(work: Coroutine[Any, Any, None]) -> None:
    """Do asynchronous work to its end, or for ENDING_S more where a signal ends the main thread's waiting.

    asyncio.run would wait for all that the work has begun.
    """
    loop = asyncio.new_event_loop()
    task = loop.create_task(work)
    errors: list[BaseException] = []

    def run() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(task)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True, name="scheduler")
    thread.start()
    try:
        thread.join()
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(task.cancel)
            thread.join(ENDING_S)
    if errors:
        raise errors[0]


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
