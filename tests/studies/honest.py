"""Deviations of honest launches and proofs: what the bounds rest on, how many honest ones fail.

`python -m tests.studies.honest OUT.jsonl [--count N] [--seed N] [--threads N] [--nice N]` makes single speed
launches of configurations drawn at random from all frameworks, modes, dtypes, inputs, recipes and batch sizes, without
proofs, and appends a line for each. With `--proofs` it makes proofs of them instead, each with one of twenty seeds and
with 20 float64 steps. Configurations whose steps need more than `--most` FLOP of the reference network are left out.
`--table` prints, of what is there, the largest deviations by framework and dtype, those of launches on each half, and
everything that was not `ok`, or failed.
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
from adapters.registry import FRAMEWORKS
from benchmarks.launch.launcher import Launcher
from benchmarks.launch.probe import Probe, probe_all
from benchmarks.launch.proof import Gate, Wanted
from benchmarks.launch.replay import KINDS
from benchmarks.machine.hardware import physical_cpus
from benchmarks.plan.cells import AXES, Cell, Launch
from benchmarks.plan.data.prepared import prepare
from benchmarks.worker.lockstep.bounds import BOUNDS, REPLAY_BOUNDS
from benchmarks.worker.lockstep.prove import RESTARTS
from benchmarks.worker.lockstep.reference import SPARE

STEPS, PROOF_STEPS = 10, 20
SEEDS = 20  # of proofs
BATCH_SIZES = (1, 10, 32, 64, 100, 256, 500, 1000)
DEVIATIONS = (*KINDS.values(), "eval_deviation")
GATE = ("loss", "gradient", "weights", "outputs")
KEPT = ("status", "reason", "chunk_steps", "replayed_steps", *DEVIATIONS, "replay_s", "duration_s", "flags")


def drawn(
    frameworks: list[str], threads: int, seed: int, steps: int, most: float
) -> tuple[dict[tuple[str, str], Probe], list[Cell]]:
    """Return the probes, and every configuration that can run on this CPU, in random order."""
    probes = probe_all(frameworks, ["cpu"])
    axes = itertools.product(frameworks, RECIPES, BATCH_SIZES, MODES, DTYPES, INPUTS)
    cells = [
        Cell(framework, recipe, "mnist-5k", "cpu", batch_size, mode, dtype, threads, input)
        for framework, recipe, batch_size, mode, dtype, input in axes
        if not probes[framework, "cpu"].unsupported(mode, dtype, input)
        and steps * batch_size * model_flops(RECIPES[recipe].model)[1] <= most
    ]
    random.Random(seed).shuffle(cells)
    return probes, cells


def launch(out: Path, probes: dict[tuple[str, str], Probe], cells: list[Cell]) -> None:
    """Make a launch of each and append what it showed."""
    launcher = Launcher(probes, {"mnist-5k": prepare("mnist-5k")}, 0.1, 1, timeout_s=600, judged_steps=STEPS)
    with tempfile.TemporaryDirectory(prefix="lockstep-") as folder:
        for cell in cells:
            row = launcher.row(Launch("speed", 0, 0, cell), Path(folder), "study")
            append(out, {**vars(cell), **{name: row[name] for name in KEPT}})


def prove(out: Path, probes: dict[tuple[str, str], Probe], cells: list[Cell]) -> None:
    """Make a proof of each and append what it found."""
    data = prepare("mnist-5k")
    for number, cell in enumerate(cells):
        seed, kernels = number % SEEDS, probes[cell.framework, "cpu"].kernels
        [(_, proof)] = Gate(seed, PROOF_STEPS, fresh=True).proofs([Wanted(cell, data, kernels)])
        found = {"status": proof.lockstep, "reason": proof.reason, **proof.verdict.get("deviations", {})}
        append(out, {**vars(cell), "seed": seed, **found})


def append(out: Path, line: dict[str, Any]) -> None:
    """Append one line."""
    with out.open("a") as file:
        file.write(json.dumps(line) + "\n")


def launches_table(rows: list[dict[str, Any]]) -> None:
    """Print largest deviations of launches by dtype and framework on each half, beside the bounds."""
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


def proofs_table(rows: list[dict[str, Any]]) -> None:
    """Print how many proofs of each dtype and framework failed, their batch sizes, and the largest deviations."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["dtype"], row["framework"]].append(row)
    print(f"| dtype | framework | proofs | recipes | batch of 100 or more | failed | {' | '.join(GATE)} |")
    print(f"| --- | --- | ---: | ---: | ---: | ---: | {' | '.join(['---:'] * len(GATE))} |")
    for (dtype, framework), made in sorted(groups.items()):
        largest = " | ".join(f"{max(row.get(kind, 0.0) for row in made):.1e}" for kind in GATE)
        large = sum(row["batch_size"] >= 100 for row in made)
        failed, recipes = sum(row["status"] == "fail" for row in made), len({row["recipe"] for row in made})
        print(f"| {dtype} | {framework} | {len(made)} | {recipes} | {large} | {failed} | {largest} |")


def main() -> None:
    """Measure, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--framework", default=",".join(FRAMEWORKS))
    parser.add_argument("--threads", type=int, default=len(physical_cpus()))
    parser.add_argument("--most", type=float, default=2e10)
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--proofs", action="store_true")
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    if given.table:
        rows = [json.loads(line) for line in given.out.read_text().splitlines()]
        (launches_table if "replay_deviation" in rows[0] else proofs_table)(rows)
        for row in rows:
            if row["status"] not in ("ok", "pass"):
                print(*(row[name] for name in (*AXES, "status", "reason")))
        return
    os.nice(given.nice)
    # A proof takes single steps on candidates of which some are left out, twice, beside its float64 steps.
    steps = 2 * SPARE * RESTARTS if given.proofs else STEPS
    probes, cells = drawn(given.framework.split(","), given.threads, given.seed, steps, given.most)
    (prove if given.proofs else launch)(given.out, probes, cells[: given.count])


if __name__ == "__main__":
    main()
