"""What a speed launch measures of one cell, each quantity in its own column. Runs inside a framework's environment.

Throughput comes from chunks (timing.py), in which steps may overlap. How long one step takes when each is waited for is
another quantity, and so is what a step with next to nothing to compute costs: both have columns of their own.
"""

from __future__ import annotations

import gc
import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adapters.contract import Adapter
from adapters.recipes import RECIPES
from adapters.weights import initial_weights
from benchmarks.worker import clocks as time
from benchmarks.worker import interference, replay, timing
from benchmarks.worker.inputs import Inputs
from benchmarks.worker.protocol import Plan
from benchmarks.worker.timing import FedBatches, PreloadedBatches, Work, clock, training

LATENCY_S, DISPATCH_S = 0.25, 0.1
FEWEST, MOST = 20, 5000  # steps; fewer than 20 have no 95th percentile, fewer than 100 no 99th
EMPTY = RECIPES["linear"]  # the smallest declared network; with one sample there is next to nothing to compute


def _single_steps(train: Work, enough_s: float) -> list[float]:
    """Return the seconds of single steps, each waited for, one after the other until they are `enough_s` in all."""
    taken: list[float] = []
    end = time.perf_counter() + enough_s
    gc.collect()
    gc.disable()
    try:
        while len(taken) < FEWEST or (len(taken) < MOST and time.perf_counter() < end):
            taken.append(clock(train, 1))
    finally:
        gc.enable()
    return taken


def _percentile(taken: Sequence[float], percent: int) -> float | None:
    """Return the smallest value that at least `percent` % do not exceed; None where one value alone would decide it."""
    if len(taken) * (100 - percent) < 100:
        return None
    return sorted(taken)[math.ceil(len(taken) * percent / 100) - 1]


def _latencies(train: Work) -> dict[str, Any]:
    """Return the row's columns on steps that are waited for; `train` is warm."""
    taken = _single_steps(train, LATENCY_S)
    columns = {f"step_latency_p{percent}_s": _percentile(taken, percent) for percent in (50, 95, 99)}
    return {**columns, "latency_steps": len(taken)}


def dispatch_s(adapter_class: Callable[..., Adapter], device: str, mode: str, dtype: str) -> float:
    """Return the median seconds of a step with next to nothing to compute, in this mode: what a step costs at least."""
    adapter = adapter_class(EMPTY, device, mode, dtype)
    adapter.set_weights(initial_weights(EMPTY.model, EMPTY.initialiser, 0))
    images = np.zeros((1, 1, *EMPTY.model.input_shape), adapter.dtype)
    train = training(adapter, PreloadedBatches(adapter, adapter.put(images, np.zeros((1, 1), np.int64))))
    train(1)  # compiles
    _single_steps(train, DISPATCH_S / 4)
    return statistics.median(_single_steps(train, DISPATCH_S))


CHUNKS = 10
EVAL_CHUNKS = 5
EARLY_SAMPLES, EARLY_STEPS = 4000, 200  # what every chunk begins from is trained on so many, at most
CALL_SHARE, MANY = 0.05, 10  # what a call may cost, as a share of its steps; how many of these show that
PLAN = tuple(Plan.__annotations__)  # these columns: found by a cell's first launch, fixed for the others


def speeds(
    adapter: Adapter,
    inputs: Inputs,
    batch_size: int,
    plan: Plan | None,
    input: str = "preloaded",
    chunk_s: float = timing.CHUNK_S,
    judged_steps: int = 1,
    evidence: Path | None = None,
) -> dict[str, Any]:
    """Time training on full batches that come by `input`, and evaluation on preloaded ones; return the row's columns.

    `plan` is what an earlier launch of the cell found, or None; `chunk_s` is how long a chunk lasts at least. What
    `judged_steps` of the timed steps, or more, started from and led to goes to the file `evidence`; the chunks of a new
    plan have as many steps.
    """
    begin = time.perf_counter_ns()
    device = timing.DeviceClock(adapter.timer())
    batches = _batches_by(input, adapter, inputs, batch_size)
    train = training(adapter, batches, device)
    test = adapter.put(*next(inputs.test(batch_size)))
    adapter.synchronise((test.images, test.labels))
    placed = time.perf_counter_ns()
    evaluate, settle = timing.evaluation(adapter, test)
    first_step_s, first_eval_s = timing.clock(train, 1), timing.clock(evaluate, 1)
    warming = time.perf_counter_ns()
    early = min(EARLY_STEPS, math.ceil(EARLY_SAMPLES / batch_size))
    train(early)
    start = adapter.snapshot()()  # makes a copy on the device once, before any is timed
    if plan is None:
        fewest = math.ceil(judged_steps / CHUNKS)
        plan = _explore(train, evaluate, chunk_s, fewest, replay.calls_are_whole(adapter))
    else:
        train(max(1, math.ceil(plan["warm_up_chunks"] * plan["chunk_steps"] * timing.CHUNK_S / chunk_s) - early))
    warm = time.perf_counter_ns()
    heat, began_ns = interference.heat(), time.perf_counter_ns()
    steps = plan["chunk_steps"]
    recorder = replay.Recorder(adapter, batches, start, steps, CHUNKS, judged_steps, device.start, device.stop)
    timed = timing.time_chunks(recorder.work, steps, CHUNKS, adapter.get_weights, device, recorder)
    timing.check_pauses(timed, recorder.copied_bytes, len(recorder.start), adapter.device)
    between_s = [began_ns / 1e9, time.perf_counter_ns() / 1e9]  # CLOCK_MONOTONIC, which the parent reads, too
    hot = interference.heat() > heat
    waited_for = _latencies(train)
    batches.close()
    last = adapter.get_weights()
    if not all(np.isfinite(array).all() for array in last.values()):
        return {"status": "nan", "reason": "the weights are not finite after the timed steps"}
    timed_eval = timing.time_chunks(evaluate, plan["eval_passes"], EVAL_CHUNKS, settle)
    if evidence:
        replay.write(evidence, recorder.windows, replay.Evaluation(last, settle()))
    eval_samples = plan["eval_passes"] * test.steps * min(batch_size, len(inputs.test_labels))
    return {
        **plan,
        **interference.columns(timed.counters),
        **waited_for,
        "placing_s": (placed - begin) / 1e9,
        "first_step_s": first_step_s,
        "first_eval_s": first_eval_s,
        "warm_up_s": (warm - warming) / 1e9,
        "train_timed_between_s": between_s,
        "timed_s": sum(timed.chunk_s) + sum(timed_eval.chunk_s),
        "train_samples_per_s": timing.samples_per_s(timed, plan["chunk_steps"] * batch_size),
        "train_chunk_s": timed.chunk_s,
        "train_chunk_device_s": list(timed.device_s) or None,
        "eval_samples_per_s": timing.samples_per_s(timed_eval, eval_samples),
        "cpu_per_wall": timed.cpu_s / timed.wall_s,
        "flags": interference.flags(timed.counters, hot) + ([] if timed.steady else ["drifting"]),
    }


def _batches_by(input: str, adapter: Adapter, inputs: Inputs, batch_size: int) -> PreloadedBatches | FedBatches:
    """Return the first epoch's full batches to train on; the remainder is never timed."""
    if input == "host":
        return FedBatches(adapter, *inputs.in_memory(batch_size))
    preloaded = adapter.put(*next(inputs.train(0, batch_size)))
    adapter.synchronise((preloaded.images, preloaded.labels))
    return PreloadedBatches(adapter, preloaded)


def _pays_for_a_call(train: Work, steps: int, took_s: float) -> int:
    """Return beside how many steps what a call costs is CALL_SHARE; `steps` of them, 2 or more, took `took_s`."""
    once_s = min(clock(train, 1) for _ in range(3))
    call_s = min(max(0.0, (steps * once_s - took_s) / (steps - 1)), 0.9 * took_s)
    return math.ceil(call_s / CALL_SHARE * steps / (took_s - call_s))


def _explore(train: Work, evaluate: Work, chunk_s: float, fewest: int, whole: bool) -> Plan:
    """Return steps of a chunk, `fewest` or more, chunks of 100 ms until the speed held, passes of evaluating."""
    steps = timing.calibrate(train, MANY if whole else 1)
    warm = timing.warm_up(train, steps)
    if whole:
        fewest = max(fewest, _pays_for_a_call(train, steps, min(warm[-2:])))
    steps = max(fewest, timing.enough(steps, min(warm[-2:]), chunk_s))  # warm, it may have become faster
    return Plan(chunk_steps=steps, warm_up_chunks=len(warm), eval_passes=timing.calibrate(evaluate, 1, chunk_s))
