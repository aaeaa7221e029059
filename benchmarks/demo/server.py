"""The server's socket and thread. The main thread waits for signals alone, as interruption.py wants it."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
import threading
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from benchmarks.errors import UsageError

CONNECTIONS = 128  # at once; more are answered 503
IDLE_S = 10
ENDING_S = 1  # for answers that are under way when the server ends


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that listens there, port 0 for any that is free; UsageError says in one line why it cannot."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address, family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UsageError(f"port {port} is in use; give another with --port, or --port 0 for any free one") from None
        raise UsageError(f"cannot listen on {host} port {port}: {error.strerror or error}") from None


def url(listening: socket.socket, host: str) -> str:
    """Return the address to type into a browser."""
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(host)
        host = f"[{host}]" if address.version == 6 else host
        host = "127.0.0.1" if address.is_unspecified else host
    return f"http://{host}:{listening.getsockname()[1]}/"


@contextlib.contextmanager
def serving(app: ASGIApp, listening: socket.socket) -> Iterator[None]:
    """Serve while the block runs, in a thread of its own."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=ENDING_S,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), name="server")
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
