"""What a micro-benchmark works on: an adapter, and synthetic digits in the shapes of mnist-5k.

The four calls that are timed; what the harness times them with is benchmarks/worker/timing.py's, synchronised alike.

pytest-benchmark's settings, and why:
- `timer` perf_counter, `disable_gc`: the clock and the switched-off collector of a sweep.
- `min_time` 100 us: a shorter call is repeated within a round until the clock's own 0.1 us are a thousandth of it.
- `min_rounds` 30: quartiles of a slow call still rest on several rounds each.
- `warmup`, `warmup_iterations` 100: calls that are not counted, after a first one that compiles; at most a second
  while it calibrates and 100 calls more. Without it a compilation would pass for the length of a call.
- `max_time` stays 1 s, about ten of a sweep's chunks; `--benchmark-max-time` changes it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from adapters.contract import Adapter
from adapters.declaration import Recipe
from adapters.flops import model_flops
from adapters.weights import initial_weights
from benchmarks.worker.inputs import Inputs, pixel_values
from benchmarks.worker.timing import PreloadedBatches, Work, evaluation, training

TRAIN_IMAGES, TEST_IMAGES = 4000, 1000  # as many as mnist-5k has, so that caches see what a sweep's see


@dataclass(frozen=True)
class Cell:
    """One adapter with its recipe's initial weights, and what it is trained on."""

    adapter: Adapter
    inputs: Inputs
    batch_size: int


def synthetic(recipe: Recipe, dtype: str) -> Inputs:
    """Return noise in the shapes of mnist-5k: what is timed depends on shapes alone, and nothing has to be prepared."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (TRAIN_IMAGES, *recipe.model.input_shape), np.uint8)
    labels = generator.integers(0, 10, TRAIN_IMAGES, np.uint8)
    order = np.arange(TRAIN_IMAGES, dtype=np.int32)[None]
    weights = initial_weights(recipe.model, recipe.initialiser, 0)
    test = images[:TEST_IMAGES], labels[:TEST_IMAGES]
    return Inputs(images, labels, *test, order, weights, pixel_values(recipe.pixels, dtype))


def flops(kind: str, recipe: Recipe, batch_size: int) -> int:
    """Return the theoretical FLOPs of one timed call; copying has none."""
    forward, training = model_flops(recipe.model)
    return batch_size * {"put": 0, "evaluate": forward}.get(kind, training)


pytestmark = pytest.mark.benchmark(
    timer=time.perf_counter, disable_gc=True, min_time=1e-4, min_rounds=30, warmup=True, warmup_iterations=100
)


def timed(benchmark: Any, work: Work) -> None:
    """Time `work(1)`, which returns when the device has finished."""
    work(1)  # compiles
    benchmark(work, 1)


def test_step(benchmark: Any, cell: Cell) -> None:
    """One optimiser step on the next of the preloaded batches."""
    images, labels = next(cell.inputs.train(0, cell.batch_size))
    timed(benchmark, training(cell.adapter, PreloadedBatches(cell.adapter, cell.adapter.put(images, labels))))


def test_evaluate(benchmark: Any, cell: Cell) -> None:
    """The outputs of one batch, the same each time, left on the device."""
    images, labels = next(cell.inputs.train(0, cell.batch_size))
    timed(benchmark, evaluation(cell.adapter, cell.adapter.put(images[:1], labels[:1]))[0])


def test_put(benchmark: Any, cell: Cell) -> None:
    """One batch from the host's memory to the device, into the adapter's layout.

    On a CPU some frameworks take a batch of one channel as it lies and copy nothing.
    """
    images, labels = next(cell.inputs.train(0, cell.batch_size))

    def work(times: int) -> None:
        for _ in range(times):
            preloaded = cell.adapter.put(images[:1], labels[:1])
            cell.adapter.synchronise((preloaded.images, preloaded.labels))

    timed(benchmark, work)


def test_dispatch(benchmark: Any, cell: Cell) -> None:
    """One step with next to nothing to compute: what a framework needs to get a step to the device and back."""
    test_step(benchmark, cell)
