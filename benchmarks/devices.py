"""Devices as people ask for them: cpu, gpu (the first card), gpu:N, or all there are.

A worker sees only the card that it is to use, as its first: adapters know `cpu` and `gpu` and no numbers.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.cards import Card, can_be_asked, cards
from benchmarks.errors import UsageError
from benchmarks.packages import require

KINDS = ("cpu", "gpu")
NAMES = re.compile(r"cpu|gpu(:(?P<index>\d{1,3}))?")


def kind(device: str) -> str:
    """Return `cpu` or `gpu`: what an adapter, an environment's name and a table's heading go by."""
    return device.partition(":")[0]


def place(device: str) -> int | None:
    """Return which of the cards it is, from 0, or None for the processor."""
    return None if kind(device) == "cpu" else int(device.partition(":")[2] or 0)


def card(device: str) -> Card | None:
    """Return the card that a device is; None for the processor, and where no driver tells."""
    index = place(device)
    found = [] if index is None else cards()
    return found[index] if index is not None and index < len(found) else None


def chosen(given: Sequence[str] | None) -> list[str]:
    """Return the devices asked for, `cpu` by default and each once; UsageError for what is not there."""
    asked = split(given, "device") or ["cpu"]
    named: list[str] = []
    if "all" in asked:
        require("--device all", "pynvml", instead="name the devices, such as --device cpu,gpu")
    for device in asked:
        named += ["cpu", *(at(index) for index in range(len(cards())))] if device == "all" else [device]
    for device in named:
        check(device)
    return list(dict.fromkeys("gpu" if device == "gpu:0" else device for device in named))


def named(given: Sequence[str] | None) -> list[str]:
    """Return the devices asked for of machines that are not known yet; UsageError for what is no device."""
    asked = list(dict.fromkeys("gpu" if name == "gpu:0" else name for name in split(given, "device") or ["cpu"]))
    for name in asked:
        if name != "all" and NAMES.fullmatch(name) is None:
            raise UsageError(f"unknown device {name!r}; known: cpu, gpu, gpu:N, all")
    return asked


def split(given: Sequence[str] | None, what: str) -> list[str]:
    """Return what was typed for an option, split at commas; UsageError where it was given and is empty."""
    found = [part.strip() for item in given or [] for part in item.split(",") if part.strip()]
    if given and not found:
        raise UsageError(f"an empty {what or 'value'} was given (an unset variable?): name one, or leave it out")
    return found


def at(index: int) -> str:
    """Return the name of the card at this place: the first is `gpu`."""
    return f"gpu:{index}" if index else "gpu"


def check(device: str) -> None:
    """Raise UsageError for what is no device, or no card of this machine."""
    match = NAMES.fullmatch(device)
    if match is None:
        raise UsageError(f"unknown device {device!r}; known: cpu, gpu, gpu:N, all")
    if kind(device) == "cpu" or not can_be_asked():
        return  # without them nobody knows yet: each framework's probe will say what it sees
    found = cards()
    if not found:
        raise UsageError(f"--device {device}: NVIDIA's driver shows no GPU here; use --device cpu")
    if (place(device) or 0) >= len(found):
        there = ", ".join(f"{at(index)} ({card.name})" for index, card in enumerate(found))
        raise UsageError(f"--device {device}: no such card; there are {there}")


def variables(device: str) -> dict[str, str]:
    """Return what lets a worker see its card and no other; nothing for the processor.

    The order of the bus is the driver's own and NVML's; CUDA's default is fastest first. Where NVML cannot be asked the
    card goes by its number, or by its place among those granted: without, gpu:1 would be measured on the first.
    """
    index = place(device)
    if index is None:
        return {}
    if can_be_asked():
        mine = card(device)
        name = mine.uuid if mine else None
    else:
        granted = os.environ.get("CUDA_VISIBLE_DEVICES")
        name = str(index) if granted is None else "".join(granted.split(",")[index : index + 1])
    return {} if name is None else {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": name}


def addressed(request: Mapping[str, Any], device: str) -> dict[str, Any]:
    """Return a request as its worker is to read it: its one card is `gpu`."""
    asked = {**request}
    if "device" in asked:
        asked["device"] = kind(device)
    if "cell" in asked:
        asked["cell"] = {**asked["cell"], "device": kind(device)}
    return asked
