"""`list`, `describe`, `check`, `selfcheck`, `lockstep`, `peak`, `lane`: what is here, and is it measured right?"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from adapters.contract import DTYPES, INPUTS, MODES
from adapters.flops import describe
from adapters.recipes import HEADLINE, MODELS, RECIPES
from adapters.registry import ADAPTERS, CPU_ONLY
from benchmarks import errors
from benchmarks.checks import LEVELS, Finding, doctor, gpu_lane, selfcheck
from benchmarks.cli import tables
from benchmarks.cli.display import Display
from benchmarks.cli.terminal import AsJson, Axis, DataDir, Pythons, Wait, deliver, err, out, prepared, say
from benchmarks.errors import UsageError, plain
from benchmarks.launch import ceilings
from benchmarks.launch.probe import Probe, chosen_frameworks, probe_all
from benchmarks.launch.proof import STEPS, Gate, Proof, Wanted, unproven
from benchmarks.machine import environments, hardware, lock
from benchmarks.machine.hardware import KINDS, Card, can_be_asked, cards, chosen, chosen_threads, gpu_name, most_threads
from benchmarks.plan.cells import Axes, Cell, expand
from benchmarks.plan.data.prepared import Prepared
from benchmarks.plan.typed import chosen_modes, chosen_recipes, numbers, values

STYLES = dict(zip(LEVELS, ("green", "cyan", "yellow", "red"), strict=True))
RESULTS = environments.ROOT / "results"


def check_up(
    results: Annotated[Path, typer.Option(help="folder that holds the rows")] = RESULTS, as_json: AsJson = False
) -> None:
    """Say what is wrong with this machine and these results, and what to do; changes nothing, needs no network.

    Exit code: 0 no error, 1 an error, 2 usage.
    """
    if results != RESULTS and not results.is_dir():
        raise UsageError(f"--results {results}: no such folder; leave it out for the checkout's own")
    found = []
    for section, findings in doctor.run(results):
        found += [{"section": section, **asdict(finding)} for finding in findings]
        if not as_json:
            _show(section, findings)
    counts = {level: sum(item["level"] == level for item in found) for level in LEVELS}
    deliver(found, [Text(", ".join(f"{count} {level}" for level, count in counts.items()))], as_json)
    raise typer.Exit(1 if any(item["level"] == "error" for item in found) else 0)


def _show(section: str, findings: list[Finding]) -> None:
    """Print a section: a line a finding, below it what to do next."""
    out.print(f"[bold]{section}[/bold]", highlight=False)
    for finding in findings:
        level = f"[{STYLES[finding.level]}]{finding.level:8}[/]"
        words = escape(errors.plain(f"{finding.what}: {finding.found}"))
        out.print(f"  {level}{words}", highlight=False, soft_wrap=True)
        if finding.advice:
            out.print(f"          → {escape(errors.plain(finding.advice))}", highlight=False, soft_wrap=True)


def check_measuring(
    only: Annotated[list[str] | None, typer.Option(help=", ".join(selfcheck.NAMES))] = None,
    as_json: AsJson = False,
    wait: Wait = True,
) -> None:
    """Put known truths into the measuring and hold what comes out to bounds.

    Exit code 1 when one does not hold, 75 when another process measures (with --no-wait).
    """
    names, found = values(only, selfcheck.NAMES, selfcheck.NAMES, "check"), []
    with lock.machine_lock("its own measuring", wait, say):
        for check in selfcheck.run(names):
            found.append(check)
            say(f"{check.name}: {check.what}: {check.found}")
    deliver([vars(check) for check in found], [tables.checked(found)], as_json)
    raise typer.Exit(0 if all(check.passed for check in found) else 1)


def lockstep(
    framework: Axis = None,
    model: Annotated[list[str] | None, typer.Option(help=f"default: all {len(MODELS)}")] = None,
    recipe: Axis = None,
    mode: Annotated[list[str] | None, typer.Option(help="default: each adapter's recommended mode")] = None,
    dtype: Annotated[list[str] | None, typer.Option(help="default float64")] = None,
    device: Axis = None,
    input: Annotated[list[str] | None, typer.Option(help="preloaded (default), host")] = None,
    steps: Annotated[int, typer.Option(min=1, max=1_000_000, help="steps of the float64 run")] = STEPS,
    dataset: Annotated[str, typer.Option()] = "mnist-5k",
    data_dir: DataDir = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    fresh_proof: Annotated[bool, typer.Option("--fresh-proof", help="prove again what has a kept proof")] = False,
    as_json: AsJson = False,
    python: Pythons = None,
    wait: Wait = True,
) -> None:
    """Run the gate alone: deviation from the reference network by step. Exit code 1 when one does not pass."""
    environments.override_interpreters(python or [])
    devices = chosen(device)
    frameworks = chosen_frameworks(framework, devices)
    recipes = chosen_recipes(model, recipe) if model or recipe else list(MODELS)
    data = prepared(dataset, data_dir)
    dtypes, cores = values(dtype, ["float64"], DTYPES, "dtype"), most_threads()
    inputs = values(input, ["preloaded"], INPUTS, "input")
    axes = Axes(frameworks, recipes, [data.name], devices, [None], chosen_modes(mode), dtypes, [cores], inputs)
    with lock.machine_lock(f"the lockstep gate, {', '.join(recipes)} in {', '.join(frameworks)}", wait, say):
        found = _proven(axes, data, seed, steps, fresh_proof)
    deliver([{**vars(cell), **vars(proof)} for cell, proof in found], [tables.deviations(found)], as_json)
    raise typer.Exit(0 if all(proof.lockstep == "pass" for _, proof in found) else 1)


def _proven(axes: Axes, data: Prepared, seed: int, steps: int, fresh: bool) -> list[tuple[Cell, Proof]]:
    """Return every cell with its proof; show the progress."""
    probes = probe_all(axes.frameworks, axes.devices)
    cells = expand(axes, probes)
    display = Display(err)
    found, wanted = {}, []
    for cell in cells:
        probe = probes[cell.framework, cell.device]
        if reason := probe.problem or probe.unsupported(cell.mode, cell.dtype, cell.input):
            found[cell] = unproven(reason)
        else:
            wanted.append(Wanted(cell, data, probe.kernels))
    display.step(0, len(wanted), "proving")
    for number, (one, proof) in enumerate(Gate(seed, steps, fresh).proofs(wanted), 1):
        display.proof(number, len(wanted), one.cell, proof)
        found[one.cell] = proof
    display.close()
    return [(cell, found[cell]) for cell in cells]


def machine_peak(
    framework: Annotated[list[str] | None, typer.Option(help="default: all; rows take only a peak of all")] = None,
    dtype: Axis = None,
    threads: Annotated[list[str] | None, typer.Option(help="default: all physical cores, up to the CPU quota")] = None,
    device: Axis = None,
    sizes: Annotated[list[str] | None, typer.Option(help="N of N x N; rows take only a peak of the default's")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="measure again what is kept")] = False,
    as_json: AsJson = False,
    python: Pythons = None,
    wait: Wait = True,
) -> None:
    """Measure what the machine can do at most: products of matrices in every framework, memory's bandwidth.

    Kept for later runs, whose rows then have an MFU. Exit code 1 when a framework fails, 75 when another process
    measures (with --no-wait).
    """
    environments.override_interpreters(python or [])
    devices, dtypes = chosen(device), values(dtype, ["float32"], DTYPES, "dtype")
    frameworks, counts = chosen_frameworks(framework, devices), chosen_threads(threads)
    edges = sorted(numbers(sizes, ceilings.SIZES, "--sizes", 1 << 14))
    points = [ceilings.Point(*axes) for axes in itertools.product(devices, dtypes, counts)]
    memories = [point for point in points if point.dtype == dtypes[0] and ceilings.can_be_measured(point.device)]
    with lock.machine_lock(f"the machine's peak in {', '.join(frameworks)}", wait, say):
        peaks = [ceilings.measured_peak(point, _able(frameworks, point.device), edges, fresh, say) for point in points]
        speeds = [ceilings.measured_bandwidth(point, fresh, say) for point in memories]
    about = {"machine": hardware.facts(), "machine_kind": hardware.fingerprint()}
    deliver({**about, "peaks": peaks, "bandwidths": speeds}, tables.peaks(peaks, speeds), as_json)
    fine = all(part["complete"] for part in peaks) and all(part["status"] == "ok" for part in speeds)
    raise typer.Exit(0 if fine else 1)


def _able(frameworks: Sequence[str], device: str) -> list[str]:
    """Return those of the frameworks that have an environment for this device."""
    available = ceilings.available_frameworks(device)
    return [name for name in frameworks if name in available]


def ask_everything(
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="folder for rows, outputs and the page")],
    device: Annotated[str, typer.Option()] = "gpu",
    python: Pythons = None,
    data_dir: Annotated[Path | None, typer.Option(help="folder with MNIST's files; default: mnist-5k")] = None,
    seconds: Annotated[float, typer.Option(min=1, help="all of it never takes longer")] = gpu_lane.SECONDS,
    small: Annotated[bool, typer.Option("--small", hidden=True)] = False,
) -> None:
    """Ask a machine everything in one go: devices, gate, peak, sweeps and the page, into one folder.

    Frameworks are those of --python, else numpy. Exit code 1 when a part was ended early or could not run at all; a
    mode that is unsupported or a gate that fails is in the part's own output.
    """
    environments.override_interpreters(python or [])
    lane = gpu_lane.Lane(folder.absolute(), device, python or [], data_dir and data_dir.absolute(), seconds, small)
    ended = []
    for part in gpu_lane.run(lane, gpu_lane.parts(lane)):
        out.print(json.dumps(part), markup=False, highlight=False, soft_wrap=True)
        ended.append(part["exit_code"])
    raise typer.Exit(0 if all(code in (0, 1) for code in ended) else 1)


def list_frameworks(python: Pythons = None, as_json: AsJson = False) -> None:
    """Show frameworks, whether their environments exist, what they see and which modes they have, and the GPUs."""
    environments.override_interpreters(python or [])
    found = [
        _facts(probe)
        for (framework, device), probe in probe_all(list(ADAPTERS), KINDS).items()
        if not (device == "gpu" and framework in CPU_ONLY)
    ]
    gpus = cards() if can_be_asked() else None
    answer = {"frameworks": found, "gpus": None if gpus is None else [vars(gpu) for gpu in gpus]}
    deliver(answer, [_framework_table(found), _card_table(gpus)], as_json)


def _facts(probe: Probe) -> dict[str, Any]:
    """Return what `list --json` says of one framework on one kind of device."""
    reasons: dict[str, Any] = probe.facts.get("unsupported", {})
    return {
        "framework": probe.framework,
        "device": probe.device,
        "version": probe.version,
        "device_name": probe.facts.get("devices", {}).get(probe.device, ""),
        "modes": [mode for mode in MODES if reasons and reasons[f"{mode} float32 preloaded"] is None],
        "recommended": probe.facts.get("recommended", {}).get("preloaded", {}),
        "problem": probe.problem,
    }


def _framework_table(found: Sequence[Mapping[str, Any]]) -> Table:
    table = Table("framework", "device", "version", "device name", "modes", "recommended for mlp, lenet", "problem")
    for item in found:
        best = ", ".join(item["recommended"].get(name, "") for name in HEADLINE) if item["recommended"] else ""
        version, device_name, problem = (escape(plain(item[name])) for name in ("version", "device_name", "problem"))
        modes = ", ".join(item["modes"])
        table.add_row(item["framework"], item["device"], version, device_name, modes, best, problem)
    return table


def _card_table(gpus: Sequence[Card] | None) -> Table | str:
    """Return the GPUs as a table: what to type, and what each is; or why there is none."""
    if gpus is None:
        return "GPUs unknown: this Python has no nvidia-ml-py; rows it measures have no telemetry of a card"
    if not gpus:
        return "no GPU: NVIDIA's driver shows none here"
    table = Table("--device", "GPU", "memory GiB", "driver", "compute capability")
    for place, gpu in enumerate(gpus):
        table.add_row(gpu_name(place), gpu.name, f"{gpu.memory_bytes / 2**30:.1f}", gpu.driver, gpu.capability)
    return table


def describe_model(
    model: Annotated[str, typer.Argument(help=", ".join(MODELS))],
    batch_size: Annotated[int, typer.Option(min=1)] = 1,
    as_json: AsJson = False,
) -> None:
    """Show each layer's weight shape, parameters, output shape and FLOPs, and the totals."""
    [name] = values([model], [], list(MODELS), "model")
    described = describe(RECIPES[name], batch_size)
    deliver(described, [tables.as_table(described)], as_json)
