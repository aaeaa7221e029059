"""Freed memory stays with the process: else the system hands the same pages out again at every step."""

from __future__ import annotations

import resource

import numpy as np

from adapters.recipes import RECIPES
from adapters.torch import TorchAdapter
from adapters.weights import initial_weights

STEPS = 5
PAGES = 500  # a step; where malloc gives memory back it takes thousands


def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def test_a_step_takes_no_new_pages():
    recipe, rng = RECIPES["resnet"], np.random.default_rng(0)
    adapter = TorchAdapter(recipe, "cpu", "eager", "float32")
    adapter.set_weights(initial_weights(recipe.model, recipe.initialiser, 0))
    images = rng.random((1, 100, 1, 28, 28), np.float32)
    preloaded = adapter.put(images, rng.integers(0, 10, (1, 100)))
    adapter.train(preloaded, 0, 2 * STEPS)
    before = faults()
    adapter.train(preloaded, 0, STEPS)
    assert faults() - before < PAGES * STEPS
