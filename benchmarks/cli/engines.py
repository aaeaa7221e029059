"""What carries out a `run`: this machine, or the machines of a scheduler, which may be nodes that Slurm grants."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from benchmarks.cli.dask import need_engine
from benchmarks.cli.display import Display
from benchmarks.cli.summary import Reportable, summarise_when_ended
from benchmarks.cli.terminal import err, out, planned, prepared, say
from benchmarks.errors import count, plain
from benchmarks.launch.ceilings import ceilings, points
from benchmarks.launch.launcher import Launcher
from benchmarks.launch.probe import chosen_frameworks, probe_all
from benchmarks.machine import lock
from benchmarks.machine.hardware import chosen, physical_cpus
from benchmarks.machine.memory import MemoryLimit
from benchmarks.plan.cells import Request, expand
from benchmarks.record import store
from benchmarks.sweep.local import LocalSweep

if TYPE_CHECKING:
    from distributed import Client


class Engine(Protocol):
    """Carries out what was asked for."""

    def run(self, request: Request) -> Reportable:
        """Measure everything and return the sweep. UsageError, EngineError and what may end a sweep early."""


@dataclass(frozen=True)
class LocalEngine:
    """This machine; `wait` for another process that measures here, or end with exit code 75."""

    wait: bool

    def run(self, request: Request) -> LocalSweep:
        axes, devices = request.axes, chosen(request.axes.devices)
        frameworks = chosen_frameworks(axes.frameworks, devices)
        data = {found.name: found for found in (prepared(name, request.data_dir) for name in request.sets)}
        store.check(request.results)
        with lock.machine_lock(f"{', '.join(axes.recipes)} in {', '.join(frameworks)}", self.wait, say):
            probes = probe_all(frameworks, devices)
            cells = expand(axes.on(frameworks, list(data), devices, len(physical_cpus())), probes)
            display = Display(err)
            memory, preset = MemoryLimit.for_bytes(request.memory_bytes), request.preset
            known = ceilings(points(cells), request.peak, say)
            launcher = Launcher(
                probes,
                data,
                preset.chunk_s,
                request.epochs,
                memory,
                timeout_s=request.timeout_s,
                judged_steps=preset.judged_steps,
                ceilings=known,
            )
            sweep = LocalSweep(cells, launcher, request, display, display.proof)
            with summarise_when_ended(sweep, display):
                sweep.run()
        return sweep


def show_plan(request: Request) -> None:
    """Print every cell that this machine would measure, and how many launches there would be."""
    devices, amount = chosen(request.axes.devices), request.preset
    frameworks = chosen_frameworks(request.axes.frameworks, devices)
    datasets = [planned(name, request.data_dir) for name in request.sets]
    axes = request.axes.on(frameworks, datasets, devices, len(physical_cpus()))
    cells = expand(axes, probe_all(frameworks, devices))
    for cell in cells:
        words = plain(" ".join(str(part) for part in vars(cell).values()))
        out.print(words, markup=False, highlight=False, soft_wrap=True)
    most = "at most " if amount.looks else ""
    launches = count(len(cells) * (amount.rounds + amount.seeds), "launch", "launches")
    each = f"{count(amount.rounds, 'round')}, {count(amount.seeds, 'seed')}"
    out.print(f"{count(len(cells), 'cell')}, {each}: {most}{launches}", highlight=False)


@dataclass(frozen=True)
class DaskEngine:
    """The members of the scheduler at an address, or nodes that Slurm grants where there is none."""

    scheduler: str | None
    members: int  # that must have joined before anything is measured; with Slurm the nodes to ask for
    patience_s: float
    insecure: bool

    def run(self, request: Request) -> Reportable:
        need_engine("--engine dask")
        from benchmarks.cli.display import MembersDisplay  # noqa: PLC0415
        from benchmarks.sweep.dask.driver import Driver  # noqa: PLC0415
        from benchmarks.sweep.dask.scheduler import apply  # noqa: PLC0415

        apply(self.patience_s)
        store.check(request.results)
        with self._client() as client:
            say(f"scheduler at {client.scheduler.address}; dashboard at {client.dashboard_link or 'none'}")
            display = MembersDisplay(err)
            sweep = Driver(client, request, display, self.members, self.patience_s, queued=self.scheduler is None)
            with summarise_when_ended(sweep, display):
                sweep.run()
            return sweep

    @contextlib.contextmanager
    def _client(self) -> Iterator[Client]:
        """Yield a client of the scheduler, or of one that starts members through Slurm."""
        from benchmarks.sweep.dask.scheduler import checked, connected  # noqa: PLC0415

        if self.scheduler is not None:
            with connected(checked(self.scheduler, self.insecure)) as client:
                yield client
            return
        from benchmarks.sweep.dask.slurm import started  # noqa: PLC0415

        with started(self.members, self.insecure, self.patience_s) as address, connected(address) as client:
            yield client
