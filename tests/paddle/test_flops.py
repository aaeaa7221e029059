"""What paddle.flops counts, run inside paddle's environment: multiply-adds, and a convolution's bias."""

from __future__ import annotations

import math
import warnings

import pytest

from adapters import declaration as declare
from adapters.recipes import MODELS
from benchmarks.flops import model_flops

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what paddle warns of at import is its own
    import paddle
    from paddle import nn

    from adapters.paddle import ACTIVATIONS

pytestmark = pytest.mark.filterwarnings("default")


def layer_of(layer, shape):
    """Paddle's own layers: its counter knows them by their type."""
    match layer:
        case declare.Conv2D(channels, kernel, stride, padding):
            return nn.Conv2D(shape[0], channels, kernel, stride, padding)
        case declare.Dense(units):
            return nn.Linear(shape[0], units)
        case declare.MaxPool2D(size, stride):
            return nn.MaxPool2D(size, stride)
        case declare.Activation(function):
            return ACTIVATIONS[function]()
        case declare.Flatten():
            return nn.Flatten()


@pytest.mark.parametrize("name", MODELS)
def test_paddle_counts_multiply_adds_and_the_bias_of_convolutions(name, monkeypatch):
    # paddle 3.3.1 converts arrays of shape (1,), which NumPy 2.4 refuses:
    # https://numpy.org/doc/stable/release/2.4.0-notes.html#raise-typeerror-on-attempt-to-convert-array-with-ndim-0-to-scalar
    monkeypatch.setattr(paddle.Tensor, "__int__", lambda tensor: tensor.item())
    model = MODELS[name]
    shapes = model.shapes()
    layers = list(zip(model.layers, shapes, shapes[1:], strict=False))
    network = nn.Sequential(*(layer_of(layer, before) for layer, before, _ in layers))
    counted = paddle.flops(network, [1, *model.input_shape])
    biases = sum(math.prod(after) for layer, _, after in layers if isinstance(layer, declare.Conv2D))
    print(name, counted, model_flops(model)[0] // 2 + biases)
    assert counted == model_flops(model)[0] // 2 + biases
