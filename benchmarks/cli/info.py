"""`info`: which frameworks are here, what is a network made of, what is wrong, what can the machine do at most?"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from adapters.contract import DTYPES, MODES
from adapters.flops import describe
from adapters.recipes import HEADLINE, RECIPES
from adapters.registry import FRAMEWORKS, framework_of
from benchmarks import errors
from benchmarks.checks import LEVELS, Finding, doctor
from benchmarks.cli import options, tables
from benchmarks.cli.options import length, what
from benchmarks.cli.program import program
from benchmarks.cli.terminal import deliver, out, say
from benchmarks.errors import UsageError, plain
from benchmarks.launch import ceilings
from benchmarks.launch.probe import Probe, chosen_frameworks, probe_all
from benchmarks.machine import environments, hardware, lock
from benchmarks.machine.hardware import KINDS, Card, can_be_asked, cards, chosen, chosen_threads, gpu_name
from benchmarks.plan.typed import chosen_models, numbers, only, values
from benchmarks.record import difference
from benchmarks.record.store import submissions

STYLES = dict(zip(LEVELS, ("green", "cyan", "yellow", "red"), strict=True))


def check_up(results: options.Results = options.RESULTS, as_json: options.AsJson = False) -> None:
    """Say what is wrong with this machine and these results, and what to do; changes nothing, needs no network.

    With --results DIR, where DIR has a folder for each submitter of results: only whether each can be shown, with its
    machine, lock and proof. Exit code: 0 no error, 1 an error, 2 usage.
    """
    if results != options.RESULTS and not results.is_dir():
        raise UsageError(f"--results {results}: no such folder; leave it out for the checkout's own")
    found = []
    are_submissions = results != options.RESULTS and submissions(results)
    for section, findings in doctor.sections(results, "--submissions") if are_submissions else doctor.run(results):
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


def machine_peak(
    framework: Annotated[
        options.Names, what("Frameworks. Default: all; rows take only a peak of all.", "NAME,...")
    ] = None,
    dtype: options.Dtypes = None,
    sizes: Annotated[
        options.Names, what("N of products of N x N; rows take only a peak of the default's.", "N,...")
    ] = None,
    fresh: Annotated[bool, length("Measure again what is kept.", name="--fresh")] = False,
    device: options.Devices = None,
    threads: options.Threads = None,
    python: options.Pythons = None,
    wait: options.Wait = True,
    as_json: options.AsJson = False,
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
        peaks = [ceilings.measured_peak(point, _able(frameworks, point), edges, fresh, say) for point in points]
        speeds = [ceilings.measured_bandwidth(point, fresh, say) for point in memories]
    about = {"machine": hardware.facts(), "machine_kind": hardware.fingerprint()}
    deliver({**about, "peaks": peaks, "bandwidths": speeds}, tables.peaks(peaks, speeds), as_json)
    fine = all(part["complete"] for part in peaks) and all(part["status"] == "ok" for part in speeds)
    raise typer.Exit(0 if fine else 1)


def _able(frameworks: Sequence[str], point: ceilings.Point) -> list[str]:
    """Return those of the frameworks that can compute there."""
    available = ceilings.available_frameworks(point.device, point.threads)
    return [name for name in frameworks if name in available]


def list_frameworks(python: options.Pythons = None, as_json: options.AsJson = False) -> None:
    """Show frameworks, whether their environments exist, what they see and which modes they have, and the GPUs."""
    environments.override_interpreters(python or [])
    found = [
        _facts(probe)
        for (framework, device), probe in probe_all(list(FRAMEWORKS), KINDS).items()
        if device in FRAMEWORKS[framework].devices
    ]
    gpus = cards() if can_be_asked() else None
    answer = {"frameworks": found, "gpus": None if gpus is None else [vars(gpu) for gpu in gpus]}
    problems = dict.fromkeys(plain(item["problem"]) for item in found if item["problem"])
    deliver(answer, [_framework_table(found), *problems, _card_table(gpus)], as_json)


def _facts(probe: Probe) -> dict[str, Any]:
    """Return what `info list --json` says of one framework on one kind of device."""
    reasons: dict[str, Any] = probe.facts.get("unsupported", {})
    return {
        "framework": probe.framework,
        "device": probe.device,
        "version": probe.version,
        "device_name": "" if probe.problem else probe.device_name,
        "modes": [mode for mode in MODES if reasons and reasons[f"{mode} float32 preloaded"] is None],
        "recommended": probe.facts.get("recommended", {}).get("preloaded", {}),
        "problem": probe.problem,
    }


def _framework_table(found: Sequence[Mapping[str, Any]]) -> Table:
    """Return a line for each that answers; what is wrong with the others stands under the table."""
    table = tables.titled("", "framework", "device", "version", "modes", "for mlp, lenet", "device name")
    for item in found:
        if not item["problem"]:
            best = ", ".join(item["recommended"].get(name, "") for name in HEADLINE)
            version, device_name = (escape(plain(item[name])) for name in ("version", "device_name"))
            modes = ", ".join(item["modes"])
            table.add_row(item["framework"], item["device"], version, modes, best, device_name)
    return table


def _card_table(gpus: Sequence[Card] | None) -> Table | str:
    """Return the GPUs as a table: what to type, and what each is; or why there is none."""
    if gpus is None:
        return "GPUs unknown: this Python has no nvidia-ml-py; rows it measures have no telemetry of a card"
    if not gpus:
        return "no GPU: NVIDIA's driver shows none here"
    table = tables.titled("", "--device", "GPU", "memory GiB", "driver", "compute capability")
    for place, gpu in enumerate(gpus):
        table.add_row(gpu_name(place), gpu.name, f"{gpu.memory_bytes / 2**30:.1f}", gpu.driver, gpu.capability)
    return table


def differences_of(
    one: Annotated[str, typer.Argument(metavar="A", help="A results file or folder, or a framework or arm.")],
    other: Annotated[str, typer.Argument(metavar="B", help="The like.")],
    results: options.Results = options.RESULTS,
    as_json: options.AsJson = False,
) -> None:
    """Show in what two runs differ: packages, libraries, kernels, settings, machine, code.

    Of folders the newest run counts. Two frameworks, or arms such as jax@0.7.2, are those of the newest run in
    --results. Exit code: 0 no difference, 1 a difference, 2 usage.
    """
    by_name = [framework_of(name) in FRAMEWORKS and not Path(name).exists() for name in (one, other)]
    if any(by_name) and not all(by_name):
        raise UsageError(f"{one} and {other}: expected two results, or two frameworks of the newest run in --results")
    if all(by_name):
        first, second = difference.environments_of(difference.newest_run(results), (one, other))
    else:
        first, second = (difference.newest_run(Path(place)) for place in (one, other))
    found = difference.differences(first, second)
    table = tables.titled("", "what", plain(one), plain(other))
    for line in found:
        table.add_row(*(escape(plain(text)) for text in line))
    answer = [{"what": what, "a": was, "b": became} for what, was, became in found]
    deliver(answer, [table if found else "no difference"], as_json)
    raise typer.Exit(1 if found else 0)


def describe_model(
    model: Annotated[str, typer.Argument(help=f"{options.NETWORKS}.")],
    batch_size: Annotated[int, what("Images in a batch.", "N", min=1)] = 1,
    as_json: options.AsJson = False,
) -> None:
    """Show each layer's weight shape, parameters, output shape and FLOPs, and the totals."""
    name = only(chosen_models([model]), "describe")
    described = describe(RECIPES[name], batch_size)
    deliver(described, [tables.as_table(described, out.width)], as_json)


COMMANDS = {
    "list": list_frameworks,
    "describe": describe_model,
    "diff": differences_of,
    "check": check_up,
    "peak": machine_peak,
}
info_commands = program(
    COMMANDS, "What is here: frameworks and cards, networks, what is wrong, how two runs differ, the machine's peak."
)
