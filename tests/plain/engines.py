"""Does a cell have the same speed whichever engine starts it? `python -m tests.plain.engines` in .tox/engine.

A/A: the same cells measured by whole sweeps on this machine, once as `run` does and once as `run --engine dask` does
through a scheduler and one member on loopback, A B then B A and so on, so that what drifts disturbs both alike. Proofs
and data are made before and kept for both: only launches differ. In each sweep a cell's speed is the geometric mean of
its launches; the ratio of a cell is that of the pairs, with the paired interval that reports use. Nothing else should
run meanwhile. PYTHONPATH is the checkout's root.

Exit code 1 where a cell's speed surely differs (adjusted by Holm for having asked all cells), 0 otherwise.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import storage
from benchmarks.intervals import CONFIDENCE, Ratio, holm, paired
from tests.plain.crews import crew, started

ALIKE = 0.02  # a ratio whose whole interval is nearer to 1 is no difference between engines
ENGINES = ("local", "dask")
Speeds = Mapping[str, float]  # samples/s by cell


def sweep(engine: str, cells: Sequence[str], frameworks: str) -> list[dict[str, Any]]:
    """Return the rows of a whole sweep by one engine; SystemExit with its words where a launch did not end ok."""
    with tempfile.TemporaryDirectory(prefix="lockstep-") as name:
        folder = Path(name)
        command = ["benchmarks", "run", *cells, "--results", str(folder / "results")]
        if engine == "local":
            code = started(command, folder / "driver.txt").wait()
        else:
            with crew(folder, 1, frameworks, ["benchmarks"]) as there:
                over = ["--engine", "dask", "--scheduler", there.address]
                code = started([*command, *over], folder / "driver.txt").wait()
        if code:
            raise SystemExit(f"the {engine} sweep ended with {code}:\n{(folder / 'driver.txt').read_text()[-3000:]}")
        return [row for found in storage.read_all(folder / "results") for row in found.rows]


def speeds(rows: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return the geometric mean of the launches of each cell, by framework, mode and model."""
    logs: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        name = f"{row['framework']} {row['mode']} {row['model']}"
        logs[name].append(float(np.log(row["train_samples_per_s"])))
    return {name: float(np.exp(np.mean(found))) for name, found in logs.items()}


def ratios(pairs: Sequence[tuple[Speeds, Speeds]]) -> dict[str, Ratio]:
    """Return dask/local of each cell over pairs (local, dask), and of all cells together."""
    names = sorted(pairs[0][0])
    if any(sorted(each) != names for pair in pairs for each in pair):
        raise SystemExit(f"sweeps have other cells than {', '.join(names)}")
    found = {name: paired([dask[name] for _, dask in pairs], [local[name] for local, _ in pairs]) for name in names}
    middle = [[float(np.exp(np.mean(np.log(list(each.values()))))) for each in pair] for pair in pairs]
    return found | {"all": paired([dask for _, dask in middle], [local for local, _ in middle])}


def verdict(ratio: Ratio, p: float) -> str:
    """Say what an interval tells of one cell; `p` is adjusted for all cells."""
    if ratio.low >= 1 - ALIKE and ratio.high <= 1 + ALIKE:
        return f"the same within {ALIKE:.0%}"
    if p < 1 - CONFIDENCE:
        return "differs"
    return "no difference seen" if ratio.low <= 1 <= ratio.high else "no difference that all cells bear out"


def table(pairs: Sequence[tuple[Speeds, Speeds]], disturbed: Sequence[int], launches: int) -> tuple[str, bool]:
    """Return a table of all cells, and whether one of them differs."""
    found = ratios(pairs)
    sure = holm({name: ratio.p for name, ratio in found.items()})
    lines = ["| cell | dask / local | 95 % interval | pairs | verdict |", "| --- | ---: | --- | ---: | --- |"]
    said = {name: verdict(ratio, sure[name]) for name, ratio in found.items()}
    for name, ratio in found.items():
        bounds = f"{ratio.low:.4f}–{ratio.high:.4f}"
        lines.append(f"| {name} | {ratio.estimate:.4f} | {bounds} | {ratio.n} | {said[name]} |")
    each = ", ".join(f"{engine} {count}" for engine, count in zip(ENGINES, disturbed, strict=True))
    lines.append(f"\ndisturbed launches, of {launches} by each engine: {each}")
    return "\n".join(lines), "differs" in said.values()


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
    pairs, disturbed, launches = [], dict.fromkeys(ENGINES, 0), 0
    for number in range(given.pairs):
        found = {}
        for engine in ENGINES if number % 2 == 0 else reversed(ENGINES):
            rows = sweep(engine, [*cells, str(given.rounds)], given.framework)
            found[engine] = speeds(rows)
            disturbed[engine] += sum("disturbed" in row["flags"] for row in rows)
        launches += len(rows)
        pairs.append((found["local"], found["dask"]))
        each = ", ".join(f"{name} {found['dask'][name] / found['local'][name]:.3f}" for name in found["local"])
        print(f"pair {number + 1}: {each}", file=sys.stderr, flush=True)
    shown, differs = table(pairs, list(disturbed.values()), launches)
    print(shown)
    return int(differs)


if __name__ == "__main__":
    sys.exit(main())
