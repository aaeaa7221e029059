"""What the first call compiles must be all: a second compilation would fall into what is timed."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from adapters.contract import MODES
from adapters.jax import JaxAdapter
from adapters.recipes import RECIPES
from adapters.weights import initial_weights

COMPILED = "/jax/core/compile/backend_compile_duration"


@pytest.fixture
def compilations():
    found = []

    def listener(event, duration, **_):
        if event == COMPILED:
            found.append(duration)

    jax.monitoring.register_event_duration_secs_listener(listener)
    yield found
    jax.monitoring.unregister_event_duration_listener(listener)


@pytest.mark.parametrize("mode", MODES)
def test_only_the_first_step_and_the_first_evaluation_compile(mode, compilations):
    recipe = RECIPES["mlp"]
    adapter = JaxAdapter(recipe, "cpu", mode, "float32")
    images, labels = np.zeros((3, 7, 1, 28, 28), "float32"), np.zeros((3, 7), np.int64)
    preloaded = adapter.put(images, labels)
    adapter.train(preloaded, 0, 1)
    adapter.fetch(adapter.evaluate(preloaded, 0, 1))
    assert compilations
    del compilations[:]
    adapter.set_weights(initial_weights(recipe.model, recipe.initialiser, 0))
    for same in (preloaded, adapter.put(images, labels)):
        for _ in range(2):
            adapter.train(same, 0, 3)
            adapter.fetch(adapter.evaluate(same, 0, 3))
    assert compilations == []
