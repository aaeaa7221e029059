"""`run`: measure cells, on this machine or over several, and show what became of each."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from adapters.contract import DTYPES, INPUTS
from adapters.registry import default_frameworks, framework_of
from benchmarks.cli import options
from benchmarks.cli.dask import DEFAULT_PATIENCE_S, Insecure, Patience, run_over_dask
from benchmarks.cli.display import Display, Reportable, show_outcome, summarise_when_ended
from benchmarks.cli.options import cluster, length, what, where
from benchmarks.cli.terminal import err, out, planned, prepared, say
from benchmarks.errors import UsageError, count, plain
from benchmarks.launch.ceilings import ceilings, points
from benchmarks.launch.launcher import Launcher
from benchmarks.launch.probe import Probe, chosen_frameworks, probe_all, require_builds
from benchmarks.launch.proof import TIMEOUT_S
from benchmarks.machine import environments, lock
from benchmarks.machine.git import resolved
from benchmarks.machine.hardware import chosen, chosen_threads, most_threads, named
from benchmarks.machine.memory import MemoryLimit, size_bytes
from benchmarks.plan import fit, suspects
from benchmarks.plan.cells import PRESETS, Cell, Preset, Request, RequestedAxes, expand
from benchmarks.plan.typed import arms, chosen_modes, chosen_recipes, numbers, values
from benchmarks.record import store
from benchmarks.stats import FEWEST_ROUNDS
from benchmarks.sweep.detect import experience, planned_rounds, words
from benchmarks.sweep.local import LocalSweep

ENGINES = ("local", "dask")
CLUSTERS = ("slurm",)
FOR_ONE_MACHINE = {
    "dry_run": ": what is planned depends on the machines that join",
    "python": ": say it where a machine joins",
    "detect": ": the noise depends on the machines that join",
    "confirm": ": the suspects are one machine's",
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
            "--engine dask needs --scheduler ADDRESS (python -m benchmarks cluster schedule starts one) or"
            f" --cluster {'|'.join(CLUSTERS)}, one of them"
        )
    if cluster:
        values([cluster], [], CLUSTERS, "cluster")
    for name in [name for name, value in others.items() if value]:
        raise UsageError(f"--{name.replace('_', '-')} is for one machine{FOR_ONE_MACHINE.get(name, '')}")
    return True


MAX_COUNT = 10_000  # rounds, seeds, epochs: weeks of measuring; more is a slip of the hand
MAX_BATCH = 1 << 20
LAUNCH_TIMEOUT_S = 900.0
MAX_THREADS = 1 << 10  # of machines that are not known yet


def run(
    framework: options.Frameworks = None,
    model: options.Models = None,
    recipe: options.Recipes = None,
    batch_size: options.BatchSizes = None,
    mode: options.Modes = None,
    dtype: options.Dtypes = None,
    input: options.Inputs = None,
    dataset: Annotated[options.Names, what(f"{options.SETS}. Default: mnist-5k.", "NAME,...")] = None,
    data_dir: options.DataDir = None,
    seed: options.Seed = 0,
    against: Annotated[str | None, what("Measure the adapters of this git revision beside these.", "REVISION")] = None,
    confirm: Annotated[
        Path | None, what("Of all that, only what `report compare --suspects` wrote here (docs/compare.md).", "FILE")
    ] = None,
    preset: Annotated[str, length(f"How much is measured: {', '.join(PRESETS)}.", "NAME")] = "quick",
    rounds: Annotated[
        int | None, length("Exactly so many speed launches a configuration.", "N", min=0, max=MAX_COUNT)
    ] = None,
    detect: Annotated[
        str | None, length("As many rounds as find a slow-down of this share with 90 % power, such as 2%.", "SHARE")
    ] = None,
    seeds: Annotated[
        int | None, length("Accuracy launches a configuration, a seed each.", "N", min=0, max=MAX_COUNT)
    ] = None,
    epochs: Annotated[
        int | None,
        length("Epochs of an accuracy launch; 0: no such launch. Default: the recipe's.", "N", min=0, max=MAX_COUNT),
    ] = None,
    timeout: Annotated[
        float | None, length("What a launch or a proof may take. Default: 900, a proof 1800.", "SECONDS", min=1)
    ] = None,
    time_cap: Annotated[
        float, length("After so long no new round begins.", "SECONDS", min=0, show_default="no cap")
    ] = math.inf,
    resume: Annotated[bool, length("Skip launches that are there and ended ok.", name="--resume")] = False,
    fresh_proof: options.FreshProof = False,
    with_peak: Annotated[
        bool | None,
        length("Measure the machine's peak where none is kept. Default: the preset's.", name="--peak/--no-peak"),
    ] = None,
    dry_run: Annotated[bool, length("Show the configurations, and measure none.", name="--dry-run")] = False,
    device: options.Devices = None,
    threads: options.Threads = None,
    memory_limit: Annotated[str | None, where("Memory a process may have: 500M, 4G.", "SIZE")] = None,
    results: options.Results = options.RESULTS,
    python: options.Pythons = None,
    wait: options.Wait = True,
    engine: Annotated[str, cluster("local, or dask: over several machines.", "NAME")] = "local",
    scheduler: Annotated[str | None, cluster("With dask: the address that machines joined.", "ADDRESS")] = None,
    cluster: Annotated[str | None, cluster("With dask: slurm starts the members.", "NAME")] = None,
    nodes: Annotated[int, cluster("With --cluster: nodes, each alone.", "N", min=1)] = 1,
    members: Annotated[int, cluster("With --scheduler: begin when so many joined.", "N", min=1)] = 1,
    patience: Patience = DEFAULT_PATIENCE_S,
    insecure: Insecure = False,
    environment: Annotated[str | None, typer.Option(hidden=True)] = None,  # tox's: a framework, a dash, a device
) -> None:
    """Measure: every configuration in fresh processes, a row for each launch, a table at the end.

    Exit code: 0 all ok, 1 some not, 2 usage or data, 69 machines or their scheduler lost, 74 results cannot be written,
    75 another process measures (with --no-wait), 130, 143, 129 interrupted by Ctrl-C, SIGTERM, SIGHUP: what was not
    reached is `interrupted` then, and the same command with --resume goes on. A second Ctrl-C ends at once.
    """
    if environment:
        own, _, kind = environment.rpartition("-")
        framework, device = framework or [own], device or [kind]
    amount = _preset_of(preset, rounds, seeds, epochs)
    difference = _difference(detect, rounds)
    if epochs == 0:
        say("--epochs 0: no accuracy launches, whatever --seeds and --preset say")
    environments.override_interpreters(python or [])
    over_several = _over_several(
        engine, scheduler, cluster, dry_run=dry_run, python=python, detect=detect, confirm=confirm
    )
    if confirm and resume:
        raise UsageError("--confirm is about new launches; leave out --resume")
    frameworks = arms(framework)
    if detect is None and (words := _too_few(amount.rounds, frameworks, against)):
        say(words)
    require_builds(frameworks, named(device))  # before a card is looked for
    common = environments.common_threads(frameworks or default_frameworks())
    request = Request(
        axes=RequestedAxes(
            frameworks=frameworks,
            recipes=chosen_recipes(model, recipe),
            devices=named(device),
            batch_sizes=numbers(batch_size, [], "--batch-size", MAX_BATCH) or ([None] if recipe else [100]),
            modes=chosen_modes(mode),
            dtypes=values(dtype, ["float32"], DTYPES, "dtype"),
            threads=numbers(threads, [], "--threads", MAX_THREADS) if over_several else chosen_threads(threads, common),
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
        confirm=confirm,
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
    fit.check(axes.recipes, data.values())
    store.check(request.results)
    with lock.machine_lock(f"{', '.join(axes.recipes)} in {', '.join(frameworks)}", wait, say):
        probes, cells = _probed(request, frameworks, list(data), devices)
        request = _with_rounds(request, cells)
        _say_what_is_withheld()  # here, so that bad input is one line
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


def _say_what_is_withheld() -> None:
    """Name the settings of this shell that choose numeric libraries' kernels, as no worker sees them."""
    if names := environments.withheld():
        say(f"workers do not see {', '.join(names)} of this shell: each library decides by itself")


def _show_plan(request: Request) -> None:
    """Print every cell that this machine would measure, and how many launches there would be."""
    axes, devices = request.axes, chosen(request.axes.devices)
    frameworks = chosen_frameworks(axes.frameworks, devices)
    names = [planned(name, request.data_dir, axes.recipes) for name in request.sets]
    probes, cells = _probed(request, frameworks, names, devices)
    amount = _with_rounds(request, cells).preset
    for probe in [probes[key] for key in dict.fromkeys((cell.framework, cell.device) for cell in cells)]:
        if probe.problem:
            say(f"cannot run: {probe.problem}")
    for cell in cells:
        words = plain(" ".join(str(part) for part in vars(cell).values()))
        out.print(words, markup=False, highlight=False, soft_wrap=True)
    most = "at most " if amount.looks else ""
    launches = count(len(cells) * (amount.rounds + amount.seeds), "launch", "launches")
    each = f"{count(amount.rounds, 'round')}, {count(amount.seeds, 'seed')}"
    out.print(f"{count(len(cells), 'configuration')}, {each}: {most}{launches}", highlight=False)


def _with_rounds(request: Request, cells: Sequence[Cell]) -> Request:
    """Return the request with the rounds that --detect needs, and say how many these are; else the same request."""
    if request.detect is None:
        return request
    known = experience(request.results, cells)
    rounds = planned_rounds(request.detect, known, cells, MAX_COUNT)
    say(words(request.detect, rounds, known, cells))
    return replace(request, preset=replace(request.preset, rounds=rounds, looks=()))


def _probed(
    request: Request, frameworks: Sequence[str], datasets: Sequence[str], devices: Sequence[str]
) -> tuple[dict[tuple[str, str], Probe], list[Cell]]:
    """Return what each framework can do on each device of this machine, and the cells that were asked for."""
    probes = probe_all(frameworks, devices)
    if not request.axes.frameworks:
        frameworks = _answering(probes, frameworks)
    cells = expand(request.axes.on(frameworks, datasets, devices, most_threads()), probes)
    return probes, suspects.suspected(request.confirm, cells) if request.confirm else cells


def _answering(probes: Mapping[tuple[str, str], Probe], frameworks: Sequence[str]) -> list[str]:
    """Return the frameworks that nobody named and that answer, and say in a line which do not; all where none does.

    A platform without wheels of a framework is no fault of a sweep.
    """
    lost = {name: problem for name in frameworks if (problem := _lost(probes, name))}
    if len(lost) == len(frameworks):
        return list(frameworks)
    for problem in lost.values():
        say(f"left out: {problem}")
    return [name for name in frameworks if name not in lost]


def _lost(probes: Mapping[tuple[str, str], Probe], framework: str) -> str:
    """Return why a framework has no environment that works on any device, empty where it has one."""
    mine = [probe for (name, _), probe in probes.items() if name == framework]
    return mine[0].problem if all(probe.missing for probe in mine) else ""


def _too_few(rounds: int, frameworks: Sequence[str], against: str | None) -> str:
    """Say that so few rounds give no verdict, where releases or revisions are measured to be judged; else nothing."""
    judged = against is not None or len({framework_of(arm) for arm in frameworks}) < len(frameworks)
    if not (judged and 0 < rounds < FEWEST_ROUNDS):
        return ""
    return f"{count(rounds, 'round')}: too few for a verdict, which needs {FEWEST_ROUNDS}; add --rounds 10"


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
