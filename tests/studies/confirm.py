"""How often a gate errs with and without `run --confirm`: python -m tests.studies.confirm.

Simulated by the functions that judge every table: pairs of launches in rounds, whose log ratios are normal. The second
verdict is on new launches of the suspects alone, which are its whole table.
"""

from __future__ import annotations

import sys

import numpy as np

from benchmarks.stats import Floats, judged_ratios, sample, simultaneous

TABLES = 40_000
ROUNDS = 10
SHARE = 0.03  # of --fail-on slower:3%


def slower(logs: Floats) -> list[bool]:
    """Return of each line of a table, its rounds' log ratios, whether the gate finds it slower by SHARE or more."""
    found = sample(logs)
    verdicts = judged_ratios(found, simultaneous(found)).verdict
    return [bool(a) for a in (verdicts == "slower") & (1 - np.exp(found.mean) >= SHARE)]


def alarms(lines: int, noise: float, slow_down: float, generator: np.random.Generator) -> tuple[float, float]:
    """Return in what share of tables the first line, one of `lines`, or any other is an alarm: at once, and confirmed.

    Without a slow-down every alarm counts, with one those of the first line, which is slower.
    """
    shift = np.zeros((lines, 1))
    shift[0] = np.log1p(-slow_down)
    once = confirmed = 0
    for _ in range(TABLES):
        suspects = np.flatnonzero(slower(shift + generator.normal(0, noise, (lines, ROUNDS))))
        once += (0 in suspects) if slow_down else len(suspects) > 0
        if len(suspects):
            again = suspects[slower(shift[suspects] + generator.normal(0, noise, (len(suspects), ROUNDS)))]
            confirmed += (0 in again) if slow_down else len(again) > 0
    return once / TABLES, confirmed / TABLES


def main() -> None:
    """Print the table of docs/compare.md."""
    generator = np.random.default_rng(0)
    print("| configurations | noise of a round | slow-down | alarms at once | confirmed |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    for lines, noise in ((1, 0.03), (6, 0.03), (6, 0.128)):
        for slow_down in (0.0, 0.05, 0.1):
            once, confirmed = alarms(lines, noise, slow_down, generator)
            print(f"| {lines} | {noise:.1%} | {slow_down:.0%} | {once:.2%} | {confirmed:.2%} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
