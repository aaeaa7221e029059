"""`run`: measure cells, on this machine or over several, and show what became of each."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from adapters.contract import DTYPES, INPUTS
from adapters.registry import ADAPTERS
from benchmarks.cli.dask import DEFAULT_PATIENCE_S, Insecure, Patience, run_over_dask
from benchmarks.cli.display import Display, Reportable, show_outcome, summarise_when_ended
from benchmarks.cli.terminal import Axis, DataDir, Pythons, Wait, err, out, planned, prepared, say
from benchmarks.errors import UsageError, count, plain
from benchmarks.launch.ceilings import ceilings, points
from benchmarks.launch.launcher import Launcher
from benchmarks.launch.probe import Probe, chosen_frameworks, probe_all
from benchmarks.launch.proof import TIMEOUT_S
from benchmarks.machine import environments, lock
from benchmarks.machine.git import resolved
from benchmarks.machine.hardware import chosen, chosen_threads, most_threads, named
from benchmarks.machine.memory import MemoryLimit, size_bytes
from benchmarks.plan.cells import PRESETS, Cell, Preset, Request, RequestedAxes, expand
from benchmarks.plan.typed import chosen_modes, chosen_recipes, numbers, values
from benchmarks.record import store
from benchmarks.sweep.detect import experience, planned_rounds, words
from benchmarks.sweep.local import LocalSweep

ENGINES = ("local", "dask")
CLUSTERS = ("slurm",)
FOR_ONE_MACHINE = {
    "dry_run": ": what is planned depends on the machines that join",
    "python": ": say it where a machine joins",
    "detect": ": the noise depends on the machines that join",
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


MAX_COUNT = 10_000  # rounds, seeds, epochs: weeks of measuring; more is a slip of the hand
MAX_BATCH = 1 << 20
LAUNCH_TIMEOUT_S = 900.0
MAX_THREADS = 1 << 10  # of machines that are not known yet


def run(
    framework: Axis = None,
    model: Axis = None,
    recipe: Annotated[list[str] | None, typer.Option(help="published settings, batch size included")] = None,
    device: Axis = None,
    batch_size: Annotated[list[str] | None, typer.Option(help="default 100; a recipe's own with --recipe")] = None,
    mode: Annotated[list[str] | None, typer.Option(help="default: each adapter's recommended mode")] = None,
    dtype: Axis = None,
    threads: Annotated[list[str] | None, typer.Option(help="default: all physical cores, up to the CPU quota")] = None,
    input: Annotated[list[str] | None, typer.Option(help="preloaded (default), host")] = None,
    dataset: Annotated[list[str] | None, typer.Option(help="mnist-5k, mnist, fashion-mnist, or a path")] = None,
    preset: Annotated[str, typer.Option(help=", ".join(PRESETS))] = "quick",
    rounds: Annotated[
        int | None, typer.Option(min=0, max=MAX_COUNT, help="exactly so many speed launches a configuration")
    ] = None,
    detect: Annotated[
        str | None, typer.Option(help="as many rounds as find a slow-down of this share, such as 2%, with 90 % power")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=0, max=MAX_COUNT, help="accuracy launches a configuration, a seed each")
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
    data_dir: DataDir = None,
    results: Annotated[Path, typer.Option(help="folder that rows are kept in")] = environments.ROOT / "results",
    against: Annotated[str | None, typer.Option(help="measure the adapters of this git revision beside these")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show the configurations and stop")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="skip launches that are already there and ok")] = False,
    fresh_proof: Annotated[bool, typer.Option("--fresh-proof", help="prove again, also where a proof is kept")] = False,
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
    """Measure: every configuration in fresh processes, a row for each launch, a table at the end.

    Exit code: 0 all ok, 1 some not, 2 usage or data, 69 machines or their scheduler lost, 74 results cannot be written,
    75 another process measures (with --no-wait), 130, 143, 129 interrupted by Ctrl-C, SIGTERM, SIGHUP: what was not
    reached is `interrupted` then, and the same command with --resume goes on. A second Ctrl-C ends at once.
    """
    amount = _preset_of(preset, rounds, seeds, epochs)
    difference = _difference(detect, rounds)
    if epochs == 0:
        say("--epochs 0: no accuracy launches, whatever --seeds and --preset say")
    environments.override_interpreters(python or [])
    if names := environments.withheld():
        say(f"workers do not see {', '.join(names)} of this shell: each library decides by itself")
    over_several = _over_several(engine, scheduler, cluster, dry_run=dry_run, python=python, detect=detect)
    request = Request(
        axes=RequestedAxes(
            frameworks=values(framework, [], list(ADAPTERS), "framework"),
            recipes=chosen_recipes(model, recipe),
            devices=named(device),
            batch_sizes=numbers(batch_size, [], "--batch-size", MAX_BATCH) or ([None] if recipe else [100]),
            modes=chosen_modes(mode),
            dtypes=values(dtype, ["float32"], DTYPES, "dtype"),
            threads=numbers(threads, [], "--threads", MAX_THREADS) if over_several else chosen_threads(threads),
            inputs=values(input, ["preloaded"], INPUTS, "input"),
            revisions=[""] if against is None else ["", resolved(against)],
        ),
        sets=values(dataset, ["mnist-5k"], what="dataset"),
        preset=amount,
        results=results,
        timeout_s=timeout or LAUNCH_TIMEOUT_S,
        proof_timeout_s=timeout or TIMEOUT_S,
        seed=seed,
        epochs=epochs,
        fresh_proof=fresh_proof,
        memory_bytes=None if memory_limit is None else size_bytes(memory_limit),
        peak=amount.peak if with_peak is None else with_peak,
        time_cap_s=time_cap,
        data_dir=data_dir,
        resume=resume,
        detect=difference,
    )
    if dry_run:
        _show_plan(request)
        return
    sweep: Reportable
    if over_several:
        sweep = run_over_dask(request, scheduler, nodes if cluster else members, patience, insecure)
    else:
        sweep = _run_on_this_machine(request, wait)
    raise typer.Exit(show_outcome(sweep))


def _run_on_this_machine(request: Request, wait: bool) -> LocalSweep:
    """Measure everything here; with `wait` wait for another process that measures here, or end with exit code 75."""
    axes, devices = request.axes, chosen(request.axes.devices)
    frameworks = chosen_frameworks(axes.frameworks, devices)
    data = {one.name: one for one in (prepared(name, request.data_dir) for name in request.sets)}
    store.check(request.results)
    with lock.machine_lock(f"{', '.join(axes.recipes)} in {', '.join(frameworks)}", wait, say):
        probes, cells = _probed(axes, frameworks, list(data), devices)
        request = _with_rounds(request, cells)
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
        sweep = LocalSweep(cells, launcher, request, display, display.proof, display.first_round)
        with summarise_when_ended(sweep, display):
            sweep.run()
    return sweep


def _show_plan(request: Request) -> None:
    """Print every cell that this machine would measure, and how many launches there would be."""
    axes, devices = request.axes, chosen(request.axes.devices)
    frameworks = chosen_frameworks(axes.frameworks, devices)
    _, cells = _probed(axes, frameworks, [planned(name, request.data_dir) for name in request.sets], devices)
    amount = _with_rounds(request, cells).preset
    for cell in cells:
        words = plain(" ".join(str(part) for part in vars(cell).values()))
        out.print(words, markup=False, highlight=False, soft_wrap=True)
    most = "at most " if amount.looks else ""
    launches = count(len(cells) * (amount.rounds + amount.seeds), "launch", "launches")
    each = f"{count(amount.rounds, 'round')}, {count(amount.seeds, 'seed')}"
    out.print(f"{count(len(cells), 'cell')}, {each}: {most}{launches}", highlight=False)


def _with_rounds(request: Request, cells: Sequence[Cell]) -> Request:
    """Return the request with the rounds that --detect needs, and say how many these are; else the same request."""
    if request.detect is None:
        return request
    known = experience(request.results, cells)
    rounds = planned_rounds(request.detect, known, cells, MAX_COUNT)
    say(words(request.detect, rounds, known, cells))
    return replace(request, preset=replace(request.preset, rounds=rounds, looks=()))


def _probed(
    axes: RequestedAxes, frameworks: Sequence[str], datasets: Sequence[str], devices: Sequence[str]
) -> tuple[dict[tuple[str, str], Probe], list[Cell]]:
    """Return what each framework can do on each device of this machine, and the cells that were asked for."""
    probes = probe_all(frameworks, devices)
    return probes, expand(axes.on(frameworks, datasets, devices, most_threads()), probes)


def _difference(detect: str | None, rounds: int | None) -> float | None:
    """Return the share that --detect asks for, None without it; UsageError for what is none, and beside --rounds."""
    if detect is None:
        return None
    if rounds is not None:
        raise UsageError("--detect plans the rounds; leave out --rounds")
    share = re.fullmatch(r"(\d+(?:\.\d+)?) ?%", detect.strip())
    if not share or not 0.1 <= float(share[1]) <= 50:
        raise UsageError(f"--detect {plain(detect)}: expected a share from 0.1% to 50%, such as 2%")
    return float(share[1]) / 100


def _preset_of(preset: str, rounds: int | None, seeds: int | None, epochs: int | None) -> Preset:
    """Return the preset with the user's own numbers in place of its own; UsageError where nothing would be measured."""
    [name] = values([preset], [], list(PRESETS), "preset")
    amount = PRESETS[name]
    if rounds is not None:
        amount = replace(amount, rounds=rounds, looks=())
    amount = replace(amount, seeds=0 if epochs == 0 else amount.seeds if seeds is None else seeds)
    if not amount.rounds and not amount.seeds:
        raise UsageError("--rounds 0 without accuracy launches leaves nothing to do; give --rounds or --seeds")
    return amount
