"""`micro`: single calls, timed by pytest-benchmark in each framework's environment."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from adapters.contract import DTYPES
from adapters.recipes import HEADLINE, MODELS
from benchmarks import turn
from benchmarks.commands.terminal import Axis, Wait, err, out, say
from benchmarks.devices import chosen
from benchmarks.machine import physical_cpus
from benchmarks.micro.launcher import KINDS, RESULTS, Micro
from benchmarks.options import MODE_NAMES, chosen_frameworks, numbers, values


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
    wait: Wait = True,
) -> None:
    """Time single calls with pytest-benchmark, one process per framework, device and number of threads.

    Proves nothing, `lockstep` does that. Exit code: 0 all ok, 1 some not, 2 usage, 74 results cannot be written,
    75 another process measures (with --no-wait), 130, 143, 129 interrupted by Ctrl-C, SIGTERM, SIGHUP.
    """
    devices = chosen(device)
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
    with turn.taken(f"single calls in {', '.join(frameworks)}", wait, say):
        for process in processes:
            if code := Micro(*process, kinds, axes, max_time, results).run():
                failed.append(f"{process[0]} on {process[1]} ({code})")
    if failed:
        err.print(f"pytest did not end well: {', '.join(failed)}", style="red", highlight=False, soft_wrap=True)
    out.print("a table of what is kept: python -m report micro", highlight=False)
    raise typer.Exit(1 if failed else 0)
