"""How many rounds a wanted difference needs, and how long they take, from what earlier sweeps say of this machine.

Noise differs by a factor of ten between machines, so it is taken from rows: those of the results folder, of the very
comparisons that are asked for where it has them, else from those that come with the checkout (results/reference).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.errors import UsageError, count
from benchmarks.machine.environments import ROOT
from benchmarks.plan.cells import APART, SHARED, Cell
from benchmarks.record import store
from benchmarks.stats import FEWEST_ROUNDS, POWER, pair_noise, rounds_needed

REFERENCE = ROOT / "results" / "reference"
Comparison = tuple[object, ...]


@dataclass(frozen=True)
class Experience:
    """What rows say: the noise of a round's log ratio, of how many pairs, and the seconds of a launch."""

    noise: float
    pairs: int
    launch_s: float
    source: str


def experience(results: Path, cells: Iterable[Cell]) -> Experience:
    """Return what the nearest rows say: of these comparisons, of others here, of the reference."""
    wanted = {cell.comparison() for cell in cells}
    for folder, only, source in (
        (results, wanted, f"earlier rounds of these comparisons in {results.name}"),
        (results, None, f"other rounds in {results.name}"),
        (REFERENCE, None, "the rounds in results/reference, of another machine"),
    ):
        if found := _read(folder, only):
            noise, pairs, launch_s = found
            return Experience(noise, pairs, launch_s, source)
    raise UsageError(f"--detect needs rows that tell the noise: make some with --rounds {FEWEST_ROUNDS} first")


def _read(folder: Path, only: set[Comparison] | None) -> tuple[float, int, float] | None:
    """Return the noise, of how many pairs, and the mean seconds of a launch; None without a pair."""
    speeds: dict[Any, dict[Any, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    seconds = []
    for path in store.files(folder) if folder.is_dir() else ():
        for row in store.rows(path):
            comparison = tuple(row[name] for name in SHARED)
            if row["task"] != "speed" or row["status"] != "ok" or not row["train_samples_per_s"]:
                continue
            if only is None or comparison in only:
                arm = tuple(row[name] for name in APART)
                speeds[row["sweep"], comparison][arm][row["round"]] = row["train_samples_per_s"]
                seconds.append(row["duration_s"])
    known = [one for one in seconds if one is not None]
    noise = pair_noise(arms.values() for arms in speeds.values())
    return (*noise, sum(known) / len(known)) if noise and noise[0] > 0 and known else None


def planned_rounds(difference: float, known: Experience, cells: Sequence[Cell], most: int) -> int:
    """Return how many rounds find a slow-down by this share with POWER; UsageError where that is more than `most`."""
    arms: dict[Comparison, int] = defaultdict(int)
    for cell in cells:
        arms[cell.comparison()] += 1
    rounds = rounds_needed(difference, known.noise, list(arms.values()), most)
    if rounds is None:
        asked = f"--detect {100 * difference:g}%: more than {most:,} rounds at a noise of {known.noise:.1%}"
        raise UsageError(f"{asked} ({known.source}); ask for a larger difference, or measure on a quieter machine")
    return rounds


def words(difference: float, rounds: int, known: Experience, cells: Sequence[Cell]) -> str:
    """Say how many rounds are made, why so many, and about how long that takes."""
    launches = rounds * len(cells)
    minutes = launches * known.launch_s / 60
    return (
        f"--detect {100 * difference:g}%: {count(rounds, 'round')}, which find a slow-down of {difference:.1%} in"
        f" {POWER:.0%} of sweeps at a noise of {known.noise:.1%} a round ({known.source});"
        f" {count(launches, 'launch', 'launches')} of {known.launch_s:.1f} s: about {minutes:,.0f} min"
    )
