"""The oracle's hand-written gradients against central differences, for everything the language has."""

from __future__ import annotations

import numpy as np
import pytest

from adapters import declaration
from adapters.numpy import layers
from adapters.numpy.layers import LOSSES, Weighted

IMAGE = (3, 2, 9, 8)  # (C, N, H, W)
VECTOR = (4, 7)  # (N, features)
LAYERS = [
    *(
        (declaration.Conv2D(4, kernel, stride, padding), IMAGE)
        for kernel in (1, 2, 3, 5)
        for stride in (1, 2, 3)
        for padding in (0, 1, 2)
    ),
    *(
        (pool(size, stride), IMAGE)
        for pool in (declaration.MaxPool2D, declaration.AvgPool2D)
        for size in (1, 2, 3)
        for stride in (1, 2, 3)
    ),
    (declaration.Dense(5), VECTOR),
    (declaration.Flatten(), IMAGE),
    *((declaration.Activation(name), VECTOR) for name in ("relu", "tanh", "sigmoid", "softmax")),
    (declaration.Activation("relu"), IMAGE),
]


def made(declared, shape, generator):
    layer = layers.make(declared)
    if isinstance(layer, Weighted):
        sample = (shape[0], *shape[2:]) if len(shape) == 4 else shape[1:]
        weight, bias = declaration._parameter_shapes(declared, sample)
        layer.weight, layer.bias = generator.normal(size=weight), generator.normal(size=bias)
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


@pytest.mark.parametrize(("declared", "shape"), LAYERS, ids=str)
def test_backward_is_the_derivative_of_forward(declared, shape):
    generator = np.random.default_rng(0)
    layer, x = made(declared, shape, generator), generator.normal(size=shape)
    direction = generator.normal(size=layer.forward(x).shape)

    def value():
        return float((layer.forward(x) * direction).sum())

    layer.forward(x)
    arrays = {"input": (x, layer.backward(direction.copy()).copy())}
    if isinstance(layer, Weighted):
        arrays["weight"] = (layer.weight, layer.weight_gradient.copy())
        arrays["bias"] = (layer.bias, layer.bias_gradient.copy())
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


def slow_convolution(x, weight, bias, stride, padding):
    """A second forward, written as loops straight from the definition. x (C, N, H, W)."""
    padded = np.zeros((x.shape[0], x.shape[1], x.shape[2] + 2 * padding, x.shape[3] + 2 * padding))
    padded[:, :, padding : padding + x.shape[2], padding : padding + x.shape[3]] = x
    kernel = weight.shape[2]
    rows, columns = ((extent - kernel) // stride + 1 for extent in padded.shape[2:])
    y = np.zeros((len(weight), x.shape[1], rows, columns))
    for o, n, r, c in np.ndindex(y.shape):
        window = padded[:, n, r * stride : r * stride + kernel, c * stride : c * stride + kernel]
        y[o, n, r, c] = (window * weight[o]).sum() + bias[o]
    return y


def slow_pool(x, size, stride, reduce):
    rows, columns = ((extent - size) // stride + 1 for extent in x.shape[2:])
    y = np.zeros((*x.shape[:2], rows, columns))
    for k, n, r, c in np.ndindex(y.shape):
        y[k, n, r, c] = reduce(x[k, n, r * stride : r * stride + size, c * stride : c * stride + size])
    return y


@pytest.mark.parametrize(("declared", "shape"), [pair for pair in LAYERS if len(pair[1]) == 4], ids=str)
def test_forward_equals_a_slower_one_written_as_loops(declared, shape):
    generator = np.random.default_rng(1)
    layer, x = made(declared, shape, generator), generator.normal(size=shape)
    match declared:
        case declaration.Conv2D(_, _, stride, padding):
            expected = slow_convolution(x, layer.weight, layer.bias, stride, padding)
        case declaration.MaxPool2D(size, stride):
            expected = slow_pool(x, size, stride, np.max)
        case declaration.AvgPool2D(size, stride):
            expected = slow_pool(x, size, stride, np.mean)
        case declaration.Flatten():
            expected = np.array([x[:, n].ravel() for n in range(x.shape[1])])
        case _:
            expected = np.where(x > 0, x, 0)
    np.testing.assert_allclose(layer.forward(x), expected, rtol=1e-12, atol=1e-14)


def test_of_tied_maxima_the_first_takes_the_gradient():
    layer = layers.make(declaration.MaxPool2D(2, 2))
    x = np.ones((1, 1, 2, 2))
    layer.forward(x)
    assert layer.backward(np.full((1, 1, 1, 1), 3.0)).ravel().tolist() == [3, 0, 0, 0]


def test_extreme_logits_stay_finite():
    for name in LOSSES:
        outputs = np.array(
            [[1e4] * (1 if name == "mean_squared_error" else 10), [-1e4] * (1 if name == "mean_squared_error" else 10)]
        )
        outputs[0, 0] = -1e4
        loss, gradient = LOSSES[name](outputs, np.array([0, 1]))
        assert np.isfinite(loss)
        assert np.isfinite(gradient).all()
    for function in ("sigmoid", "softmax", "tanh"):
        layer = layers.make(declaration.Activation(function))
        assert np.isfinite(layer.forward(np.array([[1e4, -1e4]]))).all()
