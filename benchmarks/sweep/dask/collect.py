"""Takes over what members measured for a driver that was killed: the lines that its folder lacks, none twice."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.record import store
from benchmarks.sweep.dask import member as member_module
from benchmarks.sweep.dask.copies import Copy, some_lines

Fetched = dict[str, int]  # lines by sweep


def from_folder(folder: Path, results: Path) -> Fetched:
    """Take over from a folder of this machine, or one that was copied here."""
    store.check(results)
    found = {}
    for path in sorted(folder.glob("*.jsonl")):
        found[path.stem] = _completed(Copy.existing(results / path.name), partial(some_lines, path))
    return {sweep: lines for sweep, lines in found.items() if lines}


def _completed(copy: Copy, lines: Callable[[int], list[str]]) -> int:
    """Append all lines that a copy lacks; return how many."""
    before = copy.lines
    while some := lines(copy.lines):
        copy.take(copy.lines, some)
    copy.settle()
    return copy.lines - before


def from_members(address: str, results: Path, say: Callable[[str], None]) -> Fetched:
    """Take over from every member of a scheduler, which then deletes it; files of running sweeps stay with it."""
    from distributed import Client  # noqa: PLC0415

    from benchmarks.sweep.dask.rpc import ask  # noqa: PLC0415
    from benchmarks.sweep.dask.scheduler import connected  # noqa: PLC0415

    store.check(results)
    found: Fetched = {}

    def taken(client: Client, member: str, sweep: str) -> None:
        def lines(first: int) -> list[str]:
            return list(ask(client, member, member_module.lines, sweep=sweep, first=first).content.get("lines", []))

        copy = Copy.existing(results / f"{Path(sweep).name}.jsonl")
        if new := _completed(copy, lines):
            found[sweep] = new
        ask(client, member, member_module.close, lines={sweep: copy.lines})

    with connected(address) as client:
        drivers = set(client.run_on_scheduler(member_module.clients))
        for member in client.sync(client.scheduler.identity, n_workers=-1)["workers"]:
            kept = ask(client, member, member_module.kept_files)
            if kept.error:
                say(f"{member}: {kept.error}")
            for sweep, driver in kept.content.get("sweeps", {}).items():
                if driver in drivers:
                    say(f"{sweep}: its driver still runs; left alone")
                else:
                    taken(client, member, sweep)
    return found
