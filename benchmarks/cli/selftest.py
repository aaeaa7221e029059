"""`selftest`: is the measuring right here, and what can a device do? Known truths, or every question in one go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.checks import gpu_lane, selfcheck
from benchmarks.cli import options, tables
from benchmarks.cli.options import what
from benchmarks.cli.terminal import deliver, out, say
from benchmarks.errors import UsageError
from benchmarks.machine import environments, lock
from benchmarks.plan.typed import values

asked = options.group("With --device")


def self_test(
    only: Annotated[
        options.Names, what(f"Checks of the measuring: {', '.join(selfcheck.NAMES)}. Default: all.", "NAME,...")
    ] = None,
    device: Annotated[str | None, what("Instead, ask this kind of device everything: cpu, gpu, gpu:1.", "NAME")] = None,
    out_dir: Annotated[
        Path | None, asked("Folder to make, for rows, outputs and the page.", "DIR", name="--out")
    ] = None,
    seconds: Annotated[float, asked("All of it never takes longer.", "SECONDS", min=1)] = gpu_lane.SECONDS,
    data_dir: Annotated[Path | None, asked("Folder with MNIST's files. Default: mnist-5k.", "DIR")] = None,
    python: Annotated[
        options.Names,
        asked("An interpreter; frameworks without one are left out. Default: numpy alone.", "FRAMEWORK=PATH"),
    ] = None,
    small: Annotated[bool, typer.Option("--small", hidden=True)] = False,
    wait: options.Wait = True,
    as_json: options.AsJson = False,
) -> None:
    """Put known truths into the measuring, and hold what comes out to bounds.

    With --device, ask a machine everything in one go instead: its devices, the gate, the peak, sweeps and the page.

    Exit code: 0 all as it should be, 1 a bound does not hold, or with --device a part was ended early or could not run
    at all (a mode that is unsupported or a gate that fails is in that part's own output), 2 usage, 75 another process
    measures (with --no-wait).
    """
    if device is not None:
        _ask_everything(device, out_dir, python or [], data_dir, seconds, small)
    if out_dir is not None:
        raise UsageError("--out is for --device; give both, or none")
    names, found = values(only, selfcheck.NAMES, selfcheck.NAMES, "check"), []
    with lock.machine_lock("its own measuring", wait, say):
        for check in selfcheck.run(names):
            found.append(check)
            say(f"{check.name}: {check.what}: {check.found}")
    deliver([vars(check) for check in found], [tables.checked(found)], as_json)
    raise typer.Exit(0 if all(check.passed for check in found) else 1)


def _ask_everything(
    device: str, folder: Path | None, pythons: list[str], data_dir: Path | None, seconds: float, small: bool
) -> None:
    """Run all parts, print a line of JSON for each, and end with the exit code."""
    if folder is None:
        raise UsageError(f"--device {device} leaves rows, outputs and a page: give --out DIR, a folder to make")
    environments.override_interpreters(pythons)
    lane = gpu_lane.Lane(folder.absolute(), device, pythons, data_dir and data_dir.absolute(), seconds, small)
    ended = []
    for part in gpu_lane.run(lane, gpu_lane.parts(lane)):
        out.print(json.dumps(part), markup=False, highlight=False, soft_wrap=True)
        ended.append(part["exit_code"])
    raise typer.Exit(0 if all(code in (0, 1) for code in ended) else 1)
