"""The command line: `python -m benchmarks COMMAND`; --help lists the commands."""

from __future__ import annotations

import itertools
import json
import math
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from adapters.contract import DTYPES, MODES, PIPELINES
from adapters.recipes import HEADLINE, MODELS, RECIPES
from adapters.registry import ADAPTERS, CPU_ONLY
from benchmarks import console, environments, exchange, machine, peak, proofs, selfcheck
from benchmarks.cells import Axes, expand
from benchmarks.datasets import prepare
from benchmarks.describe import as_table, describe
from benchmarks.errors import UsageError
from benchmarks.frameworks import probe_all
from benchmarks.machine import physical_cpus
from benchmarks.micro.launcher import KINDS, RESULTS, Micro
from benchmarks.options import DEVICES, MODE_NAMES, chosen_frameworks, chosen_modes, chosen_recipes, numbers, values
from benchmarks.presets import PRESETS
from benchmarks.runner import Sweep

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)
out, err = console.terminal(), console.terminal(stderr=True)
Axis = Annotated[list[str] | None, typer.Option(help="repeatable, or comma-separated")]


def say(text: str) -> None:
    """Print progress where it does not mix with what programs read."""
    err.print(text, markup=False, highlight=False, soft_wrap=True)


@app.command()
def run(
    framework: Axis = None,
    model: Axis = None,
    recipe: Annotated[list[str] | None, typer.Option(help="published settings, batch size included")] = None,
    device: Axis = None,
    batch_size: Annotated[list[str] | None, typer.Option(help="default 100; a recipe's own with --recipe")] = None,
    mode: Annotated[list[str] | None, typer.Option(help="default: each adapter's recommended mode")] = None,
    dtype: Axis = None,
    threads: Annotated[list[str] | None, typer.Option(help="default: all physical cores")] = None,
    pipeline: Annotated[list[str] | None, typer.Option(help="resident (default), host")] = None,
    dataset: Annotated[list[str] | None, typer.Option(help="mnist-5k, mnist, fashion-mnist, or a path")] = None,
    preset: Annotated[str, typer.Option(help=", ".join(PRESETS))] = "quick",
    rounds: Annotated[int | None, typer.Option(min=0, help="exactly so many speed launches of every cell")] = None,
    seeds: Annotated[int | None, typer.Option(min=0, help="accuracy launches of every cell, a seed each")] = None,
    epochs: Annotated[int | None, typer.Option(min=0, help="of an accuracy launch; default: the recipe's")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    timeout: Annotated[float, typer.Option(min=1, help="seconds one launch may take")] = 900.0,
    time_cap: Annotated[float, typer.Option(min=0, help="seconds after which no new round begins")] = math.inf,
    data_dir: Annotated[Path | None, typer.Option(help="folder with the data set's files")] = None,
    results: Annotated[Path, typer.Option(help="folder that rows are kept in")] = environments.ROOT / "results",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show the cells and stop")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="skip launches that are already there and ok")] = False,
    fresh_proof: Annotated[bool, typer.Option("--fresh-proof", help="prove anew what has a kept proof")] = False,
    with_peak: Annotated[
        bool | None, typer.Option("--peak/--no-peak", help="measure the peak if none is kept; default: the preset.s")
    ] = None,
) -> None:
    """Measure: every cell in fresh processes, a row for each launch, a table at the end.

    Exit code: 0 all ok, 1 some not, 2 usage or data, 74 results cannot be written, 130 interrupted.
    """
    [name] = values([preset], [], list(PRESETS), "preset")
    amount = PRESETS[name]
    if rounds is not None:
        amount = replace(amount, rounds=rounds, looks=())
    amount = replace(amount, seeds=0 if epochs == 0 else amount.seeds if seeds is None else seeds)
    if not amount.rounds and not amount.seeds:
        raise UsageError("--rounds 0 without accuracy launches leaves nothing to do; give --rounds or --seeds")
    devices = values(device, ["cpu"], DEVICES, "device")
    frameworks = chosen_frameworks(framework, devices)
    recipes = chosen_recipes(model, recipe)
    cores = len(physical_cpus())
    sizes = numbers(batch_size, [], "--batch-size", 1 << 20)
    data = {found.name: found for found in (prepare(name, data_dir) for name in values(dataset, ["mnist-5k"]))}
    probes = probe_all(frameworks, devices)
    axes = Axes(
        frameworks,
        recipes,
        list(data),
        devices,
        sizes or ([None] if recipe else [100]),
        chosen_modes(mode),
        values(dtype, ["float32"], DTYPES, "dtype"),
        numbers(threads, [cores], "--threads", cores),
        values(pipeline, ["resident"], PIPELINES, "pipeline"),
    )
    cells = expand(axes, lambda f, d, m, p: probes[f, d].recommended(m, p))
    if dry_run:
        for cell in cells:
            out.print(" ".join(str(part) for part in vars(cell).values()), highlight=False, soft_wrap=True)
        most = "at most " if amount.looks else ""
        launches = f"{amount.rounds} rounds, {amount.seeds} seeds: {most}{len(cells) * (amount.rounds + amount.seeds)}"
        out.print(f"{len(cells)} cells, {launches} launches")
        return
    display = console.Display(err)
    sweep = Sweep(cells, probes, data, results, amount, epochs, seed, timeout, resume, display, display.proof)
    sweep.fresh_proof, sweep.time_cap_s = fresh_proof, time_cap
    for point in dict.fromkeys(peak.Point(cell.device, cell.dtype, cell.threads) for cell in cells):
        if amount.peak if with_peak is None else with_peak:
            peak.measured(point, peak.there(point.device), report=say)
            if point.device == "cpu" and "numpy" in peak.there("cpu"):
                peak.bandwidth(point.threads, report=say)
        sweep.ceilings[point] = peak.ceiling(point)
    try:
        rows = sweep.run()
    except KeyboardInterrupt:  # caught here, because typer would end with a message of its own
        err.print(f"interrupted; finished rows are in {sweep.path.name}; go on with the same command and --resume")
        raise typer.Exit(130) from None
    finally:
        display.close()
    for table in console.summary(rows):
        out.print(table)
    for stop in sweep.stops.values():
        out.print(console.stopped(stop), highlight=False)
    out.print(console.spent(sweep.wall), highlight=False)
    out.print(
        f"{len(rows)} launches: {console.tally(rows)}; rows in {sweep.path.name}", highlight=False, soft_wrap=True
    )
    raise typer.Exit(0 if all(row["status"] == "ok" for row in rows) else 1)


@app.command()
def lockstep(
    framework: Axis = None,
    model: Annotated[list[str] | None, typer.Option(help="default: all eight")] = None,
    recipe: Axis = None,
    mode: Annotated[list[str] | None, typer.Option(help="default: each adapter's recommended mode")] = None,
    dtype: Annotated[list[str] | None, typer.Option(help="default float64")] = None,
    device: Axis = None,
    pipeline: Annotated[list[str] | None, typer.Option(help="resident (default), host")] = None,
    steps: Annotated[int, typer.Option(min=1, help="steps of the float64 run")] = proofs.STEPS,
    dataset: Annotated[str, typer.Option()] = "mnist-5k",
    data_dir: Annotated[Path | None, typer.Option(help="folder with the data set's files")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    fresh_proof: Annotated[bool, typer.Option("--fresh-proof", help="prove anew what has a kept proof")] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Run the gate alone: deviation of the losses from the oracle by step. Exit code 1 when one does not pass."""
    devices = values(device, ["cpu"], DEVICES, "device")
    frameworks = chosen_frameworks(framework, devices)
    recipes = chosen_recipes(model, recipe) if model or recipe else list(MODELS)
    data = prepare(dataset, data_dir)
    probes = probe_all(frameworks, devices)
    dtypes, cores = values(dtype, ["float64"], DTYPES, "dtype"), len(physical_cpus())
    pipelines = values(pipeline, ["resident"], PIPELINES, "pipeline")
    axes = Axes(frameworks, recipes, [data.name], devices, [None], chosen_modes(mode), dtypes, [cores], pipelines)
    display = console.Display(err)
    found = []
    cells = expand(axes, lambda f, d, m, p: probes[f, d].recommended(m, p))
    for number, cell in enumerate(cells):
        probe = probes[cell.framework, cell.device]
        reason = probe.problem or probe.unsupported(cell.mode, cell.dtype, cell.pipeline)
        display.proof(number, len(cells), cell, None)
        proof = proofs.unproven(reason) if reason else proofs.proven(cell, data, seed, steps, fresh_proof)
        display.proof(number + 1, len(cells), cell, proof)
        found.append((cell, proof))
    display.close()
    if as_json:
        print(json.dumps([{**vars(cell), **vars(proof)} for cell, proof in found], indent=1))  # noqa: T201
    else:
        out.print(console.deviations(found))
    raise typer.Exit(0 if all(proof.lockstep == "pass" for _, proof in found) else 1)


@app.command("peak")
def machine_peak(
    framework: Annotated[list[str] | None, typer.Option(help="default: all; rows take only a peak of all")] = None,
    dtype: Axis = None,
    threads: Annotated[list[str] | None, typer.Option(help="default: all physical cores")] = None,
    device: Axis = None,
    sizes: Annotated[list[str] | None, typer.Option(help="N of N x N; rows take only a peak of the default's")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="measure anew what is kept")] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Measure what the machine can do at most: products of matrices in every framework, memory's bandwidth.

    Kept for later runs, whose rows then have an MFU. Exit code 1 when a framework fails.
    """
    devices, dtypes = values(device, ["cpu"], DEVICES, "device"), values(dtype, ["float32"], DTYPES, "dtype")
    frameworks, cores = chosen_frameworks(framework, devices), len(physical_cpus())
    counts = numbers(threads, [cores], "--threads", cores)
    edges = sorted(numbers(sizes, peak.SIZES, "--sizes", 1 << 14))
    points = [peak.Point(*axes) for axes in itertools.product(devices, dtypes, counts)]
    peaks = [peak.measured(point, able(frameworks, point.device), edges, fresh, say) for point in points]
    with_memory = "cpu" in devices and "numpy" in peak.there("cpu")
    bandwidths = [peak.bandwidth(count, fresh, say) for count in counts if with_memory]
    if as_json:
        about = {"machine": machine.facts(), "machine_kind": machine.fingerprint()}
        print(json.dumps({**about, "peaks": peaks, "bandwidths": bandwidths}, indent=1))  # noqa: T201
    else:
        for table in console.peaks(peaks, bandwidths):
            out.print(table)
    fine = all(part["complete"] for part in peaks) and all(part["status"] == "ok" for part in bandwidths)
    raise typer.Exit(0 if fine else 1)


def able(frameworks: Sequence[str], device: str) -> list[str]:
    """Return those of the frameworks that have an environment for this device."""
    there = peak.there(device)
    return [name for name in frameworks if name in there]


@app.command("exchange")
def exchange_weights(
    framework: Axis = None,
    model: Annotated[list[str] | None, typer.Option(help="default: mlp, lenet")] = None,
    recipe: Axis = None,
    device: Annotated[str, typer.Option()] = "cpu",
    epochs: Annotated[int, typer.Option(min=1)] = 1,
    dataset: Annotated[str, typer.Option()] = "mnist-5k",
    data_dir: Annotated[Path | None, typer.Option(help="folder with the data set's files")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    out_dir: Annotated[Path | None, typer.Option("--out", help="keep the safetensors files here")] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Train in each framework, evaluate its weights in every other. Exit code 1 when logits differ by 1e-4 or more."""
    [place] = values([device], [], DEVICES, "device")
    frameworks = chosen_frameworks(framework, [place])
    data = prepare(dataset, data_dir)
    probes = probe_all(frameworks, [place])
    cores = len(physical_cpus())
    axes = Axes(frameworks, chosen_recipes(model, recipe), [data.name], [place], [None], [None], ["float32"], [cores])
    cells = expand(axes, lambda f, d, m, p: probes[f, d].recommended(m, p))
    pairs = []
    with tempfile.TemporaryDirectory(prefix="lockstep-") as scratch:
        folder = out_dir or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for name in axes.recipes:
            mine = [cell for cell in cells if cell.recipe == name]
            inputs = Path(tempfile.mkdtemp(dir=scratch))
            pairs += exchange.exchange(mine, data, epochs, seed, folder, inputs, say)
    if as_json:
        print(json.dumps([vars(pair) for pair in pairs], indent=1))  # noqa: T201
    else:
        for table in console.exchanged(pairs):
            out.print(table)
    raise typer.Exit(0 if all(pair.deviation < exchange.LOGITS for pair in pairs) else 1)


@app.command("selfcheck")
def check_measuring(
    only: Annotated[list[str] | None, typer.Option(help=", ".join(selfcheck.NAMES))] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Put known truths into the measuring and hold what comes out to bounds. Exit code 1 when one does not hold."""
    found = []
    for check in selfcheck.run(values(only, selfcheck.NAMES, selfcheck.NAMES, "check")):
        found.append(check)
        say(f"{check.name}: {check.what}: {check.found}")
    if as_json:
        print(json.dumps([vars(check) for check in found], indent=1))  # noqa: T201
    else:
        out.print(console.checked(found))
    raise typer.Exit(0 if all(check.passed for check in found) else 1)


@app.command("micro")
def micro_benchmarks(
    framework: Axis = None,
    model: Annotated[list[str] | None, typer.Option(help="default: mlp, lenet")] = None,
    batch_size: Annotated[list[str] | None, typer.Option(help="default 100")] = None,
    mode: Annotated[list[str] | None, typer.Option(help="default: each adapter's recommended mode")] = None,
    dtype: Axis = None,
    device: Axis = None,
    threads: Annotated[list[str] | None, typer.Option(help="default: all physical cores")] = None,
    kind: Annotated[list[str] | None, typer.Option(help=f"default: {', '.join(KINDS)}")] = None,
    max_time: Annotated[float, typer.Option(min=0.01, help="seconds that each benchmark is timed")] = 1.0,
    results: Annotated[Path, typer.Option(help="folder for pytest-benchmark's JSON")] = RESULTS,
) -> None:
    """Time single calls with pytest-benchmark, one process per framework, device and number of threads.

    Proves nothing, `lockstep` does that. Exit code: 0 all ok, 1 some not, 2 usage, 74 results cannot be written.
    """
    devices = values(device, ["cpu"], DEVICES, "device")
    frameworks, cores = chosen_frameworks(framework, devices), len(physical_cpus())
    kinds = values(kind, KINDS, KINDS, "kind")
    axes: dict[str, Sequence[object]] = {
        "model": values(model, HEADLINE, list(MODELS), "model"),
        "batch-size": numbers(batch_size, [100], "--batch-size", 1 << 20),
        "mode": values(mode, ["recommended"], MODE_NAMES, "mode"),
        "dtype": values(dtype, ["float32"], DTYPES, "dtype"),
    }
    processes = itertools.product(frameworks, devices, numbers(threads, [cores], "--threads", cores))
    failed = []
    try:
        for process in processes:
            if code := Micro(*process, kinds, axes, max_time, results).run():
                failed.append(f"{process[0]} on {process[1]} ({code})")
    except KeyboardInterrupt:  # caught here, because typer would end with a message of its own
        err.print("interrupted; what finished frameworks measured is kept")
        raise typer.Exit(130) from None
    if failed:
        err.print(f"pytest did not end well: {', '.join(failed)}", style="red", highlight=False, soft_wrap=True)
    out.print("a table of what is kept: python -m report micro", highlight=False)
    raise typer.Exit(1 if failed else 0)


@app.command("list")
def list_frameworks(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Show frameworks, whether their environments exist, what they see and which modes they have."""
    answers = probe_all(list(ADAPTERS), DEVICES)
    found = []
    for (name, device), answer in answers.items():
        if name in CPU_ONLY and device == "gpu":
            continue
        reasons: dict[str, Any] = answer.facts.get("unsupported", {})
        modes = [mode for mode in MODES if reasons and reasons[f"{mode} float32 resident"] is None]
        found.append(
            {
                "framework": name,
                "device": device,
                "version": answer.version,
                "device_name": answer.facts.get("devices", {}).get(device, ""),
                "modes": modes,
                "recommended": answer.facts.get("recommended", {}).get("resident", {}),
                "problem": answer.problem,
            }
        )
    if as_json:
        out.print_json(json.dumps(found))
        return
    table = Table("framework", "device", "version", "device name", "modes", "recommended for mlp, lenet", "problem")
    for item in found:
        best = ", ".join(item["recommended"].get(name, "") for name in HEADLINE) if item["recommended"] else ""
        cells = [
            item["framework"],
            item["device"],
            item["version"],
            item["device_name"],
            ", ".join(item["modes"]),
            best,
        ]
        table.add_row(*cells, item["problem"])
    out.print(table)


@app.command("describe")
def describe_model(
    model: Annotated[str, typer.Argument(help=", ".join(MODELS))],
    batch_size: Annotated[int, typer.Option(min=1)] = 1,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Show each layer's weight shape, parameters, output shape and FLOPs, and the totals."""
    [name] = values([model], [], list(MODELS), "model")
    described = describe(RECIPES[name], batch_size)
    if as_json:
        print(json.dumps(described, indent=2))  # noqa: T201  # for programs: no wrapping, no colours
    else:
        out.print(as_table(described))


def main() -> None:
    """Run the command line."""
    console.run_app(app)


if __name__ == "__main__":
    main()
