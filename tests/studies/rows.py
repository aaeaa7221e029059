"""Make result files with a believable million rows: `python tests/studies/rows.py --rows 1000000 --out DIR`.

The kept reference run is the template: each row is one of its rows under other names, with other noise. A file is a
sweep of 10,000 launches on a machine of its own; every fifth measures the machine before it again, and every tenth
says that it resumed the one before. Some launches fail, some are noisy. What is made is no measurement.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from benchmarks.machine.environments import ROOT
from benchmarks.record import store
from benchmarks.record.schema import SCHEMA_VERSION
from tests.kept import read_file

REFERENCE = ROOT / "results" / "reference"
ROWS_A_FILE = 10_000
BATCH_SIZES = [1, 8, 32, 64, 100, 128, 256, 512, 1024, 4096]
RECIPES = ["mlp", "lenet", "mlp_tutorial", "lenet_tutorial"]
MODES = ["eager", "compiled"]
ROUNDS, SEEDS = 16, 5
CHUNKS = ["train_chunk_s", "train_chunk_cpu_s", "train_chunk_stolen_s", "train_chunk_pressure_s"]
RATES = ["train_samples_per_s", "eval_samples_per_s", "flops_per_s", "mfu", "roofline_share"]
TIMES = ["import_s", "build_s", "first_step_s", "first_eval_s", "step_latency_p50_s", "step_latency_p95_s", "cpu_s"]
FAILED = ("crashed", "timeout", "oom", "nan")


def sealed(kind: str, record: dict[str, object]) -> bytes:
    """Return a line as storage.append writes it, without waiting for the disk."""
    body = json.dumps({"kind": kind, "schema_version": SCHEMA_VERSION, **record}, allow_nan=False)[:-1]
    return f'{body}, "checksum": "{store._checksum(body.encode())}"}}\n'.encode()


def templates() -> dict[tuple[str, str], dict[str, object]]:
    """Return a row that ended ok for each framework and task."""
    rows = [row for path in sorted(REFERENCE.glob("*.jsonl")) for row in read_file(path).rows]
    return {(row["framework"], row["task"]): row for row in rows if row["status"] == "ok"}


def launches():
    """Yield framework, recipe, batch size, mode, task and round in the order of a sweep."""
    frameworks = sorted({framework for framework, _ in templates()})
    for task, count in (("speed", ROUNDS), ("accuracy", SEEDS)):
        for number in range(count):
            for recipe in RECIPES:
                for batch_size in BATCH_SIZES:
                    for framework in frameworks:
                        for mode in MODES:
                            yield framework, recipe, batch_size, mode, task, number


def changed(row: dict[str, object], noise: list[float]) -> dict[str, object]:
    """Return a row with other noise, a factor for each chunk."""
    factor = noise[0]
    row |= {name: row[name] * factor for name in RATES if row[name] is not None}
    row |= {name: row[name] / factor for name in TIMES if row[name] is not None}
    for name in CHUNKS:
        if row[name] is not None:
            row[name] = [value * other for value, other in zip(row[name], noise, strict=True)]
    if row["accuracy"] is not None:
        row["accuracy"] = min(1.0, row["accuracy"] * (1 + (factor - 1) / 50))
        row["confusion"] = [90 if n % 11 == 0 else int(10 * other) for n, other in enumerate(noise * 10)]
    return row


def failed(row: dict[str, object], status: str) -> dict[str, object]:
    """Return a row of a launch that measured nothing."""
    empty = dict.fromkeys((*RATES, *TIMES, *CHUNKS, "accuracy", "loss", "confusion", "time_to_accuracy_s"))
    return row | empty | {"status": status, "reason": f"made up: {status}"}


def lines(number: int, count: int):
    """Yield the lines of one file."""
    rng = np.random.default_rng(number)
    name, before = (f"202601{1 + n // 1000:02}T{n % 1000:06}.000-abcdef" for n in (number, number - 1))
    again = number % 5 == 4
    run = {"sweep": name, "machine_kind": f"{number - again:016x}", "resumes": [before] if number % 10 == 9 else []}
    yield name, sealed("run", run)
    given, noise = templates(), rng.lognormal(0, 0.02, (count, 10)).tolist()
    chance, speed = rng.random(count).tolist(), dict(zip(MODES, (1.0, 1.3), strict=True))
    for (framework, recipe, batch_size, mode, task, launch), own, luck in zip(launches(), noise, chance, strict=False):
        row = given[framework, task] | {
            "schema_version": SCHEMA_VERSION, "sweep": name, "recipe": recipe, "model": recipe.split("_")[0],
            "batch_size": batch_size, "mode": mode, "round": launch, "seed": launch,
            "flags": ["noisy"] if 0.02 < luck < 0.15 else ["drifting"] if luck > 0.97 else [],
        }  # fmt: skip
        row = changed(row, [factor * speed[mode] * batch_size**0.3 for factor in own])
        yield name, sealed("row", failed(row, FAILED[int(luck * 1e6) % 4]) if luck < 0.02 else row)
    yield name, sealed("end", {"wall_s": {"timed chunks": 1.0}})


def write(out: Path, rows: int) -> None:
    """Write files with this many rows altogether."""
    out.mkdir(parents=True, exist_ok=True)
    for number, start in enumerate(range(0, rows, ROWS_A_FILE)):
        made = list(lines(number, min(ROWS_A_FILE, rows - start)))
        (out / f"{made[0][0]}.jsonl").write_bytes(b"".join(line for _, line in made))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given_arguments = parser.parse_args()
    write(given_arguments.out, given_arguments.rows)
