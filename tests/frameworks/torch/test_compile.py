"""What torch.compile is given for a card, run where there is none: Inductor then leaves the graphs out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from adapters import torch as torch_module
from adapters.declaration import SGD
from adapters.numpy import NumpyAdapter
from adapters.recipes import RECIPES
from adapters.torch import graphs
from adapters.weights import initial_weights


@pytest.mark.filterwarnings("default")  # what torch warns of is its own to mend
@pytest.mark.parametrize("optimiser", [SGD(0.1), SGD(0.1, momentum=0.9)])
def test_a_replayed_step_trains_as_the_oracle_does(monkeypatch, optimiser):
    monkeypatch.setattr(torch_module, "compiled", graphs._replayed)
    recipe = replace(RECIPES["linear"], optimiser=optimiser)
    generator = np.random.default_rng(0)
    batches = generator.random((3, 5, *recipe.model.input_shape)), generator.integers(0, 10, (3, 5))
    found = []
    for make, mode in ((torch_module.TorchAdapter, "compiled"), (NumpyAdapter, "eager")):
        adapter = make(recipe, "cpu", mode, "float64")
        adapter.set_weights(initial_weights(recipe.model, recipe.initialiser, 0))
        preloaded = adapter.put(*batches)
        adapter.train(preloaded, 0, 2)
        adapter.set_rate(0.05)
        adapter.train(preloaded, 2, 2)
        outputs = adapter.fetch(adapter.evaluate(preloaded, 0, 3))
        found.append((adapter.losses(preloaded), outputs, *adapter.get_weights().values()))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


def test_a_replay_spares_what_the_one_before_returned(monkeypatch):
    """A graph returns the same memory each time: here it is pretended to."""
    loss, gradient, begun = torch.zeros(()), torch.zeros(2), []
    monkeypatch.setattr(torch, "compile", lambda function, mode: lambda x: ([gradient], loss.add_(x), []))
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: begun.append(True))
    weight = torch.ones(2)
    step = graphs._replayed(lambda x: x, [weight])
    losses = [step(torch.tensor(1.0))[1] for _ in range(3)]
    assert [float(one) for one in losses] == [1.0, 2.0, 3.0]
    assert len(begun) == 3
    assert weight._dynamo_static_input_type == "unguarded"  # its address is promised to stay
