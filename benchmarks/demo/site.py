"""The routes: the page's three files, the state of the workers, and what they make of a picture.

A picture comes as the bytes of a file, whether it was drawn, pasted or uploaded, and the answer is lines of JSON: first
the 28x28 that the networks see, then each framework's line as soon as it has answered. No name or path comes from the
network: the files are read before the server starts, everything else is compared with what there is.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy.typing as npt
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from benchmarks.console import plain
from benchmarks.demo.desk import Answer, Desk
from benchmarks.demo.guard import Guard, hosts_of
from benchmarks.digit import seen
from benchmarks.errors import DataError
from benchmarks.image_file import decode

FOLDER = Path(__file__).parent
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
FILES = {"/": "page.html", **{f"/{name}": name for name in ("page.css", "page.js", "paper.js", "answers.js")}}
MAX_BYTES = 1 << 20  # of a body
BODY_S = 10.0  # within which it must have come
MAX_PIXELS = 16_000_000
PAGE = re.compile(r"[0-9a-z]{1,16}")


class TooLarge(Exception):
    """A body goes on beyond MAX_BYTES."""


def site(network: Sequence[str], desks: Sequence[Desk], address: str, eyes: Executor) -> Starlette:
    """Return the application for a server bound to `address`; pictures are read in `eyes`, few at a time.

    `network` is what the page says of the weights.
    """
    by_name = {desk.framework: desk for desk in desks}

    async def state(request: Request) -> Response:
        return JSONResponse({"network": network, "frameworks": [desk.state() for desk in desks]})

    async def restart(request: Request) -> Response:
        if (desk := by_name.get(request.path_params["framework"])) is None:
            return JSONResponse({"error": "no such framework here"}, 404)
        desk.restart()
        return JSONResponse(desk.state())

    async def digit(request: Request) -> Response:
        page = request.query_params.get("page", "")
        if not PAGE.fullmatch(page):
            return JSONResponse({"error": "expected ?page= and 1 to 16 letters and digits of the page's own"}, 400)
        try:
            data = await asyncio.wait_for(body(request), BODY_S)
            image = await asyncio.get_running_loop().run_in_executor(eyes, look, data)
        except TooLarge:
            return JSONResponse({"error": f"more than {MAX_BYTES >> 20} MiB; save the picture smaller"}, 413)
        except (TimeoutError, ClientDisconnect):
            return JSONResponse({"error": f"the picture did not come within {BODY_S:g} s"}, 408)
        except DataError as error:
            return JSONResponse({"error": plain(str(error))}, 422)
        return StreamingResponse(answers(desks, page, image), media_type="application/x-ndjson")

    routes = [Route(path, served(FOLDER / name)) for path, name in FILES.items()]
    routes += [Route("/state", state), Route("/digit", digit, methods=["POST"])]
    routes += [Route("/restart/{framework}", restart, methods=["POST"])]
    return Starlette(routes=routes, middleware=[Middleware(Guard, ours=hosts_of(address))])


def served(path: Path) -> Any:
    """Return a route that answers with one of the page's files, read now."""
    content = path.read_bytes()

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


def look(data: bytes) -> npt.NDArray[Any]:
    """Return what the networks see of a picture file, uint8 (28, 28); DataError."""
    return seen(decode(data, MAX_PIXELS))


async def answers(desks: Sequence[Desk], page: str, image: npt.NDArray[Any]) -> AsyncIterator[str]:
    """Yield the lines of an answer, the quickest framework's first."""
    yield line({"seen": base64.b64encode(image.tobytes()).decode()})

    async def named(desk: Desk) -> Answer:
        return {"framework": desk.framework} | await asyncio.wrap_future(desk.ask(page, image))

    for finished in asyncio.as_completed([named(desk) for desk in desks]):
        yield line(await finished)


def line(answer: Answer) -> str:
    """Return one line of an answer."""
    return json.dumps(answer, allow_nan=False) + "\n"
