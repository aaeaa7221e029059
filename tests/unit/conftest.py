from __future__ import annotations

import pytest

from benchmarks.schema import SCHEMA_VERSION
from benchmarks.storage import append
from tests.unit.known_lines import ENVIRONMENT

SWEEP = "20260101T000000-abcdef"


@pytest.fixture
def row():
    """A row with every required column and nothing else."""
    return {
        "schema_version": SCHEMA_VERSION,
        "sweep": SWEEP,
        "cell": "0" * 16,
        "started_at": "2026-01-01T00:00:00+00:00",
        "framework": "torch",
        "model": "mlp",
        "recipe": "mlp",
        "dataset": "mnist-5k",
        "device": "cpu",
        "device_name": "A processor",
        "batch_size": 100,
        "mode": "eager",
        "dtype": "float32",
        "pipeline": "resident",
        "threads": 2,
        "task": "speed",
        "round": 0,
        "seed": 0,
        "status": "ok",
        "lockstep": "pass",
        "train_flops_per_sample": 454_400,
        "train_all_flops_per_sample": 457_200.0,
    }


@pytest.fixture
def healthy(row):
    """Return (kind, record) of each line of healthy results: two frameworks, two rounds and two seeds each."""
    about = {**ENVIRONMENT, "versions": {"python": "3.11.7"}}
    run = {"sweep": SWEEP, "machine_kind": "abc", "code": "0" * 16, "requested": {"cells": 2, "launches": 8}}
    lines = [("run", run | {"frameworks": {"torch-cpu": about, "jax-cpu": {**about, "lock": "1" * 16}}})]
    good = {**row, "framework_version": "1", "oracle_sha256": "abc", "threads_computing": 2, "cpu_per_wall": 1.9}
    for framework in ("torch", "jax"):
        for number in range(2):
            mine = {**good, "framework": framework, "round": number}
            lines.append(("row", {**mine, "train_samples_per_s": 1000.0, "mfu": 0.5, "roofline_share": 0.6}))
            lines.append(("row", {**mine, "task": "accuracy", "accuracy": 0.9, "seed": number}))
    return [*lines, ("end", {"wall_s": {"import": 1.0}})]


@pytest.fixture
def write(tmp_path):
    """Write lines into a file of a folder; return the folder."""

    def made(lines, name="a.jsonl"):
        folder = tmp_path / "results"
        folder.mkdir(exist_ok=True)
        for kind, record in lines:
            append(folder / name, kind, record)
        return folder

    return made


@pytest.fixture
def family(row, write):
    """Write a sweep over machines: its driver's lines and the rows of each member, by number; return the folder."""

    def made(driver, members):
        run = {"sweep": SWEEP, "engine": {"name": "dask"}, "requested": {"cells": 2, "launches": 4}}
        folder = write([("run", run), *driver], f"{SWEEP}.jsonl")
        for number, rows in members.items():
            name = f"{SWEEP}.m0{number}"
            lines = [("run", {"sweep": name, "part_of": SWEEP, "machine_kind": "abc"})]
            write([*lines, *(("row", {**found, "sweep": name}) for found in rows)], f"{name}.jsonl")
        return folder

    return made
