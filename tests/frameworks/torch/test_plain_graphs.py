"""The hand-written graph loops that the adapter is held against on a card: here their graphs only do the work again."""

from __future__ import annotations

import numpy as np

from adapters.recipes import RECIPES
from adapters.weights import initial_weights
from tests.baselines.loops import torch as loops


def test_plain_graph_loops_train_as_plain_functions_do(monkeypatch):
    monkeypatch.setattr(loops, "graphed", lambda work, own, pool: work)
    generator, recipe = np.random.default_rng(0), RECIPES["mlp"]
    steps = 2 * loops.WINDOW + 5
    images, labels = generator.random((steps, 4, 1, 28, 28)).astype("float32"), generator.integers(0, 10, (steps, 4))
    weights = initial_weights(recipe.model, recipe.initialiser, 0)
    weights = {name: array.astype("float32") for name, array in weights.items()}
    losses = []
    for make in (loops.functions, *loops.LOOPS["fused"]):
        run = make("mlp", images, labels, weights, "cpu")
        losses.append([run(0, 5), run(5, steps + 3), run(2, 1)])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-6)
    np.testing.assert_allclose(losses[2], losses[0], rtol=1e-6)
