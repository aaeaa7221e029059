"""Sets whose comparison is known: speeds (samples/s), sweeps over machines, a small synthetic sweep."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from tests.browser import synthetic

LATER = {"sweep": "20260201T000000-bbbbbb"}
STEADY = (1000.0, 1010.0, 990.0, 1005.0, 995.0, 1002.0)
SLOWER = tuple(0.9 * speed for speed in STEADY)

BASE = "20260101T000000-aaaaaa"
SMALL = {"cpu": "A processor", "physical_cores": 2, "memory_bytes": 24 << 30}
KINDS = {"small": SMALL, "one core": {**SMALL, "physical_cores": 1}, "large": {**SMALL, "cpu": "Another"}}


def of_attempt(attempt, rows, cell="0" * 16):
    """Return rows with their attempt and identity; the later an attempt, the slower was its machine's clock."""
    began = f"2026-01-01T00:00:{50 - attempt}"
    return [{**row, "cell": cell, "attempt": attempt, "started_at": began} for row in rows]


def small_sweep(
    rounds: int = 2, modes: Collection[str] = ("eager",), **only: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (kind, record) of each line of a synthetic sweep that has every section of the page and few cells.

    `only` are values of columns that the rows of its cells have: the fewer figures, the sooner a page is drawn.
    """
    for kind, record in synthetic.records(rounds, ["mlp"]):
        if kind in ("row", "proof") and record.get("status", "ok") == "ok":
            shown = record["framework"] in ("torch", "jax") and record["mode"] in modes
            if not (shown and record["batch_size"] in (8, 100) and only.items() <= {**only, **record}.items()):
                continue
        yield kind, record


def write_small(folder: Path, rounds: int = 2, modes: Collection[str] = ("eager",), **only: str) -> Path:
    """Write such a sweep into a new folder and return it."""
    folder.mkdir()
    lines = (synthetic.line(*found) for found in small_sweep(rounds, modes, **only))
    (folder / f"{synthetic.SWEEP}.jsonl").write_bytes(b"".join(lines))
    return folder
