"""Warm workers in the frameworks' environments give the outputs that NumPy computes from the declaration."""

from __future__ import annotations

import numpy as np
import pytest

from adapters.numpy import NumpyAdapter
from adapters.recipes import RECIPES
from adapters.registry import FRAMEWORKS
from adapters.weights import initial_weights
from benchmarks.models.remote import Warm
from benchmarks.worker.inputs import pixel_values

RECIPE = RECIPES["lenet_tutorial"]
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 1, 28, 28), dtype=np.uint8)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_outputs_are_the_declarations(framework):
    weights = initial_weights(RECIPE.model, RECIPES["lenet"].initialiser, 0)
    oracle = NumpyAdapter(RECIPE, dtype="float64")
    oracle.set_weights(weights)
    batch = oracle.put(pixel_values(RECIPE.pixels, "float64")[IMAGES][None], np.zeros((1, 3), np.int64))
    expected = oracle.fetch(oracle.evaluate(batch, 0, 1))
    with Warm(framework, "cpu", RECIPE, weights, 2) as worker:
        outputs, seconds = worker.outputs(IMAGES)
    np.testing.assert_allclose(outputs, expected, atol=1e-4)
    assert (seconds > 0).all()
    assert worker.about["version"]
