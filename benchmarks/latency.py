"""Latency: how long one training step takes when each is waited for, and how much of it is not arithmetic.

Throughput comes from chunks (measure.py), in which steps may overlap; a step that is waited for is another quantity,
and the two stand in columns of their own. Runs inside a framework's environment.
"""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adapters.contract import Adapter
from adapters.recipes import RECIPES
from adapters.weights import initial_weights
from benchmarks.measure import Work, clock, training

LATENCY_S, DISPATCH_S = 0.25, 0.1
FEWEST, MOST = 20, 5000  # steps; fewer than 20 have no 95th percentile, fewer than 100 no 99th
EMPTY = RECIPES["linear"]  # the smallest declared network; with one sample there is next to nothing to compute


def single_steps(train: Work, enough_s: float) -> list[float]:
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


def percentile(taken: Sequence[float], percent: int) -> float | None:
    """Return the smallest value that at least `percent` % do not exceed; None where one of them alone would say it."""
    if len(taken) * (100 - percent) < 100:
        return None
    return sorted(taken)[math.ceil(len(taken) * percent / 100) - 1]


def latencies(train: Work) -> dict[str, Any]:
    """Return the row's columns on steps that are waited for; `train` is warm."""
    taken = single_steps(train, LATENCY_S)
    columns = {f"step_latency_p{percent}_s": percentile(taken, percent) for percent in (50, 95, 99)}
    return {**columns, "latency_steps": len(taken)}


def dispatch_s(adapter_class: Callable[..., Adapter], device: str, mode: str, dtype: str) -> float:
    """Return the median seconds of a step with next to nothing to compute, in this mode: what a step costs at least."""
    adapter = adapter_class(EMPTY, device, mode, dtype)
    adapter.set_weights(initial_weights(EMPTY.model, EMPTY.initialiser, 0))
    images = np.zeros((1, 1, *EMPTY.model.input_shape), adapter.dtype)
    train = training(adapter, adapter.put(images, np.zeros((1, 1), np.int64)))
    train(1)  # compiles
    single_steps(train, DISPATCH_S / 4)
    return statistics.median(single_steps(train, DISPATCH_S))
