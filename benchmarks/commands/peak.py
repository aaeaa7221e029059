"""`peak`: what the machine can do at most."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Annotated

import typer

from adapters.contract import DTYPES
from benchmarks import bandwidths, environments, machine, peak, tables, turn
from benchmarks.commands.terminal import Axis, Pythons, Wait, out, say
from benchmarks.devices import chosen
from benchmarks.machine import physical_cpus
from benchmarks.options import chosen_frameworks, numbers, values


def machine_peak(
    framework: Annotated[list[str] | None, typer.Option(help="default: all; rows take only a peak of all")] = None,
    dtype: Axis = None,
    threads: Annotated[list[str] | None, typer.Option(help="default: all physical cores")] = None,
    device: Axis = None,
    sizes: Annotated[list[str] | None, typer.Option(help="N of N x N; rows take only a peak of the default's")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="measure anew what is kept")] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
    python: Pythons = None,
    wait: Wait = True,
) -> None:
    """Measure what the machine can do at most: products of matrices in every framework, memory's bandwidth.

    Kept for later runs, whose rows then have an MFU. Exit code 1 when a framework fails, 75 when another process
    measures (with --no-wait).
    """
    environments.give(python or [])
    devices, dtypes = chosen(device), values(dtype, ["float32"], DTYPES, "dtype")
    frameworks, cores = chosen_frameworks(framework, devices), len(physical_cpus())
    counts = numbers(threads, [cores], "--threads", cores)
    edges = sorted(numbers(sizes, peak.SIZES, "--sizes", 1 << 14))
    points = [peak.Point(*axes) for axes in itertools.product(devices, dtypes, counts)]
    memories = [point for point in points if point.dtype == dtypes[0] and bandwidths.can_be_measured(point.device)]
    with turn.taken(f"the machine's peak in {', '.join(frameworks)}", wait, say):
        peaks = [peak.measured(point, able(frameworks, point.device), edges, fresh, say) for point in points]
        speeds = [bandwidths.measured(point, fresh, say) for point in memories]
    if as_json:
        about = {"machine": machine.facts(), "machine_kind": machine.fingerprint()}
        print(json.dumps({**about, "peaks": peaks, "bandwidths": speeds}, indent=1))  # noqa: T201
    else:
        for table in tables.peaks(peaks, speeds):
            out.print(table)
    fine = all(part["complete"] for part in peaks) and all(part["status"] == "ok" for part in speeds)
    raise typer.Exit(0 if fine else 1)


def able(frameworks: Sequence[str], device: str) -> list[str]:
    """Return those of the frameworks that have an environment for this device."""
    there = peak.there(device)
    return [name for name in frameworks if name in there]
