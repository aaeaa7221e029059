"""The oracle's hand-written gradients against central differences, for everything the language has."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from adapters import declaration
from adapters.declaration import Recipe, Residual
from adapters.numpy import NumpyAdapter, layers
from adapters.numpy.base import Weighted
from adapters.numpy.functions import cross_entropy, erf, mean_squared_error
from adapters.weights import initial_weights

IMAGE = (4, 2, 9, 8)  # (C, N, H, W)
VECTOR = (4, 7)  # (N, features)
TOKENS = (3, 5, 6)  # (N, T, D)
LAYERS = [
    *(
        (declaration.Conv2D(4, kernel, stride, padding), IMAGE)
        for kernel in (1, 2, 3, 5)
        for stride in (1, 2, 3)
        for padding in (0, 1, 2)
    ),
    (declaration.Conv2D(6, 3, 1, 1, groups=2, bias=False), IMAGE),
    (declaration.Conv2D(8, 3, 2, 1, groups=4), IMAGE),
    *(
        (pool(size, stride), IMAGE)
        for pool in (declaration.MaxPool2D, declaration.AvgPool2D)
        for size in (1, 2, 3)
        for stride in (1, 2, 3)
    ),
    (declaration.GlobalAvgPool(), IMAGE),
    (declaration.GlobalAvgPool(), TOKENS),
    (declaration.Dense(5), VECTOR),
    (declaration.Dense(5, bias=False), TOKENS),
    (declaration.Dense(3), TOKENS),
    (declaration.Flatten(), IMAGE),
    (declaration.Flatten(), TOKENS),
    (declaration.Reshape((6, 48)), IMAGE),
    (declaration.Reshape((2, 5, 3)), TOKENS),
    (declaration.Patches(3, 4), IMAGE),
    (declaration.Patches(1, 8), IMAGE),
    (declaration.PositionEmbedding(), TOKENS),
    (declaration.BatchNorm(0.7, 0.01), IMAGE),
    (declaration.BatchNorm(0.7, 0.01), VECTOR),
    (declaration.LayerNorm(0.01), VECTOR),
    (declaration.LayerNorm(0.01), TOKENS),
    (declaration.RMSNorm(0.01), VECTOR),
    (declaration.RMSNorm(0.01), TOKENS),
    (declaration.SelfAttention(2), TOKENS),
    (declaration.SelfAttention(1), TOKENS),
    (declaration.LSTM(4), TOKENS),
    (declaration.LSTM(4, sequence=True), TOKENS),
    (Residual((declaration.Dense(6), declaration.Activation("tanh"))), TOKENS),
    (Residual((declaration.Conv2D(2, 3, 2, 1),), (declaration.Conv2D(2, 1, 2),)), IMAGE),
    *((declaration.Activation(name), VECTOR) for name in declaration.FUNCTIONS),
    (declaration.Activation("relu"), IMAGE),
]
LOSSES = {
    "cross_entropy": cross_entropy,
    "label smoothing": lambda outputs, labels: cross_entropy(outputs, labels, 0.1),
    "mean_squared_error": mean_squared_error,
}


def sample_of(shape):
    """Return the shape of one sample of an array as the reference network has it."""
    return (shape[0], *shape[2:]) if len(shape) == 4 else shape[1:]


def layer_of(declared, shape, generator):
    places = list(declaration._walk((declared,), sample_of(shape), "", True))
    layer = layers.make(declared, iter(places))
    for part, place in zip(layer.parts(), places, strict=True):
        for name, (size, _) in place.layer.parameters(place.before).items():
            setattr(part, name, generator.normal(size=size))
        for name, (size, _) in place.layer.statistics(place.before).items():
            setattr(part, name, generator.uniform(0.5, 2, size))
    return layer


def central_difference(function, x, step=1e-6):
    """Return the gradient of a scalar function of one array, element by element."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        kept = x[index]
        x[index] = kept + step
        above = function()
        x[index] = kept - step
        below = function()
        x[index] = kept
        gradient[index] = (above - below) / (2 * step)
    return gradient


def test_every_kind_of_layer_is_held_here_and_stands_in_the_document():
    kinds = {kind.__name__ for kind in get_args(declaration.Layer)}
    assert {type(layer).__name__ for layer, _ in LAYERS} == kinds
    document = Path(declaration.__file__).parents[1] / "docs" / "networks.md"
    rows = re.findall(r"^\| (`[A-Z].*?) \|", document.read_text(), re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == kinds


@pytest.mark.parametrize(("declared", "shape"), LAYERS, ids=str)
def test_backward_is_the_derivative_of_forward(declared, shape):
    generator = np.random.default_rng(0)
    layer, x = layer_of(declared, shape, generator), generator.normal(size=shape)
    direction = generator.normal(size=layer.forward(x).shape)

    def value():
        return float((layer.forward(x) * direction).sum())

    layer.forward(x)
    arrays = {"input": (x, layer.backward(direction.copy()).copy())}
    for number, part in enumerate(part for part in layer.parts() if isinstance(part, Weighted)):
        for name, array, gradient in zip(part.names, part.arrays(), part.gradients(), strict=True):
            arrays[f"{number} {name}"] = array, gradient.copy()
    for name, (array, gradient) in arrays.items():
        np.testing.assert_allclose(gradient, central_difference(value, array), rtol=1e-6, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_s_gradient_is_its_derivative(name):
    generator = np.random.default_rng(0)
    outputs = generator.normal(size=(6, 1 if name == "mean_squared_error" else 10))
    labels = generator.integers(0, 10, 6)
    gradient = LOSSES[name](outputs, labels)[1].copy()
    expected = central_difference(lambda: LOSSES[name](outputs, labels)[0], outputs)
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-8)


def slow_convolution(x, layer, declared):
    """A second forward, written as loops straight from the definition. x (C, H, W)."""
    padding, stride, groups = declared.padding, declared.stride, declared.groups
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    outputs, inputs, kernel, _ = layer.weight.shape
    rows, columns = ((extent - kernel) // stride + 1 for extent in padded.shape[1:])
    y = np.zeros((outputs, rows, columns))
    for o, r, c in np.ndindex(y.shape):
        first = o // (outputs // groups) * inputs
        window = padded[first : first + inputs, r * stride : r * stride + kernel, c * stride : c * stride + kernel]
        y[o, r, c] = (window * layer.weight[o]).sum() + (layer.bias[o] if declared.bias else 0)
    return y


def slow_pool(x, size, stride, reduce):
    rows, columns = ((extent - size) // stride + 1 for extent in x.shape[1:])
    y = np.zeros((len(x), rows, columns))
    for k, r, c in np.ndindex(y.shape):
        y[k, r, c] = reduce(x[k, r * stride : r * stride + size, c * stride : c * stride + size])
    return y


def slow_patches(x, height, width):
    corners = [(r, c) for r in range(0, x.shape[1], height) for c in range(0, x.shape[2], width)]
    return np.array([x[:, r : r + height, c : c + width].ravel() for r, c in corners])


def slow_attention(x, layer, heads):
    size = x.shape[1] // heads
    q, k, v = np.split(x @ layer.weight, 3, axis=1)
    joined = np.zeros_like(x)
    for head, row in np.ndindex(heads, len(x)):
        of = slice(head * size, (head + 1) * size)
        scores = [math.exp(sum(q[row, of] * other[of]) / math.sqrt(size)) for other in k]
        joined[row, of] = sum(score * value[of] for score, value in zip(scores, v, strict=True)) / sum(scores)
    return joined @ layer.output_weight


def slow_lstm(x, layer, sequence):
    units = layer.units
    h, c, outputs = np.zeros(units), np.zeros(units), []
    for token in x:
        gates = token @ layer.weight + h @ layer.recurrent_weight + layer.bias
        for unit in range(units):
            i, f, g, o = gates[unit::units]
            i, f, o = (1 / (1 + math.exp(-gate)) for gate in (i, f, o))
            c[unit] = f * c[unit] + i * math.tanh(g)
            h[unit] = o * math.tanh(c[unit])
        outputs.append(h.copy())
    return np.array(outputs) if sequence else outputs[-1]


FUNCTIONS = {
    "relu": lambda x: max(x, 0.0),
    "tanh": math.tanh,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "gelu": lambda x: x / 2 * (1 + math.erf(x / math.sqrt(2))),
    "gelu_tanh": lambda x: x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
}


def slow(declared, layer, x):
    """Return what a layer makes of one sample x by itself; that of a BatchNorm, an evaluation."""
    match declared:
        case declaration.Conv2D():
            return slow_convolution(x, layer, declared)
        case declaration.MaxPool2D(size, stride) | declaration.AvgPool2D(size, stride):
            return slow_pool(x, size, stride, np.max if isinstance(declared, declaration.MaxPool2D) else np.mean)
        case declaration.GlobalAvgPool():
            return np.array([np.mean(channel) for channel in (x if x.ndim == 3 else x.T)])
        case declaration.Dense():
            rows = [[sum(row * column) for column in layer.weight.T] for row in np.atleast_2d(x)]
            return np.reshape(rows, (*x.shape[:-1], -1)) + (layer.bias if declared.bias else 0)
        case declaration.Flatten():
            return x.ravel()
        case declaration.Reshape(shape):
            return x.ravel().reshape(shape)
        case declaration.Patches(height, width):
            return slow_patches(x, height, width)
        case declaration.PositionEmbedding():
            return x + layer.weight
        case declaration.BatchNorm(_, epsilon):
            arrays = zip(x, layer.mean, layer.variance, layer.weight, layer.bias, strict=True)
            return np.array([(part - m) / math.sqrt(v + epsilon) * w + b for part, m, v, w, b in arrays])
        case declaration.LayerNorm(epsilon):
            rows = [(row - row.mean()) / math.sqrt(row.var() + epsilon) for row in np.atleast_2d(x)]
            return np.reshape(rows, x.shape) * layer.weight + layer.bias
        case declaration.RMSNorm(epsilon):
            rows = [row / math.sqrt(sum(row * row) / len(row) + epsilon) for row in np.atleast_2d(x)]
            return np.reshape(rows, x.shape) * layer.weight
        case declaration.SelfAttention(heads):
            return slow_attention(x, layer, heads)
        case declaration.LSTM(_, sequence):
            return slow_lstm(x, layer, sequence)
        case Residual(branch, shortcut):
            branched, straight = x, x
            for part, built in zip(branch, layer.branch, strict=True):
                branched = slow(part, built, branched)
            for part, built in zip(shortcut, layer.shortcut, strict=True):
                straight = slow(part, built, straight)
            return branched + straight
        case declaration.Activation("softmax"):
            raised = [math.exp(value) for value in x]
            return np.array(raised) / sum(raised)
        case declaration.Activation(function):
            return np.vectorize(FUNCTIONS[function])(x)


@pytest.mark.parametrize(("declared", "shape"), LAYERS, ids=str)
def test_forward_equals_a_slower_one_written_as_loops(declared, shape):
    generator = np.random.default_rng(1)
    layer, x = layer_of(declared, shape, generator), generator.normal(size=shape)
    layer.training = False
    found = layer.forward(x)
    samples = x.transpose(1, 0, 2, 3) if x.ndim == 4 else x
    for index, sample in enumerate(samples):
        own = found[:, index] if found.ndim == 4 else found[index]
        np.testing.assert_allclose(own, slow(declared, layer, sample), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("shape", [IMAGE, VECTOR])
def test_a_batch_norm_takes_the_batch_s_statistics_and_keeps_a_share_of_them(shape):
    generator = np.random.default_rng(2)
    declared = declaration.BatchNorm(0.7, 0.01)
    layer, x = layer_of(declared, shape, generator), generator.normal(size=shape)
    found, before = layer.forward(x), (layer.mean.copy(), layer.variance.copy())
    channels = x if x.ndim == 4 else x.T
    for index, channel in enumerate(channels):
        own = found[index] if x.ndim == 4 else found[:, index]
        normal = (channel - channel.mean()) / math.sqrt(channel.var() + declared.epsilon)
        np.testing.assert_allclose(own, normal * layer.weight[index] + layer.bias[index], rtol=1e-12, atol=1e-14)
        kept = declared.momentum
        assert layer.mean_next[index] == pytest.approx(kept * before[0][index] + (1 - kept) * channel.mean())
        assert layer.variance_next[index] == pytest.approx(kept * before[1][index] + (1 - kept) * channel.var())
    np.testing.assert_array_equal((layer.mean, layer.variance), before)


def test_only_a_step_moves_the_statistics():
    model = declaration.Model("n", (declaration.Flatten(), declaration.BatchNorm(), declaration.Dense(3)), (1, 2, 2))
    adapter = NumpyAdapter(Recipe("n", model, declaration.SGD(0.1)), dtype="float64")
    adapter.set_weights(initial_weights(model, declaration.Initialiser(), 0))
    batch = adapter.put(np.random.default_rng(0).random((1, 5, 1, 2, 2)), np.zeros((1, 5), np.int64))
    start = adapter.get_weights()
    assert list(start)[-2:] == ["batchnorm1.mean", "batchnorm1.variance"]
    assert list(adapter.gradients(batch, 0)) == list(start)[:-2]
    adapter.evaluate(batch, 0, 1)
    np.testing.assert_equal(adapter.get_weights(), start)
    adapter.train(batch, 0, 1)
    assert (adapter.get_weights()["batchnorm1.mean"] != start["batchnorm1.mean"]).all()


def test_the_error_function_is_that_of_the_standard_library():
    x = np.concatenate([np.linspace(-7, 7, 5001), [0.0, 1.0, -1.0, 1e-300, 40.0, -40.0]])
    np.testing.assert_allclose(erf(x), [math.erf(value) for value in x], rtol=5e-16)
    assert erf(x.astype(np.float32)).dtype == np.float32


def test_of_tied_maxima_the_first_takes_the_gradient():
    x = np.ones((1, 1, 2, 2))
    layer = layer_of(declaration.MaxPool2D(2, 2), x.shape, np.random.default_rng(0))
    layer.forward(x)
    assert layer.backward(np.full((1, 1, 1, 1), 3.0)).ravel().tolist() == [3, 0, 0, 0]


def test_extreme_logits_stay_finite():
    for name, loss_of in LOSSES.items():
        outputs = np.array(
            [[1e4] * (1 if name == "mean_squared_error" else 10), [-1e4] * (1 if name == "mean_squared_error" else 10)]
        )
        outputs[0, 0] = -1e4
        loss, gradient = loss_of(outputs, np.array([0, 1]))
        assert np.isfinite(loss)
        assert np.isfinite(gradient).all()
    for function in ("sigmoid", "softmax", "tanh"):
        layer = layer_of(declaration.Activation(function), (1, 2), np.random.default_rng(0))
        assert np.isfinite(layer.forward(np.array([[1e4, -1e4]]))).all()
