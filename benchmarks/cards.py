"""The GPUs of this machine as NVIDIA's driver knows them, whatever the frameworks see."""

from __future__ import annotations

import os
from dataclasses import dataclass
from types import ModuleType

from benchmarks.packages import has


@dataclass(frozen=True)
class Card:
    """One GPU: `index` as the driver counts, `driver` its version, `capability` CUDA's, for example 9.0."""

    index: int
    name: str
    memory_bytes: int
    driver: str
    capability: str
    uuid: str


def nvml() -> ModuleType | None:
    """Return NVML's bindings, ready to be asked, or None where there is no driver or no binding."""
    if not can_be_asked():
        return None
    import pynvml  # noqa: PLC0415 - see packages.py

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    found: ModuleType = pynvml
    return found


def can_be_asked() -> bool:
    """Return whether this Python has NVML's bindings; without them nobody knows which cards there are."""
    return has("pynvml")


def cards() -> list[Card]:
    """Return the GPUs that this process may use, in the driver's order; none where there is no driver.

    gpu:N is the one at place N: CUDA_VISIBLE_DEVICES, by which a queue grants cards, hides the others.
    """
    library = nvml()
    if library is None:
        return []
    driver = text(library.nvmlSystemGetDriverVersion())
    found = [card(library, index, driver) for index in range(library.nvmlDeviceGetCount())]
    granted = os.environ.get("CUDA_VISIBLE_DEVICES")
    return found if granted is None else visible(found, granted)


def card(library: ModuleType, index: int, driver: str) -> Card:
    """Return what the driver says of one GPU."""
    handle = library.nvmlDeviceGetHandleByIndex(index)
    capability = "{}.{}".format(*library.nvmlDeviceGetCudaComputeCapability(handle))
    name, uuid = text(library.nvmlDeviceGetName(handle)), text(library.nvmlDeviceGetUUID(handle))
    return Card(index, name, library.nvmlDeviceGetMemoryInfo(handle).total, driver, capability, uuid)


def visible(found: list[Card], granted: str) -> list[Card]:
    """Return the cards that CUDA_VISIBLE_DEVICES names, by number or by the beginning of a UUID, in its order.

    As CUDA does, stop at the first that does not exist: an invalid number hides all that follow it.
    """
    kept: list[Card] = []
    for name in filter(None, granted.split(",")):
        named = [c for c in found if str(c.index) == name.strip() or begins(c.uuid, name.strip())]
        if len(named) != 1:
            break
        kept += named
    return kept


def begins(uuid: str, name: str) -> bool:
    """Return whether a name is the beginning of a UUID, and more than what all of them begin with."""
    return name.startswith("GPU-") and len(name) > 4 and uuid.startswith(name)


def text(said: str | bytes) -> str:
    """Return text; older bindings answer in bytes."""
    return said.decode() if isinstance(said, bytes) else said
