"""What a micro-benchmark works on: an adapter, and synthetic digits in the shapes of mnist-5k."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adapters.contract import Adapter
from adapters.declaration import Recipe
from adapters.weights import initial_weights
from benchmarks.batches import Inputs, pixel_values
from benchmarks.flops import model_flops

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
    images = generator.integers(0, 256, (TRAIN_IMAGES, *recipe.model.input_shape[1:]), np.uint8)
    labels = generator.integers(0, 10, TRAIN_IMAGES, np.uint8)
    order = np.arange(TRAIN_IMAGES, dtype=np.int32)[None]
    weights = initial_weights(recipe.model, recipe.initialiser, 0)
    test = images[:TEST_IMAGES], labels[:TEST_IMAGES]
    return Inputs(images, labels, *test, order, weights, pixel_values(recipe.pixels, dtype))


def flops(kind: str, recipe: Recipe, batch_size: int) -> int:
    """Return the theoretical FLOPs of one timed call; copying has none."""
    forward, training = model_flops(recipe.model)
    return batch_size * {"put": 0, "evaluate": forward}.get(kind, training)
