"""Dask's scheduler and how Dask is set, for the scheduler, the members and the driver alike.

Dask runs an order once, where it was sent, and does nothing beside a measurement: a second run, or one on another
machine, would spoil a comparison.

Who reaches an open scheduler can run any program on every member. So without TLS only this machine's own addresses are
taken, unless the user says otherwise. TLS is the user's own setting of Dask (docs/engine.md).
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import dask
from distributed import Client, Scheduler, Security

from benchmarks.errors import EngineError, UsageError
from benchmarks.plan.typed import is_loopback

SETTINGS: dict[str, Any] = {
    "distributed.scheduler.allowed-failures": 0,  # a block whose member was lost is planned again by us, visibly
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


PORT = 8786  # Dask's own


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """Yield a client of a scheduler; EngineError where no scheduler answers."""
    try:
        client = Client(address, security=security(address, "client"), set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise EngineError(
            f"no scheduler at {address}: {error}; start one: python -m benchmarks cluster schedule"
        ) from error
    try:
        yield client
    finally:
        client.close(timeout=5)


def checked(address: str, insecure: bool) -> str:
    """Return a scheduler's address, HOST:PORT as tcp://HOST:PORT; UsageError where it is not one, or open to others."""
    full = address if "://" in address else f"tcp://{address}"
    try:
        parts = urlsplit(full)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or parts.scheme not in ("tcp", "tls"):
        raise UsageError(f"{address!r} is no scheduler's address; expected tls://HOST:PORT or tcp://HOST:PORT")
    if parts.scheme == "tcp" and not insecure and not is_loopback(host):
        raise UsageError(
            f"{full} is not encrypted: who reaches it can run any program on every member; use tls:// (docs/engine.md"
            " makes the certificates), or --insecure in a network that you trust"
        )
    return full


def security(address: str, role: str) -> Security:
    """Return Dask's own settings of TLS for a scheduler, worker or client; UsageError where an address needs more."""
    if not address.startswith("tls://"):
        return Security()
    made = Security(require_encryption=True)
    files = made.get_tls_config_for_role(role)
    if not (files["ca_file"] and files["cert"] and files["key"]):
        prefix = "DASK_DISTRIBUTED__COMM__TLS__"
        raise UsageError(
            f"{address} needs certificates: set {prefix}CA_FILE, {prefix}{role.upper()}__CERT and __KEY, as"
            " docs/engine.md shows"
        )
    return made


def certified(security: Security) -> bool:
    """Return whether members are to use TLS: all files of the scheduler and of a worker are named."""
    files = [security.tls_ca_file]
    for role in ("scheduler", "worker"):
        config = security.get_tls_config_for_role(role)
        files += [config["cert"], config["key"]]
    if not all(files) and (any(files) or security.require_encryption):
        raise UsageError(
            f"TLS needs five files, and Dask's configuration names {sum(map(bool, files))}: set distributed.comm.tls."
            "{ca-file,scheduler.cert,scheduler.key,worker.cert,worker.key}; docs/engine.md has the commands"
        )
    return all(files)


ENDING_S = 5.0  # for Dask to say good-bye; it waits for ever for a driver whose link was cut


def serve(host: str, port: int, dashboard: str, insecure: bool, say: Callable[[str], None]) -> None:
    """Be a scheduler until a signal ends this process; EngineError where it cannot listen.

    Encrypted where Dask's settings name certificates (docs/engine.md).
    """
    protocol = "tls" if Security().tls_ca_file else "tcp"
    place = f"[{host}]" if ":" in host else host
    checked(f"{protocol}://{place}:{port or 1}", insecure)
    logging.getLogger("distributed.comm").setLevel(logging.WARNING)  # who was refused for want of a certificate
    try:
        with Background(_listen(protocol, host, port, dashboard, say), "scheduler") as scheduler:
            scheduler.thread.join()
        if scheduler.error:
            raise scheduler.error
    except (OSError, RuntimeError) as error:
        cause = error.__cause__ or error  # Dask says only that it failed to start
        if not isinstance(cause, OSError):
            raise
        reason = cause.strerror or cause
        raise EngineError(f"cannot listen at {host}:{port}: {reason}; choose another --host or --port") from error


class Background:
    """Asynchronous work in a thread of its own, beside the main thread, which Ctrl-C reaches.

    At the end of the block it is cancelled and waited for ENDING_S; asyncio.run would wait for all that it has begun.
    """

    def __init__(self, work: Coroutine[Any, Any, None], name: str, at_end: Callable[[], None] = lambda: None) -> None:
        """`at_end` is called in the thread when the work has ended, whatever `error` it ended with."""
        self.loop, self.at_end = asyncio.new_event_loop(), at_end
        self.task = self.loop.create_task(work)
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True, name=name)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_until_complete(self.task)
        except BaseException as error:
            self.error = error
        finally:
            self.at_end()

    def __enter__(self) -> Background:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.task.cancel)
        self.thread.join(ENDING_S)


async def _listen(protocol: str, host: str, port: int, dashboard: str, say: Callable[[str], None]) -> None:
    """Listen, say where, and go on until cancelled."""
    keys = security(f"{protocol}://", "scheduler")
    async with Scheduler(
        host=host, port=port, protocol=f"{protocol}://", dashboard=True, dashboard_address=dashboard, security=keys
    ) as scheduler:
        page = f"http://{dashboard.rpartition(':')[0]}:{scheduler.service_ports['dashboard']}/status"
        say(f"scheduler at {scheduler.address}; dashboard at {page}; Ctrl-C ends it")
        say(f"on each machine: python -m benchmarks cluster join {scheduler.address}")
        await scheduler.finished()
