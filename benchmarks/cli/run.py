"""`run --engine dask`: the same sweep over the machines of a scheduler, or over nodes that Slurm grants.

`run`: measure cells and show what became of each.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapters.contract import DTYPES, INPUTS
from adapters.registry import ADAPTERS
from benchmarks import errors
from benchmarks.cli.display import Display
from benchmarks.cli.engine import DEFAULT_PATIENCE_S, Insecure, Patience, need_engine
from benchmarks.cli.summary import show_outcome, summarise_when_ended
from benchmarks.cli.terminal import Axis, Pythons, Wait, err, out, planned, prepared, say
from benchmarks.errors import UsageError, count
from benchmarks.launch.ceilings import ceilings, points
from benchmarks.launch.launcher import Launcher
from benchmarks.launch.probe import Probe, chosen_frameworks, probe_all
from benchmarks.launch.proof import TIMEOUT_S
from benchmarks.machine import environments, lock
from benchmarks.machine.git import resolved
from benchmarks.machine.hardware import chosen, named, physical_cpus
from benchmarks.machine.memory import MemoryLimit, size_bytes
from benchmarks.plan.cells import PRESETS, Axes, Cell, Preset, expand
from benchmarks.plan.typed import chosen_modes, chosen_recipes, numbers, values
from benchmarks.record import store
from benchmarks.sweep.dask.facts import RequestedAxes
from benchmarks.sweep.dask.request import Request
from benchmarks.sweep.local import LocalSweep

if TYPE_CHECKING:
    from distributed import Client

    from benchmarks.sweep.dask.request import Request


ENGINES = ("local", "dask")
CLUSTERS = ("slurm",)
FOR_ONE_MACHINE = {
    "dry_run": ": what is planned depends on the machines that join",
    "python": ": say it where a machine joins",
}


def _over_several(engine: str, scheduler: str | None, cluster: str | None, **others: object) -> bool:
    """Return whether a sweep is one over several machines; UsageError for options that do not go together."""
    [name] = values([engine], [], ENGINES, "engine")
    if name == "local":
        if scheduler or cluster:
            raise UsageError("--scheduler and --cluster are for --engine dask; add it, or leave them out")
        return False
    if (scheduler is None) == (cluster is None):
        raise UsageError(
            "--engine dask needs --scheduler ADDRESS (python -m benchmarks schedule starts one) or"
            f" --cluster {'|'.join(CLUSTERS)}, one of them"
        )
    if cluster:
        values([cluster], [], CLUSTERS, "cluster")
    for option in [option for option, value in others.items() if value]:
        raise UsageError(f"--{option.replace('_', '-')} is for one machine{FOR_ONE_MACHINE.get(option, '')}")
    return True


def _over_machines(
    request: Request,
    results: Path,
    scheduler: str | None,
    cluster: str | None,
    members: int,
    patience_s: float,
    insecure: bool,
) -> int:
    """Measure over several machines; return the exit code. UsageError, EngineError and what a sweep may end with."""
    need_engine("--engine dask")
    from benchmarks.sweep.dask.display import MembersDisplay  # noqa: PLC0415
    from benchmarks.sweep.dask.driver import Driver  # noqa: PLC0415
    from benchmarks.sweep.dask.scheduler import apply  # noqa: PLC0415

    apply(patience_s)
    store.check(results)
    with _clients(scheduler, cluster, members, insecure, patience_s) as client:
        say(f"scheduler at {client.scheduler.address}; dashboard at {client.dashboard_link or 'none'}")
        board = MembersDisplay(err)
        driver = Driver(client, request, results, board, members, patience_s)
        driver.queued = cluster is not None
        with summarise_when_ended(driver, board):
            driver.run()
        kinds = list(driver.account.kinds.values())
        stops = [stop for kind in kinds for stop in kind.stops]
        return show_outcome(driver, {kind.name: kind.ledger.rows for kind in kinds}, stops)


@contextlib.contextmanager
def _clients(
    scheduler: str | None, cluster: str | None, nodes: int, insecure: bool, patience_s: float
) -> Iterator[Client]:
    """Yield a client of the scheduler, or of one that starts members through Slurm."""
    from benchmarks.sweep.dask.scheduler import checked, connected  # noqa: PLC0415

    if scheduler is not None:
        with connected(checked(scheduler, insecure)) as client:
            yield client
        return
    from benchmarks.sweep.dask.slurm import started  # noqa: PLC0415

    with started(nodes, insecure, patience_s) as address, connected(address) as client:
        yield client


MAX_COUNT = 10_000  # rounds, seeds, epochs: weeks of measuring; more is a slip of the hand


def run(
    framework: Axis = None,
    model: Axis = None,
    recipe: Annotated[list[str] | None, typer.Option(help="published settings, batch size included")] = None,
    device: Axis = None,
    batch_size: Annotated[list[str] | None, typer.Option(help="default 100; a recipe's own with --recipe")] = None,
    mode: Annotated[list[str] | None, typer.Option(help="default: each adapter's recommended mode")] = None,
    dtype: Axis = None,
    threads: Annotated[list[str] | None, typer.Option(help="default: all physical cores")] = None,
    input: Annotated[list[str] | None, typer.Option(help="preloaded (default), host")] = None,
    dataset: Annotated[list[str] | None, typer.Option(help="mnist-5k, mnist, fashion-mnist, or a path")] = None,
    preset: Annotated[str, typer.Option(help=", ".join(PRESETS))] = "quick",
    rounds: Annotated[
        int | None, typer.Option(min=0, max=MAX_COUNT, help="exactly so many speed launches a cell")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=0, max=MAX_COUNT, help="accuracy launches a cell, a seed each")
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=0, max=MAX_COUNT, help="of an accuracy launch; default: the recipe's; 0: none such"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    timeout: Annotated[
        float | None, typer.Option(min=1, help="seconds one launch or proof may take; default: 900, a proof 1800")
    ] = None,
    memory_limit: Annotated[str | None, typer.Option(help="memory a worker may have, such as 500M or 4G")] = None,
    time_cap: Annotated[float, typer.Option(min=0, help="seconds after which no new round begins")] = math.inf,
    data_dir: Annotated[Path | None, typer.Option(help="folder with the data set's files")] = None,
    results: Annotated[Path, typer.Option(help="folder that rows are kept in")] = environments.ROOT / "results",
    against: Annotated[str | None, typer.Option(help="measure the adapters of this git revision beside these")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show the cells and stop")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="skip launches that are already there and ok")] = False,
    fresh_proof: Annotated[bool, typer.Option("--fresh-proof", help="prove anew what has a kept proof")] = False,
    with_peak: Annotated[
        bool | None, typer.Option("--peak/--no-peak", help="measure the peak if none is kept; default: the preset's")
    ] = None,
    python: Pythons = None,
    wait: Wait = True,
    engine: Annotated[str, typer.Option(help="local, or dask: over several machines, docs/engine.md")] = "local",
    scheduler: Annotated[str | None, typer.Option(help="with dask: the address that machines joined")] = None,
    cluster: Annotated[str | None, typer.Option(help="with dask: slurm starts the members")] = None,
    nodes: Annotated[int, typer.Option(min=1, help="with --cluster: how many nodes, each alone")] = 1,
    members: Annotated[int, typer.Option(min=1, help="with --scheduler: begin when so many joined")] = 1,
    patience: Patience = DEFAULT_PATIENCE_S,
    insecure: Insecure = False,
) -> None:
    """Measure: every cell in fresh processes, a row for each launch, a table at the end.

    Exit code: 0 all ok, 1 some not, 2 usage or data, 69 machines or their scheduler lost, 74 results cannot be written,
    75 another process measures (with --no-wait), 130, 143, 129 interrupted by Ctrl-C, SIGTERM, SIGHUP: what was not
    reached is `interrupted` then, and the same command with --resume goes on. A second Ctrl-C ends at once.
    """
    amount = _preset_of(preset, rounds, seeds, epochs)
    if epochs == 0:
        say("--epochs 0: no accuracy launches, whatever --seeds and --preset say")
    memory = MemoryLimit.for_bytes(None if memory_limit is None else size_bytes(memory_limit))
    environments.override_interpreters(python or [])
    recipes, sets = chosen_recipes(model, recipe), values(dataset, ["mnist-5k"], what="dataset")
    sizes: list[int | None] = [*numbers(batch_size, [], "--batch-size", 1 << 20)] or ([None] if recipe else [100])
    modes, dtypes = chosen_modes(mode), values(dtype, ["float32"], DTYPES, "dtype")
    inputs = values(input, ["preloaded"], INPUTS, "input")
    revisions = ("",) if against is None else ("", resolved(against))
    with_peak = amount.peak if with_peak is None else with_peak
    if _over_several(engine, scheduler, cluster, dry_run=dry_run, python=python):
        asked = RequestedAxes(
            values(framework, [], list(ADAPTERS), "framework"), recipes, named(device), sizes, modes, dtypes,
            numbers(threads, [], "--threads", 1 << 10), inputs, revisions,
        )  # fmt: skip
        request = Request(
            asked, sets, amount, seed, epochs, timeout or 900.0, timeout or TIMEOUT_S, fresh_proof, memory.limit_bytes,
            with_peak, time_cap, str(data_dir.absolute()) if data_dir else None, resume,
        )  # fmt: skip
        wanted = nodes if cluster else members
        raise typer.Exit(_over_machines(request, results, scheduler, cluster, wanted, patience, insecure))
    devices = chosen(device)
    frameworks = chosen_frameworks(framework, devices)
    cores = len(physical_cpus())
    data = {} if dry_run else {found.name: found for found in (prepared(name, data_dir) for name in sets)}
    axes = Axes(
        frameworks, recipes, [planned(name, data_dir) for name in sets] if dry_run else list(data), devices, sizes,
        modes, dtypes, numbers(threads, [cores], "--threads", cores), inputs, revisions,
    )  # fmt: skip
    if dry_run:
        _show_plan(_expanded(axes, probe_all(frameworks, devices)), amount)
        return
    store.check(results)
    with lock.machine_lock(f"{', '.join(recipes)} in {', '.join(frameworks)}", wait, say):
        probes = probe_all(frameworks, devices)
        cells = _expanded(axes, probes)
        display = Display(err)
        launcher = Launcher(probes, data, timeout or 900.0, amount.chunk_s, epochs, memory)
        launcher.ceilings = ceilings(points(cells), with_peak, say)
        sweep = LocalSweep(cells, launcher, results, amount, seed, resume, display, display.proof)
        sweep.proof_timeout_s, sweep.fresh_proof, sweep.time_cap_s = timeout or TIMEOUT_S, fresh_proof, time_cap
        with summarise_when_ended(sweep, display):
            sweep.run()
    raise typer.Exit(show_outcome(sweep, {"": sweep.ledger.rows}, list(sweep.stops.values())))


def _expanded(axes: Axes, probes: Mapping[tuple[str, str], Probe]) -> list[Cell]:
    """Return the cells, those without a mode in the one that their adapter recommends."""
    return expand(axes, lambda f, d, m, p: probes[f, d].recommended(m, p))


def _preset_of(preset: str, rounds: int | None, seeds: int | None, epochs: int | None) -> Preset:
    """Return the preset with what was said exactly in place of its own; UsageError where nothing would be measured."""
    [name] = values([preset], [], list(PRESETS), "preset")
    amount = PRESETS[name]
    if rounds is not None:
        amount = replace(amount, rounds=rounds, looks=())
    amount = replace(amount, seeds=0 if epochs == 0 else amount.seeds if seeds is None else seeds)
    if not amount.rounds and not amount.seeds:
        raise UsageError("--rounds 0 without accuracy launches leaves nothing to do; give --rounds or --seeds")
    return amount


def _show_plan(cells: Sequence[Cell], amount: Preset) -> None:
    """Print every cell and how many launches there would be."""
    for cell in cells:
        words = errors.plain(" ".join(str(part) for part in vars(cell).values()))
        out.print(words, markup=False, highlight=False, soft_wrap=True)
    most = "at most " if amount.looks else ""
    launches = count(len(cells) * (amount.rounds + amount.seeds), "launch", "launches")
    each = f"{count(amount.rounds, 'round')}, {count(amount.seeds, 'seed')}"
    out.print(f"{count(len(cells), 'cell')}, {each}: {most}{launches}", highlight=False)
