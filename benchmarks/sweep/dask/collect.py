"""Takes over what members measured for a driver that was killed: the lines that its folder lacks, none twice."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from distributed import Client

from benchmarks.record import store
from benchmarks.sweep.dask.copies import Copy, some_lines
from benchmarks.sweep.dask.rpc import ask
from benchmarks.sweep.dask.scheduler import connected

Fetched = dict[str, int]  # lines by sweep


def from_folder(folder: Path, results: Path) -> Fetched:
    """Take over from a folder of this machine, or one that was copied here."""
    store.check(results)
    paths = sorted(folder.glob("*.jsonl"))
    counts = {path.stem: _completed(Copy.existing(results / path.name), partial(some_lines, path)) for path in paths}
    return {sweep: lines for sweep, lines in counts.items() if lines}


def _completed(copy: Copy, lines: Callable[[int], list[str]]) -> int:
    """Append all lines that a copy lacks; return how many."""
    before = copy.lines
    while some := lines(copy.lines):
        copy.take(copy.lines, some)
    copy.settle()
    return copy.lines - before


def _lines_of(client: Client, member: str, sweep: str, first: int) -> list[str]:
    return list(ask(client, member, "lines", sweep=sweep, first=first).content.get("lines", []))


def _clients(dask_scheduler: Any) -> list[str]:
    """Return, on the scheduler, Dask's names of the clients that are connected."""
    return list(dask_scheduler.clients)


def from_members(address: str, results: Path, say: Callable[[str], None]) -> Fetched:
    """Take over from every member of a scheduler, which then deletes it; files of running sweeps stay with it."""
    store.check(results)
    fetched: Fetched = {}
    with connected(address) as client:
        drivers = set(client.run_on_scheduler(_clients))
        for member in client.sync(client.scheduler.identity, n_workers=-1)["workers"]:
            kept = ask(client, member, "sweep files")
            if kept.error:
                say(f"{member}: {kept.error}")
            for sweep, driver in kept.content.get("sweeps", {}).items():
                if driver in drivers:
                    say(f"{sweep}: its driver still runs; left alone")
                    continue
                copy = Copy.existing(results / f"{Path(sweep).name}.jsonl")
                if new := _completed(copy, partial(_lines_of, client, member, sweep)):
                    fetched[sweep] = new
                ask(client, member, "close", lines={sweep: copy.lines})
    return fetched
