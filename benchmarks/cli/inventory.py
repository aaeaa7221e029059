"""`list` and `describe`: the frameworks, cards and networks that can be measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from adapters.contract import MODES
from adapters.flops import describe
from adapters.recipes import HEADLINE, MODELS, RECIPES
from adapters.registry import ADAPTERS, CPU_ONLY
from benchmarks.cli.tables import as_table
from benchmarks.cli.terminal import Pythons, out
from benchmarks.errors import plain
from benchmarks.launch.probe import probe_all
from benchmarks.machine import environments
from benchmarks.machine.hardware import KINDS, Card, can_be_asked, cards, gpu_name
from benchmarks.plan.typed import values


def list_frameworks(python: Pythons = None, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Show frameworks, whether their environments exist, what they see and which modes they have, and the GPUs."""
    environments.override_interpreters(python or [])
    answers = probe_all(list(ADAPTERS), KINDS)
    found = []
    for (name, device), answer in answers.items():
        if name in CPU_ONLY and device == "gpu":
            continue
        reasons: dict[str, Any] = answer.facts.get("unsupported", {})
        modes = [mode for mode in MODES if reasons and reasons[f"{mode} float32 preloaded"] is None]
        found.append(
            {
                "framework": name,
                "device": device,
                "version": answer.version,
                "device_name": answer.facts.get("devices", {}).get(device, ""),
                "modes": modes,
                "recommended": answer.facts.get("recommended", {}).get("preloaded", {}),
                "problem": answer.problem,
            }
        )
    gpus = cards() if can_be_asked() else None
    if as_json:
        known = None if gpus is None else [vars(gpu) for gpu in gpus]
        out.print_json(json.dumps({"frameworks": found, "gpus": known}))
        return
    table = Table("framework", "device", "version", "device name", "modes", "recommended for mlp, lenet", "problem")
    for item in found:
        best = ", ".join(item["recommended"].get(name, "") for name in HEADLINE) if item["recommended"] else ""
        cells = [
            item["framework"],
            item["device"],
            escape(plain(item["version"])),
            escape(plain(item["device_name"])),
            ", ".join(item["modes"]),
            best,
        ]
        table.add_row(*cells, escape(plain(item["problem"])))
    out.print(table)
    if gpus is None:
        out.print("GPUs unknown: this Python has no nvidia-ml-py; rows it measures have no telemetry of a card")
    else:
        out.print(_card_table(gpus) if gpus else "no GPU: NVIDIA's driver shows none here")


def _card_table(gpus: Sequence[Card]) -> Table:
    """Return the GPUs as a table: what to type, and what each is."""
    table = Table("--device", "GPU", "memory GiB", "driver", "compute capability")
    for place, gpu in enumerate(gpus):
        table.add_row(gpu_name(place), gpu.name, f"{gpu.memory_bytes / 2**30:.1f}", gpu.driver, gpu.capability)
    return table


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
