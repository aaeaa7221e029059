"""How much a sweep measures: quick for a look, standard for a comparison, thorough for a claim."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.intervals import LOOKS


@dataclass(frozen=True)
class Preset:
    """Rounds of speed launches, seeds of accuracy launches, and when a comparison has been measured enough.

    With `peak` the machine's peak is measured first if none is kept, so that every row has its MFU.
    `chunk_s` is how long a timed chunk lasts at least: a process that took seconds to start should be timed as long.
    After each of `looks` rounds a comparison stops if every ratio to its fastest is known to within `half_width`
    (relative, 95 %); after `rounds` in any case.
    """

    rounds: int
    seeds: int
    chunk_s: float = 0.1
    peak: bool = False
    looks: tuple[int, ...] = ()
    half_width: float = 0.0


PRESETS = {
    "quick": Preset(rounds=3, seeds=1),
    "standard": Preset(rounds=LOOKS[-1], seeds=3, chunk_s=0.4, peak=True, looks=LOOKS, half_width=0.02),
    "thorough": Preset(rounds=LOOKS[-1], seeds=10, chunk_s=0.4, peak=True, looks=LOOKS, half_width=0.01),
}
