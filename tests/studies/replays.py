"""Deviations of timed steps taken again, over real launches: what the bounds rest on, how many honest launches fail.

`python tests/studies/replays.py OUT.jsonl [--launches N] [--seed N] [--framework NAME,...] [--nice N]` makes single
speed launches of configurations drawn at random from all frameworks, modes, dtypes, inputs, recipes and batch sizes,
without proofs, and appends a line for each; configurations whose steps taken again need more than `--most` FLOP are
left out, since the reference network takes its time. `--table` prints, of what is there, the largest deviations by
framework and dtype, on each half of the launches, and every launch that was not `ok`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from adapters.contract import DTYPES, INPUTS, MODES
from adapters.flops import model_flops
from adapters.recipes import RECIPES
from adapters.registry import ADAPTERS
from benchmarks.launch.launcher import Launcher
from benchmarks.launch.probe import probe_all
from benchmarks.launch.replay import KINDS
from benchmarks.machine.hardware import physical_cpus
from benchmarks.plan.cells import Cell, Launch
from benchmarks.plan.data.prepared import prepare
from benchmarks.worker.lockstep.bounds import BOUNDS, REPLAY_BOUNDS

STEPS = 10
BATCH_SIZES = (1, 10, 32, 64, 100, 256, 500, 1000)
DEVIATIONS = (*KINDS.values(), "eval_deviation")
KEPT = ("status", "reason", "chunk_steps", "replayed_steps", *DEVIATIONS, "replay_s", "duration_s", "flags")


def drawn(frameworks: list[str], seed: int, most: float) -> tuple[dict[tuple[str, str], Any], list[Cell]]:
    """Return the probes, and every configuration that can run on this CPU, in random order."""
    probes = probe_all(frameworks, ["cpu"])
    threads = len(physical_cpus())
    axes = itertools.product(frameworks, RECIPES, BATCH_SIZES, MODES, DTYPES, INPUTS)
    cells = [
        Cell(framework, recipe, "mnist-5k", "cpu", batch_size, mode, dtype, threads, input)
        for framework, recipe, batch_size, mode, dtype, input in axes
        if not probes[framework, "cpu"].unsupported(mode, dtype, input)
        and STEPS * batch_size * model_flops(RECIPES[recipe].model)[1] <= most
    ]
    random.Random(seed).shuffle(cells)
    return probes, cells


def measure(out: Path, frameworks: list[str], launches: int, seed: int, most: float) -> None:
    """Make the launches and append what each showed."""
    probes, cells = drawn(frameworks, seed, most)
    launcher = Launcher(probes, {"mnist-5k": prepare("mnist-5k")}, 0.1, 1, timeout_s=600, judged_steps=STEPS)
    with tempfile.TemporaryDirectory(prefix="lockstep-") as folder:
        for cell in cells[:launches]:
            row = launcher.row(Launch("speed", 0, 0, cell), Path(folder), "study")
            with out.open("a") as file:
                file.write(json.dumps({**vars(cell), **{name: row[name] for name in KEPT}}) + "\n")


def table(rows: list[dict[str, Any]]) -> None:
    """Print largest deviations by framework and dtype on each half, beside the bounds, and what was not `ok`."""
    halves: dict[tuple[str, str], list[list[dict[str, Any]]]] = defaultdict(lambda: [[], []])
    for number, row in enumerate(row for row in rows if row["replay_deviation"] is not None):
        halves[row["dtype"], row["framework"]][number % 2].append(row)
    print("| dtype | framework | launches | all: first half, second, bound | scale | parameter | outputs |")
    print("| --- | --- | ---: | --- | --- | --- | --- |")
    for (dtype, framework), parts in sorted(halves.items()):
        bounds = (*vars(REPLAY_BOUNDS[dtype]).values(), BOUNDS[dtype].outputs)
        cells = [
            ", ".join(f"{max((row[name] for row in part), default=0.0):.1e}" for part in parts) + f", {bound:.0e}"
            for name, bound in zip(DEVIATIONS, bounds, strict=True)
        ]
        print(f"| {dtype} | {framework} | {sum(map(len, parts))} | {' | '.join(cells)} |")
    for row in rows:
        if row["status"] != "ok":
            print(" ".join(str(row[name]) for name in (*vars(Cell("", "", "", "", 1, "", "", 1)), "status", "reason")))


def main() -> None:
    """Measure, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--launches", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--framework", default=",".join(ADAPTERS))
    parser.add_argument("--most", type=float, default=2e10)
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    if given.table:
        table([json.loads(line) for line in given.out.read_text().splitlines()])
    else:
        os.nice(given.nice)
        measure(given.out, given.framework.split(","), given.launches, given.seed, given.most)


if __name__ == "__main__":
    main()
