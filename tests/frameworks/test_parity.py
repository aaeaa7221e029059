"""Lockstep: every framework computes what the float64 NumPy oracle computes, step by step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from adapters.contract import MODES
from adapters.declaration import SGD, Adam
from adapters.recipes import HEADLINE, RECIPES
from tests.frameworks.conftest import BATCH, long_of_today, precise

# Measured possible: 1.7e-15. In float32, where a framework has no float64, 8e-7 of losses and 1e-5 of gradients.
BOUND = {"float64": 1e-12, "float32": 1e-4}
OPTIMISERS = {
    "momentum": SGD(0.05, momentum=0.9),
    "nesterov": SGD(0.05, momentum=0.9, nesterov=True),
    "adam": Adam(0.001),
}


def losses(adapter, batches, steps):
    """Return the loss of each step, with a change of the rate half way."""
    preloaded = adapter.put(batches[0].astype(adapter.dtype), batches[1])
    adapter.train(preloaded, 0, steps // 2)
    adapter.set_rate(float(np.float32(adapter.recipe.optimiser.rate / 3)))
    adapter.train(preloaded, steps // 2, steps - steps // 2)
    return adapter.losses(preloaded)


def check(adapter_class, oracle_class, made, batches, recipe, steps, record_property):
    """Hold every mode to the oracle: the recommended one over all steps, the others over ten at most."""
    oracles = {}
    for mode in MODES:
        if adapter_class.unsupported("cpu", mode, precise(adapter_class)):
            continue
        count = steps if mode == adapter_class.recommended_mode(recipe.model, "cpu") else min(10, steps)
        some = tuple(part[:count] for part in batches)
        if count not in oracles:
            oracles[count] = losses(made(oracle_class, recipe, "eager"), some, count)
        expected, found = oracles[count], losses(made(adapter_class, recipe, mode), some, count)
        worst = float(np.abs(found / expected - 1).max())
        record_property(f"{adapter_class.framework} {recipe.name} {mode}", worst)
        print(f"{adapter_class.framework} {mode} {recipe.name} {type(recipe.optimiser).__name__}: {worst:.1e}")
        assert worst < BOUND[precise(adapter_class)], f"{mode}: losses part from the oracle by {worst:.1e}"


@pytest.mark.parametrize("name", HEADLINE)
def test_fifty_steps_of_the_headline_models(adapter_class, oracle_class, made, digits, record_property, name):
    batches = digits(50, BATCH, "float64")  # the gate proves larger batches in every sweep
    check(adapter_class, oracle_class, made, batches, RECIPES[name], 50, record_property)


@pytest.mark.parametrize("name", [long_of_today(name) for name in RECIPES if name not in HEADLINE])
def test_every_recipe(adapter_class, oracle_class, made, digits, record_property, name):
    batches = digits(8, BATCH, "float64")
    check(adapter_class, oracle_class, made, batches, RECIPES[name], 8, record_property)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_every_optimiser(adapter_class, oracle_class, made, digits, record_property, name):
    recipe = replace(RECIPES["mlp"], optimiser=OPTIMISERS[name])
    check(adapter_class, oracle_class, made, digits(20, BATCH, "float64"), recipe, 20, record_property)


def test_a_relu_has_no_slope_at_zero(adapter_class, oracle_class, made, digits):
    """As MNIST's black border makes of biases that are 0; a maximum(x, 0) may have half a slope there."""
    images, labels = digits(1, BATCH, "float64", seed=6)
    images[..., :8, :] = 0.0
    recipe = RECIPES["cnn_20_20"]
    oracle = made(oracle_class, recipe)
    expected = oracle.gradients(oracle.put(images, labels), 0)
    adapter = made(adapter_class, recipe)
    found = adapter.gradients(adapter.put(images.astype(adapter.dtype), labels), 0)
    for parameter, gradient in expected.items():
        apart = np.abs(found[parameter] - gradient).max() / np.abs(gradient).max()
        assert apart < BOUND[precise(adapter_class)], f"{parameter} by {apart:.1e}"


@pytest.mark.parametrize("name", HEADLINE)
def test_gradients_and_weights_untouched_by_them(adapter_class, oracle_class, made, digits, name):
    batches = digits(2, BATCH, "float64", seed=4)
    oracle = made(oracle_class, RECIPES[name])
    expected = oracle.gradients(oracle.put(*batches), 1)
    for mode in MODES:
        if adapter_class.unsupported("cpu", mode, precise(adapter_class)):
            continue
        adapter = made(adapter_class, RECIPES[name], mode)
        before = adapter.get_weights()
        found = adapter.gradients(adapter.put(batches[0].astype(adapter.dtype), batches[1]), 1)
        assert list(found) == list(expected)
        for parameter, gradient in found.items():
            scale = np.linalg.norm(expected[parameter])
            assert np.linalg.norm(gradient - expected[parameter]) < BOUND[adapter.dtype] * scale, (mode, parameter)
            np.testing.assert_array_equal(adapter.get_weights()[parameter], before[parameter])
