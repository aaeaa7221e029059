"""The layers of today's networks, all of them in four small ones: each framework and mode computes what NumPy does.

Norms and what they keep, residuals, tokens, attention, an LSTM, groups, the two gelu, smoothed labels, decayed weights.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest

from adapters.contract import MODES, NARROW
from adapters.declaration import (
    LSTM,
    SGD,
    Activation,
    Adam,
    BatchNorm,
    Conv2D,
    Dense,
    Flatten,
    GlobalAvgPool,
    LayerNorm,
    Model,
    Patches,
    PositionEmbedding,
    Recipe,
    Reshape,
    Residual,
    RMSNorm,
    SelfAttention,
)
from adapters.weights import initial_weights
from tests.frameworks.conftest import BATCH, precise

STEPS = 5
RELU, GELU, GELU_TANH = (Activation(name) for name in ("relu", "gelu", "gelu_tanh"))


def conv(channels, kernel=3, stride=1, groups=1):
    return Conv2D(channels, kernel, stride, kernel // 2, groups, bias=False), BatchNorm()


IMAGES = Model(  # of three channels; one residual within another, a shortcut that is empty and one that is not
    "images",
    (
        *(*conv(6), RELU),
        Residual((*conv(8, stride=2), RELU, Residual((Conv2D(8, 3, padding=1), GELU))), (*conv(8, 1, 2),)),
        *(RELU, GlobalAvgPool(), Dense(10)),
    ),
    (3, 8, 8),
)
GROUPS = Model(  # depthwise, then two groups with more outputs than inputs; the last norm is of a vector
    "groups",
    (
        *(Conv2D(4, 3), GELU, *conv(4, 3, 1, 4), RELU, Conv2D(6, 3, 2, groups=2), GELU_TANH),
        *(Flatten(), Dense(9, bias=False), BatchNorm(0.5, 1e-3), RELU, Dense(10)),
    ),
    (1, 8, 8),
)
TOKENS = Model(
    "tokens",
    (
        *(Patches(4, 2), Dense(8), PositionEmbedding(), Residual((LayerNorm(), SelfAttention(2)))),
        Residual((LayerNorm(1e-3), Dense(12), GELU, RMSNorm(1e-3), Dense(8, bias=False))),
        *(GlobalAvgPool(), LayerNorm(), Dense(10)),
    ),
    (3, 8, 8),
)
SEQUENCE = Model(  # images made of tokens and tokens of images, both with two channels
    "sequence",
    (
        *(Patches(2, 8), LSTM(8, sequence=True), GELU_TANH, Reshape((2, 4, 4)), Patches(2, 4), LSTM(8)),
        *(RMSNorm(), Reshape((2, 2, 2)), Conv2D(4, 2), Flatten(), Dense(10)),
    ),
    (2, 8, 8),
)
RECIPES = {
    "images": Recipe("images", IMAGES, SGD(0.05, 0.9, nesterov=True), label_smoothing=0.1),
    "groups": Recipe("groups", GROUPS, SGD(0.05)),
    "tokens": Recipe("tokens", TOKENS, Adam(0.01, weight_decay=0.1), label_smoothing=0.1),
    "sequence": Recipe("sequence", SEQUENCE, Adam(0.01)),
}
# Of losses, gradients, arrays and outputs, each against its own norm. Measured: 1e-14 and 5e-6, both of gradients.
BOUND = {"float64": 1e-12, "float32": 1e-4}


def batches(model, seed=0):
    """Return batches that can be learnt: images (S, B, C, H, W), labels (S, B)."""
    generator = np.random.default_rng(seed)
    pictures = np.random.default_rng(99).random((10, *model.input_shape))
    labels = generator.integers(0, 10, (STEPS, BATCH))
    return pictures[labels] * (0.5 + 0.5 * generator.random((STEPS, BATCH, *model.input_shape))), labels


def beginning(recipe):
    """Return weights in which no array is all zeros or all ones, as biases, norms and statistics begin."""
    generator = np.random.default_rng(3)
    weights = initial_weights(recipe.model, recipe.initialiser, 1)
    noise = {name: 0.1 * generator.random(array.shape) for name, array in weights.items()}
    return {name: (array + noise[name]).astype(np.float32).astype(np.float64) for name, array in weights.items()}


@functools.cache
def built(cls, name, mode, dtype):
    """Return the same adapter to each test, so that a network is compiled once."""
    return cls(RECIPES[name], "cpu", mode, dtype)


def started(cls, name, mode, dtype):
    """Return an adapter with its weights, and its batches."""
    adapter, recipe = built(cls, name, mode, dtype), RECIPES[name]
    adapter.set_weights(beginning(recipe))
    images, labels = batches(recipe.model)
    return adapter, adapter.put(images.astype(adapter.dtype), labels)


def able(adapter_class, mode, dtype):
    if reason := adapter_class.unsupported("cpu", mode, dtype):
        pytest.skip(f"its adapter says: {reason}")


def apart(found, expected):
    """Return by how much arrays by name part, each in units of its own norm: the worst of them, with its name."""
    assert list(found) == list(expected)
    return max((np.linalg.norm(found[name] - expected[name]) / np.linalg.norm(expected[name]), name) for name in found)


def trained(cls, name, mode, dtype):
    """Return what a network computes: gradients, then by training losses and arrays, then outputs."""
    adapter, preloaded = started(cls, name, mode, dtype)
    gradients = adapter.gradients(preloaded, 1)
    adapter.train(preloaded, 0, STEPS)
    outputs = adapter.fetch(adapter.evaluate(preloaded, 1, 2))
    losses = {"losses": adapter.losses(preloaded)}
    return {"gradients": gradients, "losses": losses, "arrays": adapter.get_weights(), "outputs": {"outputs": outputs}}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", RECIPES)
def test_training_and_evaluating_equal_the_reference_s(adapter_class, oracle_class, record_property, name, mode):
    dtype = precise(adapter_class)
    able(adapter_class, mode, dtype)
    expected = trained(oracle_class, name, "eager", "float64")
    for kind, found in trained(adapter_class, name, mode, dtype).items():
        by, which = apart(found, expected[kind])
        record_property(f"{adapter_class.framework} {name} {mode} {kind}", float(by))
        print(f"{adapter_class.framework} {mode} {name} {kind}: {which} {by:.1e}")
        assert by < BOUND[dtype], f"{kind}: {which} parts from the reference by {by:.1e} of its norm"


@pytest.mark.parametrize("mode", MODES)
def test_only_a_step_moves_the_statistics_and_setting_weights_sets_them(adapter_class, mode):
    dtype = precise(adapter_class)
    able(adapter_class, mode, dtype)
    adapter, preloaded = started(adapter_class, "groups", mode, dtype)
    begin = adapter.get_weights()
    adapter.gradients(preloaded, 0)
    first = adapter.fetch(adapter.evaluate(preloaded, 0, 2))
    assert apart(adapter.get_weights(), begin)[0] == 0
    fetch = adapter.snapshot()
    adapter.train(preloaded, 0, 2)
    moved = adapter.get_weights()
    for name, array in fetch().items():
        np.testing.assert_array_equal(array, begin[name], err_msg=name)
        assert (array != moved[name]).any(), name
    adapter.set_weights(begin)
    np.testing.assert_array_equal(adapter.fetch(adapter.evaluate(preloaded, 0, 2)), first)


@pytest.mark.parametrize("mode", MODES)
def test_steps_that_are_fed_move_the_statistics_as_well(adapter_class, mode):
    dtype = precise(adapter_class)
    able(adapter_class, mode, dtype)
    if reason := adapter_class.unsupported("cpu", mode, dtype, "host"):
        pytest.skip(f"its adapter says: {reason}")
    adapter, preloaded = started(adapter_class, "groups", mode, dtype)
    adapter.train(preloaded, 0, 3)
    expected = adapter.get_weights()
    adapter, _ = started(adapter_class, "groups", mode, dtype)
    images, labels = batches(GROUPS)
    order = np.arange(labels.size).reshape(labels.shape)
    feed = adapter.feed(images.astype(adapter.dtype).reshape(-1, *GROUPS.input_shape), labels.reshape(-1), order)
    adapter.train_fed(feed, 3)
    adapter.synchronise()
    feed.close()
    assert apart(adapter.get_weights(), expected)[0] < BOUND[dtype] < apart(beginning(RECIPES["groups"]), expected)[0]


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("name", RECIPES)
def test_narrow_precisions_round_what_is_multiplied_alone(adapter_class, oracle_class, name, dtype):
    able(adapter_class, "eager", dtype)
    epsilon = {"bfloat16": 2.0**-8, "float16": 2.0**-11}[dtype]
    oracle, reference = started(oracle_class, name, "eager", "float64")
    expected = oracle.fetch(oracle.evaluate(reference, 0, 3))
    slopes = oracle.gradients(reference, 1)
    adapter, preloaded = started(adapter_class, name, "eager", dtype)
    outputs = adapter.fetch(adapter.evaluate(preloaded, 0, 3))
    assert outputs.dtype == np.float32
    by = np.linalg.norm(outputs - expected) / np.linalg.norm(expected)
    print(f"{adapter_class.framework} {name} {dtype}: outputs {by / epsilon:.2f} epsilon")
    assert epsilon / 100 < by < 8 * epsilon
    gradients = adapter.gradients(preloaded, 1)
    found, expected = (np.concatenate([part[key].ravel() for key in slopes]) for part in (gradients, slopes))
    assert np.linalg.norm(found - expected) < 0.1 * np.linalg.norm(expected)
