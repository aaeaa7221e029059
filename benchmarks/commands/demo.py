"""`demo`: a page to draw on, where every framework answers while one draws."""

from __future__ import annotations

import contextlib
import signal
import webbrowser
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.commands.terminal import Axis, Pythons, Wait, out, say
from benchmarks.devices import chosen
from benchmarks.environments import give
from benchmarks.options import chosen_frameworks
from benchmarks.packages import require

PORT = 8765
READERS = 2  # pictures read at once, however many come


def draw(
    weights: Annotated[
        Path | None, typer.Option(help="folder of `train --save`; default: lenet, trained first")
    ] = None,
    framework: Axis = None,
    device: Annotated[str, typer.Option()] = "cpu",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any free one")] = PORT,
    host: Annotated[str, typer.Option(help="0.0.0.0 lets everyone on the network draw")] = "127.0.0.1",
    open_page: Annotated[bool, typer.Option("--open", help="open the page in a browser")] = False,
    python: Pythons = None,
    wait: Wait = True,
) -> None:
    """Serve a page to draw digits on, with each framework's probabilities while one draws; until Ctrl-C."""
    # Other commands need no server, and Pythons that were lent have none (packages.py).
    require("the demo", "starlette", "anyio", "uvicorn", "threadpoolctl", "safetensors")
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    from benchmarks.demo.desk import Desk  # noqa: PLC0415
    from benchmarks.demo.guard import loopback  # noqa: PLC0415
    from benchmarks.demo.network import facts, network  # noqa: PLC0415
    from benchmarks.demo.server import bound, serving, url  # noqa: PLC0415
    from benchmarks.demo.site import site  # noqa: PLC0415
    from benchmarks.warm import Warm  # noqa: PLC0415

    give(python or [])
    [place] = chosen([device])
    names = chosen_frameworks(None if framework == ["all"] else framework, [place])
    with contextlib.ExitStack() as stack:
        # Two threads of OpenBLAS for each small system of equations cost ten times their use where workers compute.
        stack.enter_context(threadpool_limits(1, "blas"))
        listening = stack.enter_context(bound(host, port))  # before seconds of training
        saved = network(weights, names, wait, say)
        eyes = stack.enter_context(ThreadPoolExecutor(READERS))
        # One thread each: they answer side by side.
        desks = [Desk(name, partial(Warm, name, place, saved.recipe, saved.weights, 1)) for name in names]
        for desk in desks:
            stack.callback(desk.close)
        stack.enter_context(serving(site(facts(saved), desks, host, eyes), listening))
        out.print(
            f"{saved.recipe.name} in {', '.join(names)}: {url(listening, host)} (Ctrl-C ends it)", highlight=False
        )
        if not loopback(host):
            say("everyone who reaches this machine can draw on it: there is no password")
        if open_page:
            webbrowser.open(url(listening, host))
        while True:
            signal.pause()  # until one raises Interrupted
