"""Why MLX is verified in float32 only: what it calls float64 is not. Where one of these fails, look at `missing`."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest

from adapters.recipes import RECIPES
from tests.frameworks.conftest import BATCH

LIKE_FLOAT32 = (1e-9, 1e-5)


def deviation(found, expected):
    assert found.dtype == mx.float64
    return float(np.abs(np.array(found) - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("name", ["exp", "sigmoid", "softmax", "logsumexp"])
def test_exp_and_what_is_made_of_it_is_computed_in_float32(name):
    x = np.random.default_rng(0).standard_normal((64, 10))
    exp, sums = np.exp(x), np.exp(x).sum(axis=1, keepdims=True)
    expected = {"exp": exp, "sigmoid": exp / (1 + exp), "softmax": exp / sums, "logsumexp": np.log(sums)}[name]
    axis = {"axis": -1} if name in ("softmax", "logsumexp") else {}
    found = getattr(mx, name)(mx.array(x, dtype=mx.float64), **axis)
    low, high = LIKE_FLOAT32
    assert low < deviation(found, expected.reshape(found.shape)) < high


def test_a_convolution_is_computed_in_float32():
    generator = np.random.default_rng(0)
    images, kernel = generator.standard_normal((8, 5, 5, 3)), generator.standard_normal((4, 5, 5, 3))
    found = mx.conv2d(mx.array(images, dtype=mx.float64), mx.array(kernel, dtype=mx.float64))
    low, high = LIKE_FLOAT32
    assert low < deviation(found, np.einsum("bhwc,ohwc->bo", images, kernel)[:, None, None]) < high


def test_in_float64_losses_part_from_the_reference_s_at_the_first_step(adapter_class, oracle_class, made, digits):
    class Asked(adapter_class):
        @classmethod
        def missing(cls, device, mode, dtype, input):
            return None

    batches = digits(1, BATCH, "float64")
    losses = []
    for cls in (Asked, oracle_class):
        adapter = made(cls, RECIPES["mlp"], "eager", "float64")
        preloaded = adapter.put(*batches)
        adapter.train(preloaded, 0, 1)
        losses.append(adapter.losses(preloaded)[0])
    low, high = LIKE_FLOAT32
    assert low < abs(losses[0] / losses[1] - 1) < high
