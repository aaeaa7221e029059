"""Results that no machine measured, with something for every part of the page: devices, batch sizes, modes, failures.

Speeds follow a simple law (a step costs a dispatch and its arithmetic), so that curves cross; noise is of a fixed seed.
"""

from __future__ import annotations

import base64
import json
import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from adapters import registry
from benchmarks.record.schema import SCHEMA_VERSION
from benchmarks.record.store import _checksum

Record = dict[str, Any]

SWEEP = "20260101T000000-aaaaaa"
KNOWN = {  # GFLOP/s on the CPU, seconds to dispatch a step, seconds to import
    "torch": (80.0, 9e-5, 1.1), "tensorflow": (95.0, 3e-4, 2.2), "paddle": (45.0, 2e-4, 1.0),
    "mxnet": (65.0, 1.5e-4, 0.9), "jax": (88.0, 8e-5, 0.6), "numpy": (50.0, 2e-5, 0.1),
}  # fmt: skip
FRAMEWORKS = {name: KNOWN.get(name, (20.0, 5e-4, 0.5)) for name in registry.FRAMEWORKS}
MODES = {"eager": 1.0, "compiled": 1.25, "fused": 1.4}  # and their speed
FLOPS = {"mlp": 454_400, "lenet": 13_182_000}  # of training one sample
BATCHES = (1, 8, 32, 100, 256, 1024)
NAMES = {"cpu": "A processor", "gpu": "A card"}
SHARED = {"dataset": "mnist", "dtype": "float32", "threads": 2}
SIDE = 28


def line(kind: str, record: Record) -> bytes:
    """Return one line of a results file, sealed as storage.append does, without its wait for the disk."""
    body = json.dumps({"kind": kind, "schema_version": SCHEMA_VERSION, **record})[:-1].encode()
    return body + f', "checksum": "{_checksum(body)}"}}\n'.encode()


def write(folder: Path, rounds: int = 6, models: Sequence[str] = tuple(FLOPS)) -> Path:
    """Write one results file into a folder and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{SWEEP}.jsonl").open("wb") as file:
        for kind, record in records(rounds, models):
            file.write(line(kind, record))
    return folder


def records(rounds: int, models: Sequence[str]) -> Iterator[tuple[str, Record]]:
    """Yield (kind, record) of every line."""
    yield "run", run()
    yield "dataset", dataset()
    for index in range(6):
        yield "image", {"dataset": "mnist", "sha256": "0", "index": index, "label": index, "pixels": digit(index)}
    cells = list(all_cells(models))
    for cell in cells:
        if cell["batch_size"] == 100:
            yield "proof", proof(cell)
    noise = random.Random(0)
    for number in range(rounds):
        for cell in cells:
            yield "row", speed(cell, number, noise)
    for cell in cells:
        if cell["batch_size"] == 100 and cell["mode"] != "fused" and cell["input"] == "preloaded":
            for seed in range(3):
                yield "row", accuracy(cell, seed, noise)
    for model in models:
        shared = {**SHARED, "recipe": model, "device": "cpu", "input": "preloaded"}
        yield "stop", {**shared, "batch_size": 100, "rounds": rounds, "reason": "precise enough", "half_width": 0.018}
    yield "row", failure("jax", "gpu", "oom", "asked for 96 GiB, the card has 80: smaller batches fit")
    yield "row", failure("paddle", "cpu", "unsupported", "paddle has no fused mode on the CPU")
    yield "end", {"wall_s": {"import": 100.5, "timed chunks": 900.25}}


def all_cells(models: Sequence[str]) -> Iterator[Record]:
    """Yield the axes of every cell."""
    for model in models:
        for device, device_name in NAMES.items():
            for framework in FRAMEWORKS:
                for mode in MODES:
                    if device not in registry.FRAMEWORKS[framework].devices:
                        continue
                    if framework == "numpy" and mode != "eager":
                        continue
                    axes = {**SHARED, "model": model, "recipe": model, "framework": framework, "mode": mode}
                    axes |= {"device": device, "device_name": device_name}
                    for batch_size in BATCHES:
                        yield {**axes, "batch_size": batch_size, "input": "preloaded"}
                    if mode == "compiled":
                        yield {**axes, "batch_size": 100, "input": "host"}


def row(cell: Record) -> Record:
    """Return a row with what every row has."""
    model = cell["model"]
    return {
        **cell, "sweep": SWEEP, "cell": "0" * 16, "started_at": "2026-01-01T00:00:00+00:00", "seed": 0, "round": 0,
        "framework_version": "1.2.3", "status": "ok", "lockstep": "pass", "lockstep_float64_deviation": 2e-15,
        "lockstep_max_deviation": 3e-7, "lockstep_steps": 200, "train_flops_per_sample": FLOPS.get(model, 10**6),
        "train_all_flops_per_sample": 1.01 * FLOPS.get(model, 10**6), "duration_s": 10.0,
    }  # fmt: skip


def speed(cell: Record, number: int, noise: random.Random) -> Record:
    """Return a speed launch."""
    gflops, dispatch_s, import_s = FRAMEWORKS[cell["framework"]]
    gpu = cell["device"] == "gpu"
    flops = gflops * 1e9 * MODES[cell["mode"]] * (30 if gpu else 1)
    dispatch_s *= 0.1 if cell["mode"] == "fused" else 2.5 if gpu else 1
    batch, slowed = cell["batch_size"], 1.15 if cell["input"] == "host" else 1.0
    step_s = slowed * (dispatch_s + batch * FLOPS[cell["model"]] / flops) * math.exp(noise.gauss(0, 0.03))
    rate, peak = batch / step_s, 250e9 * (40 if gpu else 1)
    achieved = rate * FLOPS[cell["model"]]
    return row(cell) | {
        "task": "speed", "round": number, "train_samples_per_s": rate, "eval_samples_per_s": 3 * rate,
        "flags": ["noisy"] if noise.random() < 0.1 else [], "dispatch_s": dispatch_s if number == 0 else None,
        "start_s": 0.11, "import_s": import_s, "build_s": 0.02, "placing_s": 0.05, "warm_up_s": 1.5,
        "first_step_s": 0.1 + (0.9 if cell["mode"] != "eager" else 0), "first_eval_s": 0.2, "peak_rss_bytes": 500 << 20,
        "step_latency_p50_s": step_s, "step_latency_p95_s": 1.1 * step_s, "step_latency_p99_s": 1.3 * step_s,
        "cpu_s": 12.0, "warm_up_chunks": 4, "flops_per_s": achieved, "peak_flops_per_s": peak, "mfu": achieved / peak,
        "roofline_flops_per_s": peak, "roofline_share": achieved / peak,
    }  # fmt: skip


def accuracy(cell: Record, seed: int, noise: random.Random) -> Record:
    """Return an accuracy launch of eight epochs."""
    final = 0.975 if cell["model"] == "mlp" else 0.988
    by_epoch = [final - 0.3 * math.exp(-epoch) + 0.001 * seed for epoch in range(8)]
    epoch_s = 3.0 / FRAMEWORKS[cell["framework"]][0] * (20 if cell["model"] == "lenet" else 1)
    confusion = [noise.randrange(12) if n % 11 else 970 for n in range(100)]
    return row(cell) | {
        "task": "accuracy", "seed": seed, "round": seed, "accuracy": by_epoch[-1], "loss": 0.1, "epochs": 8,
        "accuracy_by_epoch": by_epoch, "loss_by_epoch": [1 - value for value in by_epoch],
        "seconds_by_epoch": [epoch_s * (epoch + 1) for epoch in range(8)], "accuracy_target": 0.97,
        "time_to_accuracy_s": 6 * epoch_s, "confusion": confusion, "mistakes": [0, 1, 2, 3, 4, 5],
        "mistakes_read_as": [(seed + n) % 10 for n in range(6)],
    }  # fmt: skip


def failure(framework: str, device: str, status: str, reason: str) -> Record:
    """Return a launch that did not end ok."""
    cell = {**SHARED, "model": "mlp", "recipe": "mlp", "framework": framework, "mode": "fused", "device": device}
    cell |= {"device_name": NAMES[device], "batch_size": 4096, "input": "preloaded"}
    return row(cell) | {"task": "speed", "status": status, "reason": reason, "lockstep": "unproven"}


def proof(cell: Record) -> Record:
    """Return the gate's whole answer on a cell."""
    axes = {name: cell[name] for name in ("framework", "recipe", "dataset", "device", "mode", "dtype", "threads")}
    scale = 1 + list(FRAMEWORKS).index(cell["framework"])
    by_step = {str(step): scale * 1e-16 * math.sqrt(step) for step in (1, 10, 50, 100, 200)}
    single = {"loss": scale * 1e-7, "gradient": scale * 4e-7, "weights": scale * 3e-8, "outputs": scale * 2e-6}
    verdict = {"steps": 200, "float64_deviation": by_step["200"], "by_step": by_step, "deviations": single}
    return axes | {
        "input": cell["input"], "batch_size": 100, "lockstep": "pass", "reason": "", "verdict": verdict,
    }  # fmt: skip


def digit(number: int) -> str:
    """Return an image that is told apart from the others: a bright bar at a place of its own."""
    pixels = [255 if 2 * number + 3 <= n % SIDE < 2 * number + 7 else 0 for n in range(SIDE * SIDE)]
    return base64.b64encode(bytes(pixels)).decode()


def dataset() -> Record:
    """Return a data set's record."""
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    return {
        "name": "mnist", "sha256": "0" * 64, "train_counts": counts, "test_counts": [n // 6 for n in counts],
        "height": SIDE, "width": SIDE, "samples": [digit(number) for number in range(10)],
    }  # fmt: skip


def run() -> Record:
    """Return a run's record."""
    bandwidths = [[2**size, 400e9 / (1 + (size - 14) ** 2 / 20)] for size in range(14, 30, 3)]
    ceiling = {"dtype": "float32", "threads": 2}
    about = {"lock": "8b3cb674a720da71", "numeric_libraries": ["libgomp.so.1"], "denormals": "kept"}
    return {
        "sweep": SWEEP, "machine_kind": "abc", "code": "0" * 16, "commit": "0123456789ab", "python": "3.11.7",
        "machine": {"cpu": "A processor", "physical_cores": 2, "memory_bytes": 24 << 30, "kernel": "6.1"},
        "ceilings": [
            {**ceiling, "device": "cpu", "peak_flops_per_s": 250e9, "bandwidths": bandwidths},
            {**ceiling, "device": "gpu", "peak_flops_per_s": 10e12, "bandwidths": []},
        ],
        "frameworks": {
            f"{name}-cpu": {**about, "versions": {name: "1.2.3", "numpy": "2.4.6", "python": "3.11.7"}}
            for name in FRAMEWORKS
        },
        "preset": {"rounds": 20, "seeds": 3, "looks": [6, 10, 15, 20]}, "data": {"mnist": "0" * 64},
    }  # fmt: skip
