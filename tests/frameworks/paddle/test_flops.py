"""What paddle.flops counts, run inside paddle's environment: multiply-adds, and a convolution's bias.

It knows convolutions and fully connected layers, and counts nothing of attention and an LSTM.
"""

from __future__ import annotations

import math
import warnings

import pytest

from adapters import declaration
from adapters.flops import describe
from adapters.recipes import MODELS, RECIPES

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what paddle warns of at import is its own
    import paddle
    from paddle.hapi.dynamic_flops import count_convNd

    from adapters.paddle import PaddleAdapter
    from adapters.paddle.layers import Conv2D

pytestmark = pytest.mark.filterwarnings("default")


@pytest.mark.parametrize("name", MODELS)
def test_paddle_counts_multiply_adds_and_the_bias_of_convolutions(name, monkeypatch):
    # paddle 3.3.1 converts arrays of shape (1,), which NumPy 2.4 refuses:
    # https://numpy.org/doc/stable/release/2.4.0-notes.html#raise-typeerror-on-attempt-to-convert-array-with-ndim-0-to-scalar
    monkeypatch.setattr(paddle.Tensor, "__int__", lambda tensor: tensor.item())
    model = MODELS[name]
    network = PaddleAdapter(RECIPES[name]).network
    # It knows layers by their exact type; ours adds the bias apart, to the same sums.
    counted = paddle.flops(network, [1, *model.input_shape], custom_ops={Conv2D: count_convNd})
    convolutions = [place for place in model.places() if isinstance(place.layer, declaration.Conv2D)]
    biases = sum(math.prod(place.after) for place in convolutions if place.layer.bias)
    layers = describe(RECIPES[name], 1)["layers"]
    expected = sum(layer["forward_flops"] // 2 for layer in layers if layer["layer"] in ("Conv2D", "Dense")) + biases
    print(name, counted, expected)
    assert counted == expected
