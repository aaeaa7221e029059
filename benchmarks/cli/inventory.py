"""`list` and `describe`: the frameworks, cards and networks that can be measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from adapters.contract import MODES
from adapters.flops import describe
from adapters.recipes import HEADLINE, MODELS, RECIPES
from adapters.registry import ADAPTERS, CPU_ONLY
from benchmarks.cli.tables import as_table
from benchmarks.cli.terminal import AsJson, Pythons, deliver
from benchmarks.errors import plain
from benchmarks.launch.probe import Probe, probe_all
from benchmarks.machine import environments
from benchmarks.machine.hardware import KINDS, Card, can_be_asked, cards, gpu_name
from benchmarks.plan.typed import values


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
    deliver(described, [as_table(described)], as_json)
