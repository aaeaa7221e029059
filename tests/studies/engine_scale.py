"""How far one scheduler and one driver reach: `python -m tests.studies.engine_scale` in .tox/engine, PYTHONPATH here.

Real processes, TCP, files and fsyncs; only launches are stand-ins (at_once.py). Two tables:

rate: how many blocks a second 8 members measure, of 8 times what one measures, 1 8 8 1 in turn. A launch takes its time
asleep: a computation could not be made by 8 members at once on a machine of two cores, and would say nothing of what
lies between blocks, which is what the engine answers for.

load: thousands of cells whose launches take no time, so that driver and scheduler are always busy. CPU milliseconds a
cell are what they cost anywhere; wall milliseconds leave out what the driver waited for members, but not what else the
machine did, since members share its cores. Members keep their files in memory (/dev/shm): each stands for a machine
with a disk of its own. The driver's files lie in the folder for temporary files, on a disk.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil

from benchmarks.stats import paired
from tests.studies.crews import Crew, crew, started

FRAMEWORKS, MODELS = [f"instant-{number}" for number in range(10)], ("linear", "mlp")
POINTS = (1_000, 10_000, 100_000)
MANY = 8  # members, of whom one measures an eighth of the blocks
SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)  # of the time between the first block and the last: when memory is shown
LOOK_S = 0.5
WHAT = ("rate", "load")
MIB = 1 << 20
PROGRAM = "tests.studies.at_once"
IN_MEMORY = "/dev/shm"  # noqa: S108  # a folder of a random name within it
LOAD = (
    *("cells", "rows ok", "twice", "seconds", "driver CPU ms a cell", "driver wall ms a cell"),
    *("scheduler CPU ms a cell", "driver CPU s before and after", "rows MB"),
)


def sweep(address: str, members: int, frameworks: Sequence[str], models: Sequence[str], sizes: int) -> list[str]:
    """Return the arguments of a sweep: a block for each model and batch size, a launch a framework in each."""
    asked = ["--framework", ",".join(frameworks), "--model", ",".join(models)]
    asked += ["--batch-size", ",".join(str(size + 1) for size in range(sizes))]
    amount = ["--rounds", "1", "--seeds", "0", "--no-peak"]
    return ["run", "--engine", "dask", "--scheduler", address, "--members", str(members), *asked, *amount]


class Run:
    """A driver's run, with what it and the processes beside it had of CPU and memory while it measured."""

    def __init__(self, crew: Crew, folder: Path, seconds: float, arguments: Sequence[str]) -> None:
        watched = {"scheduler": crew.scheduler, "member": crew.members[0]}
        processes = {name: psutil.Process(process.pid) for name, process in watched.items()}
        said, times, before = folder / "driver.txt", folder / "times.json", cpu_of(processes["scheduler"])
        command = [PROGRAM, f"{seconds:g}", *arguments, "--results", str(folder / "results")]
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        begin = time.monotonic()
        driver = started(command, said, AT_ONCE_TIMES=str(times))
        processes["driver"] = psutil.Process(driver.pid)
        self.samples: list[tuple[float, dict[str, int]]] = []  # monotonic seconds, preloaded bytes by process
        while driver.poll() is None:
            self.samples.append((time.monotonic(), {name: rss(process) for name, process in processes.items()}))
            time.sleep(LOOK_S)
        self.seconds = time.monotonic() - begin
        if driver.returncode:
            raise SystemExit(f"the driver ended with {driver.returncode}:\n{said.read_text()[-2000:]}")
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)  # no other child ended meanwhile
        self.cpu_s = ended.ru_utime + ended.ru_stime - children.ru_utime - children.ru_stime
        self.scheduler_cpu_s = cpu_of(processes["scheduler"]) - before
        self.times = json.loads(times.read_text())
        self.measured_s = max(self.times["done_s"]) - self.times["begin_s"]

    def memory(self, name: str, share: float) -> int:
        """Return a process's preloaded bytes after a share of the time in which blocks were measured."""
        moment = self.times["begin_s"] + share * self.measured_s
        return min(self.samples, key=lambda sample: abs(sample[0] - moment))[1][name]


def cpu_of(process: psutil.Process) -> float:
    """Return the CPU seconds that a process has had."""
    spent = process.cpu_times()
    return float(spent.user + spent.system)


def rss(process: psutil.Process) -> int:
    """Return a process's preloaded bytes; 0 where it has ended."""
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


@contextmanager
def folders() -> Iterator[tuple[Path, Path]]:
    """Yield a folder on the disk and one in memory."""
    made = tempfile.TemporaryDirectory
    with made(prefix="lockstep-") as disk, made(prefix="lockstep-", dir=IN_MEMORY) as memory:
        yield Path(disk), Path(memory)


def rate(members: int, blocks_each: int, seconds: float) -> float:
    """Return the blocks a second that so many members measure."""
    with folders() as (disk, memory), crew(memory, members, FRAMEWORKS[0], [PROGRAM, f"{seconds:g}"]) as there:
        blocks = members * blocks_each
        run = Run(there, disk, seconds, sweep(there.address, members, FRAMEWORKS[:1], MODELS[:1], blocks))
        if len(run.times["done_s"]) != blocks:
            raise SystemExit(f"{blocks} blocks were ordered, {len(run.times['done_s'])} were done")
        return blocks / run.measured_s


def rates(pairs: int, blocks_each: int, seconds: float) -> None:
    """Print how rates compare, a line a pair and all of them together."""
    print(f"| blocks/s of 1 | blocks/s of {MANY} | of {MANY} times one |\n| ---: | ---: | ---: |")
    found: dict[int, list[float]] = {1: [], MANY: []}
    for pair in range(pairs):
        for members in (1, MANY) if pair % 2 == 0 else (MANY, 1):
            found[members].append(rate(members, blocks_each, seconds))
        one, many = found[1][-1], found[MANY][-1]
        print(f"| {one:.3f} | {many:.3f} | {many / (MANY * one):.3f} |", flush=True)
    ratio = paired(found[MANY], [MANY * one for one in found[1]])
    low, high = np.exp(ratio.bounds())
    bounds = f", 95 % {low:.3f} to {high:.3f}" if pairs > 1 else ""
    print(f"\n{MANY} members: {np.exp(ratio.mean):.3f} of {MANY} times one member's rate{bounds}\n")


def counted(results: Path) -> tuple[int, int]:
    """Return how many rows ended ok in a folder's files, and how many of these have a cell that another has."""
    found = []
    for path in results.glob("*.jsonl"):
        with path.open("rb") as file:
            rows = (line for line in file if line.startswith(b'{"kind": "row"') and b'"status": "ok"' in line)
            found += [match[1] for line in rows if (match := re.search(rb'"cell": "([0-9a-f]{16})"', line))]
    return len(found), len(found) - len(set(found))


def load(cells: int, members: int) -> tuple[list[str], dict[str, list[int]]]:
    """Return the figures of LOAD for so many cells, and preloaded bytes by process at SHARES."""
    with folders() as (disk, memory), crew(memory, members, ",".join(FRAMEWORKS), [PROGRAM, "0"]) as there:
        sizes = cells // len(FRAMEWORKS) // len(MODELS)
        run = Run(there, disk, 0.0, sweep(there.address, members, FRAMEWORKS, MODELS, sizes))
        good, twice = counted(disk / "results")
        size = sum(path.stat().st_size for path in (disk / "results").iterdir())
    wall_s = run.measured_s - run.times["waited_s"]
    each_ms = [f"{1000 * seconds / cells:.2f}" for seconds in (run.times["cpu_s"], wall_s, run.scheduler_cpu_s)]
    figures = [f"{cells:,}", f"{good:,}", f"{twice:,}", f"{run.measured_s:,.0f}", *each_ms]
    figures += [f"{run.cpu_s - run.times['cpu_s']:.1f}", f"{size / 1e6:,.0f}"]
    return figures, {n: [run.memory(n, share) for share in SHARES] for n in ("scheduler", "driver", "member")}


def loads(points: Sequence[int], members: int) -> None:
    """Print what thousands of cells cost, then how memory went."""
    print(f"| {' | '.join(LOAD)} |\n|{' ---: |' * len(LOAD)}")
    memory = {}
    for cells in points:
        figures, memory[cells] = load(cells, members)
        print(f"| {' | '.join(figures)} |", flush=True)
    print(f"\n| MB at a share of the sweep | cells | {' | '.join(f'{share:.0%}' for share in SHARES)} |")
    print(f"| --- |{' ---: |' * (1 + len(SHARES))}")
    for name in ("scheduler", "driver", "member"):
        for cells, found in memory.items():
            print(f"| {name} | {cells:,} | {' | '.join(f'{each / MIB:.1f}' for each in found[name])} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=WHAT, default=WHAT)
    parser.add_argument("--points", type=lambda text: [int(n) for n in text.split(",")], default=POINTS)
    parser.add_argument("--members", type=int, default=4, help="of the load")
    parser.add_argument("--pairs", type=int, default=4, help="of the rate")
    parser.add_argument("--blocks", type=int, default=30, help="of the rate, for each member")
    parser.add_argument("--asleep", type=float, default=0.5, help="seconds of a launch, of the rate")
    given = parser.parse_args()
    if "rate" in given.what:
        rates(given.pairs, given.blocks, given.asleep)
    if "load" in given.what:
        loads(given.points, given.members)
