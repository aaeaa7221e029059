"""The demo's server: its routes, the guard before them, its socket and its thread.

A picture comes as the bytes of a file, whether it was drawn, pasted or uploaded, and the answer is lines of JSON: first
the 28x28 that the networks see, then each framework's line as soon as it has answered. No path comes from the network:
the page's files are read before the server starts, and every other name must be a known one.

Every page that a browser shows can reach a server on the same machine. The guard closes two ways: another site's page
that posts to us (the browser names it in Origin), and another site's name that begins to mean 127.0.0.1 once its page
is loaded (DNS rebinding; the browser names it in Host). The main thread only waits for signals (machine/signals.py).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import errno
import ipaddress
import json
import re
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy.typing as npt
import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from threadpoolctl import threadpool_limits

from adapters.registry import FRAMEWORKS, record
from benchmarks.errors import DataError, UsageError, plain
from benchmarks.models.checkpoint import Checkpoint
from benchmarks.models.demo import facts
from benchmarks.models.demo.queue import Answer, WorkerQueue
from benchmarks.models.pictures import mnist_like
from benchmarks.models.remote import Warm
from benchmarks.plan.data.pictures import decode
from benchmarks.plan.typed import is_loopback, is_numeric

HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.-]{1,253})(:\d{1,5})?")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Refuses other sites' requests with 403 and one line; puts the security headers on every answer."""

    def __init__(self, app: ASGIApp, ours: Callable[[str], bool]) -> None:
        """Let hosts through that are `ours`."""
        self.app, self.ours = app, ours

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        problem = _refusal(scope["method"], Headers(scope=scope), self.ours)
        app = PlainTextResponse(problem, 403) if problem else self.app
        await app(scope, receive, headed)


def _refusal(method: str, headers: Headers, ours: Callable[[str], bool]) -> str:
    """Return why a request is refused, empty if it is not."""
    host = HOST.fullmatch(headers.get("host", ""))
    if host is None or not ours(host["name"].strip("[]").lower()):
        return "This server does not go by that name; use the address that it printed, or start it with --host."
    origin = headers.get("origin")
    if origin is None and method in ("GET", "HEAD"):
        return ""
    return "" if origin == f"http://{host[0]}" else "Only this server's own page may ask that."


def _hosts_of(address: str) -> Callable[[str], bool]:
    """Return a test for the hosts that a server bound to `address` answers to.

    The address itself, and this machine's own; addresses in numbers too where it is bound to more than this machine: no
    name server can make another's of them.
    """
    near = is_loopback(address)

    def ours(host: str) -> bool:
        return host in (address.lower(), "localhost") or is_loopback(host) or (not near and is_numeric(host))

    return ours


FOLDER = Path(__file__).parent / "static"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
FILES = {"/": "page.html", **{f"/{name}": name for name in ("page.css", "page.js", "paper.js", "answers.js")}}
MAX_BYTES = 1 << 20  # of a body
BODY_S = 10.0  # within which it must have come
MAX_PIXELS = 16_000_000
PAGE = re.compile(r"[0-9a-z]{1,16}")


class TooLarge(Exception):
    """A body goes on beyond MAX_BYTES."""


def site(network: Sequence[str], queues: Sequence[WorkerQueue], address: str, decode_pool: Executor) -> Starlette:
    """Return the application for a server bound to `address`; pictures are read in `decode_pool`, few at a time.

    `network` is what the page says of the weights.
    """
    by_name = {queue.framework: queue for queue in queues}

    async def state(request: Request) -> Response:
        return JSONResponse({"network": network, "frameworks": [queue.state() for queue in queues]})

    async def restart(request: Request) -> Response:
        if (queue := by_name.get(request.path_params["framework"])) is None:
            return JSONResponse({"error": "no such framework here"}, 404)
        queue.restart()
        return JSONResponse(queue.state())

    async def digit(request: Request) -> Response:
        page = request.query_params.get("page", "")
        if not PAGE.fullmatch(page):
            return JSONResponse({"error": "expected ?page= and 1 to 16 letters and digits of the page's own"}, 400)
        try:
            data = await asyncio.wait_for(body(request), BODY_S)
            image = await asyncio.get_running_loop().run_in_executor(decode_pool, _look, data)
        except TooLarge:
            return JSONResponse({"error": f"more than {MAX_BYTES >> 20} MiB; save the picture smaller"}, 413)
        except (TimeoutError, ClientDisconnect):
            return JSONResponse({"error": f"the picture did not come within {BODY_S:g} s"}, 408)
        except DataError as error:
            return JSONResponse({"error": plain(str(error))}, 422)
        return StreamingResponse(answers(queues, page, image), media_type="application/x-ndjson")

    routes = [Route(path, _served(FOLDER / name)) for path, name in FILES.items()]
    routes += [Route("/state", state), Route("/digit", digit, methods=["POST"])]
    routes += [Route("/restart/{framework}", restart, methods=["POST"])]
    return Starlette(routes=routes, middleware=[Middleware(Guard, ours=_hosts_of(address))])


def _signs() -> str:
    """Return the rules that put each framework's sign, in its colour, before its name."""
    selectors = {"": "", **{name: f'[data-framework="{name}"] ' for name in FRAMEWORKS}}
    return "".join(
        f'{selector}.name::before {{ content: "{record(name).look.sign}" / ""; color: {record(name).look.colour}; }}\n'
        for name, selector in selectors.items()
    )


def _served(path: Path) -> Any:
    """Return a route that answers with one of the page's files, read now."""
    content = path.read_text() + (_signs() if path.suffix == ".css" else "")

    async def file(request: Request) -> Response:
        return Response(content, media_type=TYPES[path.suffix])

    return file


async def body(request: Request) -> bytes:
    """Return what was sent; TooLarge as soon as it is more than MAX_BYTES, whatever the header says."""
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > MAX_BYTES:
            raise TooLarge
    return bytes(found)


def _look(data: bytes) -> npt.NDArray[Any]:
    """Return what the networks see of a picture file, uint8 (28, 28); DataError."""
    return mnist_like(decode(data, MAX_PIXELS))


async def answers(queues: Sequence[WorkerQueue], page: str, image: npt.NDArray[Any]) -> AsyncIterator[str]:
    """Yield the lines of an answer, the quickest framework's first."""
    yield _line({"seen": base64.b64encode(image.tobytes()).decode()})

    async def named(queue: WorkerQueue) -> Answer:
        return {"framework": queue.framework} | await asyncio.wrap_future(queue.ask(page, image))

    for finished in asyncio.as_completed([named(queue) for queue in queues]):
        yield _line(await finished)


def _line(answer: Answer) -> str:
    """Return one line of an answer."""
    return json.dumps(answer, allow_nan=False) + "\n"


READERS = 2  # pictures read at once, however many come
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


@contextlib.contextmanager
def page(
    saved: Checkpoint, frameworks: Sequence[str], device: str, host: str, listening: socket.socket
) -> Iterator[None]:
    """Serve the page while the block runs, with a warm worker of one thread in each framework: they answer together."""
    with contextlib.ExitStack() as stack:
        # Two threads of OpenBLAS for each small system of equations cost ten times their use where workers compute.
        stack.enter_context(threadpool_limits(1, "blas"))
        decode_pool = stack.enter_context(ThreadPoolExecutor(READERS))
        queues = [WorkerQueue(name, partial(Warm, name, device, saved.recipe, saved.weights, 1)) for name in frameworks]
        for queue in queues:
            stack.callback(queue.close)
        stack.enter_context(serving(site(facts(saved), queues, host, decode_pool), listening))
        yield
