"""`peak`: what the machine can do at most."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Annotated

import typer

from adapters.contract import DTYPES
from benchmarks.cli import tables
from benchmarks.cli.terminal import Axis, Pythons, Wait, deliver, say
from benchmarks.launch import ceilings
from benchmarks.launch.probe import chosen_frameworks
from benchmarks.machine import environments, hardware, lock
from benchmarks.machine.hardware import chosen, physical_cpus
from benchmarks.plan.typed import numbers, values


def machine_peak(
    framework: Annotated[list[str] | None, typer.Option(help="default: all; rows take only a peak of all")] = None,
    dtype: Axis = None,
    threads: Annotated[list[str] | None, typer.Option(help="default: all physical cores")] = None,
    device: Axis = None,
    sizes: Annotated[list[str] | None, typer.Option(help="N of N x N; rows take only a peak of the default's")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="measure again what is kept")] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
    python: Pythons = None,
    wait: Wait = True,
) -> None:
    """Measure what the machine can do at most: products of matrices in every framework, memory's bandwidth.

    Kept for later runs, whose rows then have an MFU. Exit code 1 when a framework fails, 75 when another process
    measures (with --no-wait).
    """
    environments.override_interpreters(python or [])
    devices, dtypes = chosen(device), values(dtype, ["float32"], DTYPES, "dtype")
    frameworks, cores = chosen_frameworks(framework, devices), len(physical_cpus())
    counts = numbers(threads, [cores], "--threads", cores)
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
