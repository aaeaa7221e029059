"""What carries out a `run`: this machine, or the machines of a scheduler, which may be nodes that Slurm grants."""

from __future__ import annotations

import contextlib

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


def run_on_this_machine(request: Request, wait: bool) -> LocalSweep:
    """Measure everything here and return the sweep; UsageError, EngineError and what may end a sweep early.

    With `wait` this waits for another process that measures here; otherwise it ends with exit code 75.
    """
    axes, devices = request.axes, chosen(request.axes.devices)
    frameworks = chosen_frameworks(axes.frameworks, devices)
    data = {found.name: found for found in (prepared(name, request.data_dir) for name in request.sets)}
    store.check(request.results)
    with lock.machine_lock(f"{', '.join(axes.recipes)} in {', '.join(frameworks)}", wait, say):
        probes = probe_all(frameworks, devices)
        cells = expand(axes.on(frameworks, list(data), devices, len(physical_cpus())), probes)
        display = Display(err)
        memory, chunk_s = MemoryLimit.for_bytes(request.memory_bytes), request.preset.chunk_s
        known = ceilings(points(cells), request.peak, say)
        launcher = Launcher(probes, data, request.timeout_s, chunk_s, request.epochs, memory, known)
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


def run_over_dask(
    request: Request, scheduler: str | None, members: int, patience_s: float, insecure: bool
) -> Reportable:
    """Measure everything on the members of the scheduler at an address and return the sweep; errors as above.

    Without an address nodes of Slurm join a scheduler of ours. `members` must have joined before anything is measured;
    with Slurm it is how many nodes to ask for.
    """
    need_engine("--engine dask")
    from benchmarks.cli.display import MembersDisplay  # noqa: PLC0415
    from benchmarks.sweep.dask.driver import Driver  # noqa: PLC0415
    from benchmarks.sweep.dask.scheduler import apply, checked, connected  # noqa: PLC0415

    apply(patience_s)
    store.check(request.results)
    with contextlib.ExitStack() as stack:
        if scheduler is not None:
            address = checked(scheduler, insecure)
        else:
            from benchmarks.sweep.dask.slurm import cluster  # noqa: PLC0415

            address = stack.enter_context(cluster(members, insecure, patience_s)).scheduler_address
        client = stack.enter_context(connected(address))
        say(f"scheduler at {client.scheduler.address}; dashboard at {client.dashboard_link or 'none'}")
        display = MembersDisplay(err)
        sweep = Driver(client, request, display, members, patience_s, queued=scheduler is None)
        with summarise_when_ended(sweep, display):
            sweep.run()
        return sweep
