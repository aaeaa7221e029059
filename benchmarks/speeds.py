"""What a speed launch measures of one cell, each quantity in its own column. Runs inside a framework's environment."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from adapters.contract import Adapter
from benchmarks import evidence, latency, measure
from benchmarks.batches import Inputs

CHUNKS = 10
EVAL_CHUNKS = 5
PLAN = ("chunk_steps", "warm_up_chunks", "eval_passes")  # found by a cell's first launch, fixed for the others


def speeds(
    adapter: Adapter,
    inputs: Inputs,
    batch_size: int,
    plan: dict[str, int] | None,
    pipeline: str = "resident",
    chunk_s: float = measure.CHUNK_S,
) -> dict[str, Any]:
    """Time training on full batches that come by `pipeline`, and evaluation on resident ones; return the row's columns.

    `plan` is what an earlier launch of the cell found (PLAN), or None; `chunk_s` is how long a chunk lasts at least.
    """
    begin = time.perf_counter_ns()
    device = measure.DeviceClock(adapter.timer())
    train, end_of_training = batches_by(pipeline, adapter, inputs, batch_size, device)
    test = adapter.put(*next(inputs.test(batch_size)))
    adapter.synchronise((test.images, test.labels))
    placed = time.perf_counter_ns()
    evaluate, settle = measure.evaluation(adapter, test)
    first_step_s, first_eval_s = measure.clock(train, 1), measure.clock(evaluate, 1)
    warming = time.perf_counter_ns()
    if plan is None:
        plan = explore(train, evaluate, chunk_s)
    else:
        train(math.ceil(plan["warm_up_chunks"] * plan["chunk_steps"] * measure.CHUNK_S / chunk_s))
    warm = time.perf_counter_ns()
    began_ns = time.perf_counter_ns()
    timed = measure.time_chunks(train, plan["chunk_steps"], CHUNKS, adapter.get_weights, device)
    between_s = [began_ns / 1e9, time.perf_counter_ns() / 1e9]  # CLOCK_MONOTONIC, which the parent reads, too
    waited_for = latency.latencies(train)
    end_of_training()
    if not all(np.isfinite(array).all() for array in adapter.get_weights().values()):
        return {"status": "nan", "reason": "the weights are not finite after the timed steps"}
    timed_eval = measure.time_chunks(evaluate, plan["eval_passes"], EVAL_CHUNKS, settle)
    eval_samples = plan["eval_passes"] * test.steps * min(batch_size, len(inputs.test_labels))
    return {
        **plan,
        **evidence.columns(timed.counters),
        **waited_for,
        "placing_s": (placed - begin) / 1e9,
        "first_step_s": first_step_s,
        "first_eval_s": first_eval_s,
        "warm_up_s": (warm - warming) / 1e9,
        "train_timed_between_s": between_s,
        "timed_s": sum(timed.chunk_s) + sum(timed_eval.chunk_s),
        "train_samples_per_s": measure.samples_per_s(timed, plan["chunk_steps"] * batch_size),
        "train_chunk_s": timed.chunk_s,
        "train_chunk_device_s": list(timed.device_s) or None,
        "eval_samples_per_s": measure.samples_per_s(timed_eval, eval_samples),
        "cpu_per_wall": timed.cpu_s / timed.wall_s,
        "flags": evidence.flags(timed.counters) + ([] if timed.steady else ["not_steady"]),
    }


def batches_by(
    pipeline: str, adapter: Adapter, inputs: Inputs, batch_size: int, device: measure.DeviceClock
) -> tuple[measure.Work, Callable[[], None]]:
    """Return work(steps) that trains on the first epoch's full batches, and what ends their stream.

    The remainder is never timed.
    """
    if pipeline == "host":
        return measure.feeding(adapter, *inputs.in_memory(batch_size), device)
    resident = adapter.put(*next(inputs.train(0, batch_size)))
    adapter.synchronise((resident.images, resident.labels))
    return measure.training(adapter, resident, device), lambda: None


def explore(train: measure.Work, evaluate: measure.Work, chunk_s: float) -> dict[str, int]:
    """Return PLAN's numbers: steps of a chunk, chunks of 100 ms until the speed held, passes of an evaluated chunk."""
    steps = measure.calibrate(train)
    warm = measure.warm_up(train, steps)
    steps = measure.calibrate(train, steps, chunk_s)  # warm, it may have become faster
    return dict(zip(PLAN, (steps, warm, measure.calibrate(evaluate, 1, chunk_s)), strict=True))
