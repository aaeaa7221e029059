"""The fused mode of torch: loop and updates against the oracle on the processor, graphs where there is a card."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from adapters.declaration import SGD, Adam
from adapters.numpy import NumpyAdapter
from adapters.recipes import RECIPES
from adapters.torch import TorchAdapter, graphs
from adapters.weights import initial_weights

OPTIMISERS = {
    "plain": SGD(0.1),
    "momentum": SGD(0.05, momentum=0.9),
    "nesterov": SGD(0.05, momentum=0.9, nesterov=True),
    "adam": Adam(0.001),
}
DEVICES = [
    "cpu",
    pytest.param("gpu", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")]),
]


@pytest.fixture
def fused(monkeypatch):
    """Make a fused adapter also where there is no card: what is recorded there is the work itself."""
    monkeypatch.setattr(TorchAdapter, "unsupported", classmethod(lambda *_: None))
    return lambda recipe, device: TorchAdapter(recipe, device, "fused", "float64")


def trained(adapter, batches, steps):
    """Return losses and weights after steps in three calls, the rate changed between, begun a second time."""
    weights = initial_weights(adapter.recipe.model, adapter.recipe.initialiser, 0)
    preloaded = adapter.put(*batches)
    for _ in range(2):  # the second time everything but the weights must have been forgotten
        adapter.set_weights(weights)
        adapter.set_rate(adapter.recipe.optimiser.rate)
        adapter.train(preloaded, 0, 2)
        adapter.set_rate(float(np.float32(adapter.recipe.optimiser.rate / 3)))
        adapter.train(preloaded, 2, steps - 3)
        adapter.train(preloaded, steps - 1, 1)
    return adapter.losses(preloaded), adapter.get_weights(), adapter.evaluate(preloaded, 0, preloaded.steps), adapter


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", OPTIMISERS)
def test_steps_wrap_round_and_agree_with_the_oracle(fused, name, device):
    recipe = replace(RECIPES["lenet"], optimiser=OPTIMISERS[name])
    generator = np.random.default_rng(0)
    batches = generator.random((7, 5, 1, 28, 28)), generator.integers(0, 10, (7, 5))
    steps = graphs.UNROLLED + 5
    *found, adapter = trained(fused(recipe, device), batches, steps)
    *expected, oracle = trained(NumpyAdapter(recipe, "cpu", "eager", "float64"), batches, steps)
    assert np.abs(found[0] / expected[0] - 1).max() < 1e-12
    for key, array in expected[1].items():
        assert np.abs(found[1][key] - array).max() < 1e-12
    assert np.abs(adapter.fetch(found[2]) - oracle.fetch(expected[2])).max() < 1e-11
    assert adapter.placement() == device


@pytest.mark.parametrize("device", DEVICES)
def test_an_evaluation_is_replayed_and_outlives_the_next(fused, device):
    adapter = fused(RECIPES["mlp"], device)
    adapter.set_weights(initial_weights(RECIPES["mlp"].model, RECIPES["mlp"].initialiser, 0))
    batches = graphs.UNROLLED + 3
    preloaded = adapter.put(np.random.default_rng(0).random((batches, 4, 1, 28, 28)), np.zeros((batches, 4), np.int64))
    first = adapter.evaluate(preloaded, 0, batches)
    before = adapter.fetch(first).copy()
    adapter.train(preloaded, 0, 2)
    second = adapter.fetch(adapter.evaluate(preloaded, 0, batches))
    np.testing.assert_array_equal(adapter.fetch(first), before)
    assert (second != before).any()
    np.testing.assert_array_equal(adapter.fetch(adapter.evaluate(preloaded, 2, 3)), second[8:20])
    assert np.isnan(adapter.losses(preloaded)[2:]).all()


def test_a_graph_needs_a_card_and_preloaded_data():
    assert "need a GPU" in TorchAdapter.unsupported("cpu", "fused", "float32")
    assert "preloaded" in TorchAdapter.unsupported("gpu", "fused", "float32", "host")
    assert TorchAdapter.unsupported("gpu", "fused", "float32") is None


def test_on_a_card_graphs_are_recommended_and_a_compiler_where_batches_are_fed(monkeypatch):
    model = RECIPES["lenet"].model
    found = [TorchAdapter.recommended_mode(model, *place) for place in (("cpu",), ("gpu",), ("gpu", "host"))]
    assert found == ["eager", "fused", "compiled"]
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert TorchAdapter.recommended_mode(model, "gpu", "host") == "eager"
    assert "install gcc" in TorchAdapter.unsupported("gpu", "compiled", "float32")


def test_gradients_leave_the_weights(fused):
    recipe = RECIPES["mlp"]
    adapter, oracle = fused(recipe, "cpu"), NumpyAdapter(recipe, "cpu", "eager", "float64")
    generator = np.random.default_rng(0)
    batches = generator.random((2, 5, 1, 28, 28)), generator.integers(0, 10, (2, 5))
    for made in (adapter, oracle):
        made.set_weights(initial_weights(recipe.model, recipe.initialiser, 0))
    expected = oracle.gradients(oracle.put(*batches), 1)
    for name, gradient in adapter.gradients(adapter.put(*batches), 1).items():
        assert np.abs(gradient - expected[name]).max() < 1e-14
