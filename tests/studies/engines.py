"""Does a cell have the same speed whichever engine starts it? `python -m tests.studies.engines` in .tox/engine.

A/A: the same cells measured by whole sweeps on this machine, once as `run` does and once as `run --engine dask` does
through a scheduler and one member on loopback, A B then B A and so on, so that what drifts disturbs both alike. Proofs
and data are made before and kept for both: only launches differ. In each sweep a cell's speed is the geometric mean of
its launches; the ratio of a cell is that of the pairs, with the paired interval that reports use. Nothing else should
run meanwhile. PYTHONPATH is the checkout's root.

Exit code 1 where a cell's speed surely differs (by intervals that are simultaneous over all cells), 0 otherwise.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.stats import Means, paired, simultaneous
from tests.kept import read_all
from tests.studies.crews import crew, started

ALIKE = 0.02  # a ratio whose whole interval is nearer to 1 is no difference between engines
ENGINES = ("local", "dask")
Speeds = Mapping[str, float]  # samples/s by cell


def sweep(engine: str, cells: Sequence[str], frameworks: str) -> list[dict[str, Any]]:
    """Return the rows of a whole sweep by one engine; SystemExit with its words where it did not come to its end."""
    with tempfile.TemporaryDirectory(prefix="lockstep-") as name:
        folder = Path(name)
        command = ["benchmarks", "run", *cells, "--results", str(folder / "results")]
        if engine == "local":
            code = started(command, folder / "driver.txt").wait()
        else:
            with crew(folder, 1, frameworks, ["benchmarks"]) as there:
                over = ["--engine", "dask", "--scheduler", there.address]
                code = started([*command, *over], folder / "driver.txt").wait()
        if code not in (0, 1):  # 1: some launch did not end ok
            raise SystemExit(f"the {engine} sweep ended with {code}:\n{(folder / 'driver.txt').read_text()[-3000:]}")
        return [row for found in read_all(folder / "results") for row in found.rows]


def speeds(rows: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return the geometric mean of the launches of each cell that ended ok, by framework, mode and model."""
    logs: dict[str, list[float]] = defaultdict(list)
    for row in [row for row in rows if row["status"] == "ok"]:
        name = f"{row['framework']} {row['mode']} {row['model']}"
        logs[name].append(float(np.log(row["train_samples_per_s"])))
    return {name: float(np.exp(np.mean(found))) for name, found in logs.items()}


def ratios(pairs: Sequence[tuple[Speeds, Speeds]]) -> dict[str, Means]:
    """Return the log of dask/local of each cell and of all together, over pairs (local, dask) with it on both sides."""
    names = sorted({name for pair in pairs for each in pair for name in each})
    found = {}
    for label, needed in [*((name, [name]) for name in names), ("all", names)]:
        there = [pair for pair in pairs if all(name in each for each in pair for name in needed)]
        if there:
            local, dask = ([middle(pair[side], needed) for pair in there] for side in (0, 1))
            found[label] = paired(dask, local)
    return found


def middle(each: Speeds, names: Sequence[str]) -> float:
    """Return the geometric mean of some cells' speeds."""
    return float(np.exp(np.mean([np.log(each[name]) for name in names])))


def verdict(low: float, high: float) -> str:
    """Say what a ratio's interval, simultaneous over all cells, tells of one cell."""
    if low >= 1 - ALIKE and high <= 1 + ALIKE:
        return f"the same within {ALIKE:.0%}"
    return "differs" if low > 1 or high < 1 else "no difference seen"


def table(pairs: Sequence[tuple[Speeds, Speeds]], launches: Mapping[str, Counter[str]]) -> tuple[str, bool]:
    """Return a table of all cells and how `launches` of each engine went, and whether a cell differs."""
    found = ratios(pairs)
    columns = (np.array([getattr(ratio, name) for ratio in found.values()]) for name in ("mean", "std", "n"))
    confidence = simultaneous(Means(*columns))
    lines = ["| cell | dask / local | 95 % interval | pairs | verdict |", "| --- | ---: | --- | ---: | --- |"]
    said = []
    for name, ratio in found.items():
        low, high = np.exp(ratio.bounds(confidence))
        said.append(verdict(low, high))
        lines.append(f"| {name} | {np.exp(ratio.mean):.4f} | {low:.4f}–{high:.4f} | {ratio.n:.0f} | {said[-1]} |")
    for engine, went in launches.items():
        lines.append(f"\nlaunches, {engine}: " + ", ".join(f"{count} {how}" for how, count in went.most_common()))
    return "\n".join(lines), "differs" in said


def main() -> int:
    """Measure and show; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=8, help="of whole sweeps")
    parser.add_argument("--rounds", type=int, default=3, help="launches of each cell in a sweep")
    parser.add_argument("--framework", default="numpy,torch")
    parser.add_argument("--model", default="mlp,lenet")
    given = parser.parse_args()
    cells = ["--framework", given.framework, "--model", given.model, "--seeds", "0", "--no-peak", "--rounds"]
    sweep("local", [*cells, "1"], given.framework)  # makes data and proofs, reads environments from the disk
    pairs, launches = [], {engine: Counter[str]() for engine in ENGINES}
    for number in range(given.pairs):
        found = {}
        for engine in ENGINES if number % 2 == 0 else reversed(ENGINES):
            rows = sweep(engine, [*cells, str(given.rounds)], given.framework)
            found[engine] = speeds(rows)
            launches[engine].update(flag for row in rows for flag in (row["status"], *(row["flags"] or [])))
        pairs.append((found["local"], found["dask"]))
        each = ", ".join(f"{name} {np.exp(ratio.mean):.3f}" for name, ratio in ratios(pairs[-1:]).items())
        print(f"pair {number + 1}: {each}", file=sys.stderr, flush=True)
    shown, differs = table(pairs, launches)
    print(shown)
    return int(differs)


if __name__ == "__main__":
    sys.exit(main())
