"""Who else is on the cards: asked of nvidia-smi before a launch on a GPU, while no worker of ours lives.

A process in another container is not listed, but its load is seen. Neighbours are never ended; the row is `disturbed`.
"""

from __future__ import annotations

import subprocess
from typing import Any

BUSY_PERCENT = 5  # as for CPUs: evidence.FOREIGN
TIMEOUT_S = 10.0


def present(device: str) -> bool:
    """Return whether a card has another process on it, or is busy; False on the CPU and where nobody can tell."""
    if device != "gpu":
        return False
    processes, loads = ask("--query-compute-apps=pid"), ask("--query-gpu=utilization.gpu")
    return bool(processes) or any(load.isdecimal() and int(load) > BUSY_PERCENT for load in loads)


def ask(query: str) -> list[str]:
    """Return the lines that nvidia-smi answers; none where there is no such program or it fails."""
    command = ["nvidia-smi", query, "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.split() if done.returncode == 0 else []


def mark(row: dict[str, Any], beside: bool) -> dict[str, Any]:
    """Return the row, with the flag `disturbed` where there was somebody beside the launch."""
    flags = list(row.get("flags") or [])
    return {**row, "flags": [*flags, "disturbed"]} if beside and "disturbed" not in flags else row
