"""Make three kinds of machine of the reference run, to look at a page: `python -m tests.studies.machines OUT`.

OUT then holds one sweep over machines as an engine leaves it: the driver's file, two members of the kind that was
measured, and one member each of two kinds that are made up: the same processor with one core and one thread, and
another processor. Their speeds are those of the reference run with other factors: what is made is no measurement.
"""

from __future__ import annotations

import argparse
import hashlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.machine.environments import ROOT
from benchmarks.record import store
from report.results.load import load
from report.tables.compare import CELL, newest
from tests.kept import read_all

REFERENCE = ROOT / "results" / "reference"
BASE = "20261201T000000.000-abcdef"
RATES = ("train_samples_per_s", "eval_samples_per_s", "flops_per_s", "peak_flops_per_s", "roofline_flops_per_s")
SECONDS = (
    "import_s", "build_s", "placing_s", "first_step_s", "first_eval_s", "step_latency_p50_s", "step_latency_p95_s",
    "step_latency_p99_s", "dispatch_s",
)  # fmt: skip
KINDS: dict[str, dict[str, Any]] = {  # made-up machines: facts, threads, and factors of speed by framework, else ""
    "1111111111111111": {
        "facts": {"physical_cores": 1, "logical_cpus": 1}, "threads": 1,
        "factors": {"": 0.55, "numpy": 0.45, "torch": 0.6},
    },
    "2222222222222222": {
        "facts": {"cpu": "Made-up CPU 9000", "physical_cores": 8, "memory_bytes": 64 << 30}, "threads": 8,
        "factors": {"": 2.0, "torch": 3.1, "jax": 2.4},
    },
}  # fmt: skip
LAUNCH = ["sweep", "cell", "task", "round", "seed"]
Record = dict[str, Any]


def renamed(record: Record, number: int) -> Record:
    """Return a run's record or a row as member `number` of the sweep has it."""
    return record | {"sweep": f"{BASE}.m{number:02}"}


def changed(record: Record, made_up: Record, noise: random.Random) -> Record:
    """Return a row as a made-up machine would have it."""
    factors = made_up["factors"]
    factor = factors.get(record["framework"], factors[""]) * noise.lognormvariate(0, 0.01)
    record = record | {name: record[name] * factor for name in RATES if record[name] is not None}
    record |= {name: record[name] / factor for name in SECONDS if record[name] is not None}
    threads, device_name = made_up["threads"], made_up["facts"].get("cpu", record["device_name"])
    wider = threads / record["threads"]
    record |= {name: record[name] * wider for name in ("cpu_s", "cpu_per_wall") if record[name] is not None}
    record |= {"threads_computing": threads} if record["threads_computing"] is not None else {}
    cell = hashlib.sha256(f"{device_name} {threads} {record['cell']}".encode()).hexdigest()[:16]
    return record | {"threads": threads, "device_name": device_name, "cell": cell}


def counted(reference: Path) -> list[Record]:
    """Return the rows that tables show: what was measured again later would stand twice in a member's file."""
    frame = load(reference, ["revision"])
    counts = set(newest(frame[frame["revision"].isna()])[LAUNCH].itertuples(index=False, name=None))
    return [row for sweep in read_all(reference) for row in sweep.rows if tuple(map(row.get, LAUNCH)) in counts]


def lines(
    sweeps: list[store.SweepFile], rows: list[Record], number: int, kind: str, model: str
) -> Iterator[tuple[str, Record]]:
    """Yield (kind, record) of a member's file; `rows` are those that count.

    `kind` is a key of KINDS, empty for the machine that was measured; `model` the only one to keep, empty for all.
    """
    made_up, noise = KINDS.get(kind), random.Random(number)
    run = renamed({**sweeps[-1].run, "part_of": BASE}, number)
    if made_up:
        run |= {"machine_kind": kind, "machine": {**run["machine"], **made_up["facts"]}, "ceilings": []}
    yield "run", run
    for sweep in sweeps:
        for name, records in (("dataset", sweep.datasets), ("proof", sweep.proofs), ("image", sweep.images)):
            for record in records:
                yield name, record | ({"threads": made_up["threads"]} if made_up and name == "proof" else {})
        for stop in sweep.stops:
            yield "stop", stop | ({"threads": made_up["threads"]} if made_up else {})
    for row in rows:
        if model in ("", row["model"]):
            yield "row", renamed(changed(row, made_up, noise) if made_up else row, number) | {"attempt": 1}


def write(out: Path, reference: Path = REFERENCE) -> None:
    """Write the four files of the sweep and its driver's."""
    out.mkdir(parents=True, exist_ok=True)
    sweeps = list(read_all(reference))
    members = {1: ("", "mlp"), 2: ("", "lenet"), 3: ("1111111111111111", ""), 4: ("2222222222222222", "")}
    counts, rows = counted(reference), list[Record]()
    for number, (kind, model) in members.items():
        made = list(lines(sweeps, counts, number, kind, model))
        rows += [record | {"machine_kind": kind} for name, record in made if name == "row"]
        (out / f"{BASE}.m{number:02}.jsonl").write_bytes(b"".join(store._line(*pair) for pair in made))
    engine = {"name": "dask", "members": [f"{BASE}.m{number:02}" for number in members]}
    cells = {tuple(map(row.get, CELL)) for row in rows}
    driver = {"sweep": BASE, "engine": engine, "requested": {"cells": len(cells), "launches": len(rows)}}
    ended = [("run", driver), ("end", {"wall_s": {"timed chunks": 1.0}, "reported": len(rows)})]
    (out / f"{BASE}.jsonl").write_bytes(b"".join(store._line(*pair) for pair in ended))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    write(parser.parse_args().out)
