"""Our FLOP formula against torch's counter, run inside torch's environment."""

from __future__ import annotations

import random
from contextlib import contextmanager
from unittest import mock

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from adapters.declaration import (
    LSTM,
    SGD,
    Activation,
    AvgPool2D,
    Conv2D,
    DeclarationError,
    Dense,
    Flatten,
    MaxPool2D,
    Model,
    Recipe,
)
from adapters.flops import model_flops
from adapters.recipes import MODELS
from adapters.torch import TorchAdapter, layers
from adapters.weights import Arrays


@contextmanager
def taken_apart():
    """Let attention and an LSTM be computed in products that the counter sees."""
    with sdpa_kernel(SDPBackend.MATH), mock.patch.object(layers, "_in_halves", return_value=True):
        yield


def counted(model: Model, batch_size: int = 2) -> tuple[int, int]:
    """Return torch's count of one sample's forward and training FLOPs."""
    adapter = TorchAdapter(Recipe("drawn", model, SGD(0.1)), "cpu", "eager", "float32")
    images = torch.rand(batch_size, *model.input_shape)
    with taken_apart(), FlopCounterMode(display=False) as forward:
        adapter.network(Arrays(adapter.parameters, None), images)
    with taken_apart(), FlopCounterMode(display=False) as training:
        adapter.network(Arrays(adapter.parameters, None), images).sum().backward()
    return forward.get_total_flops() // batch_size, training.get_total_flops() // batch_size


def draw(generator: random.Random) -> Model:
    """Draw a network that can be built; try again where the drawn layers do not fit."""
    while True:
        layers = []
        for _ in range(generator.randint(0, 3)):
            layers.append(
                Conv2D(
                    generator.randint(1, 8), generator.randint(1, 5), generator.randint(1, 3), generator.randint(0, 3)
                )
            )
            layers.append(Activation(generator.choice(("relu", "tanh", "sigmoid"))))
            if generator.random() < 0.5:
                pool = generator.choice((MaxPool2D, AvgPool2D))
                layers.append(pool(generator.randint(1, 3), generator.randint(1, 3)))
        layers.append(Flatten())
        layers += [Dense(generator.randint(1, 64)) for _ in range(generator.randint(0, 3))]
        channels, height, width = generator.randint(1, 3), generator.randint(9, 28), generator.randint(9, 28)
        try:
            return Model("drawn", (*layers, Dense(10)), (channels, height, width))
        except DeclarationError:
            continue


@pytest.mark.parametrize("name", MODELS)
def test_declared_models(name):
    grouped = any(getattr(place.layer, "groups", 1) > 1 for place in MODELS[name].places())
    kinds = 1 if grouped else 2  # of a backward pass through groups it counts what all channels would take
    forward, training = counted(MODELS[name])
    # Nobody needs the gradient of the zeros that an LSTM begins with, which our formula takes for a step as any other.
    lstms = [place.layer for place in MODELS[name].places() if isinstance(place.layer, LSTM)]
    training += sum(2 * 4 * layer.units**2 for layer in lstms)
    assert model_flops(MODELS[name])[:kinds] == (forward, training)[:kinds]


@pytest.mark.parametrize("seed", range(60))
def test_randomly_drawn_models(seed):
    model = draw(random.Random(seed))
    assert model_flops(model) == counted(model), model.layers
