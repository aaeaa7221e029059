"""The declared layers in mlx: one line each, images NHWC, products with operands of the cell's type."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import mlx.core as mx
from mlx import nn

from adapters import declaration
from adapters.weights import Arrays

ACTIVATIONS = {
    "relu": nn.relu,
    "tanh": mx.tanh,
    "sigmoid": mx.sigmoid,
    "gelu": nn.gelu,
    "gelu_tanh": nn.gelu_approx,
    "softmax": nn.softmax,
}


def compute(layers: Sequence[declaration.Layer], x: Any, arrays: Arrays, operands: Any) -> Any:
    """Return what declared layers, one after another, make of a batch (B, H, W, C)."""
    for layer in layers:
        x = apply(layer, x, arrays, operands)
    return x


def apply(layer: declaration.Layer, x: Any, arrays: Arrays, operands: Any) -> Any:
    """Return what a declared layer makes of a batch; weighted layers take what they have off the iterators."""
    rest = arrays.parameters
    match layer:
        case declaration.Conv2D(_, _, stride, padding, groups, bias):
            y = _convolve(x, next(rest), stride, padding, groups, operands)
            return y + next(rest) if bias else y
        case declaration.Dense(_, bias):
            y = _product(x, next(rest), operands)
            return y + next(rest) if bias else y
        case declaration.MaxPool2D(size, stride):
            return _pool(mx.maximum, x, size, stride)
        case declaration.AvgPool2D(size, stride):
            return _pool(mx.add, x, size, stride) / size**2
        case declaration.GlobalAvgPool():
            return x.mean((1, 2) if x.ndim == 4 else 1)
        case declaration.Activation(function):
            return ACTIVATIONS[function](x)
        case declaration.Flatten():
            return _channels_first(x).reshape(len(x), -1)
        case declaration.Reshape(shape):
            y = _channels_first(x).reshape(len(x), *shape)
            return y.transpose(0, 2, 3, 1) if len(shape) == 3 else y
        case declaration.Patches(height, width):
            return _patches(x, height, width)
        case declaration.PositionEmbedding():
            return x + next(rest)
        case declaration.BatchNorm(_, epsilon):
            return _batch_norm(x, arrays, epsilon)
        case declaration.LayerNorm(epsilon):
            return mx.fast.layer_norm(x, next(rest), next(rest), epsilon)
        case declaration.RMSNorm(epsilon):
            return mx.fast.rms_norm(x, next(rest), epsilon)
        case declaration.SelfAttention(heads):
            return _attend(x, next(rest), next(rest), heads, operands)
        case declaration.LSTM(_, sequence):
            return _recur(x, next(rest), next(rest), next(rest), sequence, operands)
        case declaration.Residual(branch, shortcut):
            y = compute(branch, x, arrays, operands)
            return y + compute(shortcut, x, arrays, operands)


def _channels_first(x: Any) -> Any:
    """Return images as they are declared, (B, C, H, W); anything else as it is."""
    return x.transpose(0, 3, 1, 2) if x.ndim == 4 else x


def _patches(x: Any, height: int, width: int) -> Any:  # (B, H, W, C) -> (B, T, C*h*w)
    b, rows, columns, channels = x.shape
    parts = x.reshape(b, rows // height, height, columns // width, width, channels)
    return parts.transpose(0, 1, 3, 5, 2, 4).reshape(b, -1, channels * height * width)


def _batch_norm(x: Any, arrays: Arrays, epsilon: float) -> Any:
    """BatchNorm; nn.BatchNorm keeps the variance divided by one less than the number, which is not declared."""
    if arrays.statistics is None:
        axes = tuple(range(x.ndim - 1))
        mean, variance = x.mean(axes), x.var(axes)
        arrays.found += [mean, variance]
    else:
        mean, variance = next(arrays.statistics), next(arrays.statistics)
    return (x - mean) * mx.rsqrt(variance + epsilon) * next(arrays.parameters) + next(arrays.parameters)


def _attend(x: Any, weight: Any, output_weight: Any, heads: int, operands: Any) -> Any:  # (B, T, D), the same
    b, tokens, width = x.shape
    mixed = _product(x, weight, operands).astype(operands).reshape(b, tokens, 3, heads, -1)
    q, k, v = mixed.transpose(2, 0, 3, 1, 4)  # (B, heads, T, d) each
    y = mx.fast.scaled_dot_product_attention(q, k, v, scale=(width // heads) ** -0.5)
    return _product(y.transpose(0, 2, 1, 3).reshape(x.shape), output_weight, operands).astype(x.dtype)


def _recur(x: Any, weight: Any, recurrent: Any, bias: Any, sequence: bool, operands: Any) -> Any:
    """Return an LSTM's last output (B, H) for tokens (B, T, I), or with `sequence` all of them, as nn.LSTM loops."""
    gates = _product(x, weight, operands) + bias
    h = c = mx.zeros((len(x), len(recurrent)), x.dtype)
    outputs = []
    for step in range(x.shape[1]):
        i, f, g, o = mx.split(gates[:, step] + _product(h, recurrent, operands), 4, axis=1)
        c = mx.sigmoid(f) * c + mx.sigmoid(i) * mx.tanh(g)
        h = mx.sigmoid(o) * mx.tanh(c)
        outputs.append(h)
    return mx.stack(outputs, axis=1) if sequence else h


def _product(x: Any, weight: Any, operands: Any) -> Any:
    """Return x @ weight with operands of this type, in the type of x."""
    return (x.astype(operands) @ weight.astype(operands)).astype(x.dtype)


def _convolve(x: Any, weight: Any, stride: int, padding: int, groups: int, operands: Any) -> Any:
    """Return the cross-correlation of x (B, H, W, C) with weight (O, C, K, K), as one matmul per kernel row.

    mx.conv2d hands its BLAS the kernel transposed, for which that has only its slow loop: 120,000 samples of lenet take
    1.8 times as long.
    """
    outputs, inputs, size, _ = weight.shape
    if groups > 1:
        kernel = weight.transpose(0, 2, 3, 1).astype(operands)
        return mx.conv2d(x.astype(operands), kernel, stride, padding, groups=groups).astype(x.dtype)
    x = mx.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    columns = mx.concatenate(_windows(x, 2, size, stride), axis=-1)  # (B, H, W', K*C)
    rows = weight.transpose(2, 3, 1, 0).reshape(size, size * inputs, outputs)
    parts = zip(_windows(columns, 1, size, stride), rows, strict=True)
    return sum(_product(part, row, operands) for part, row in parts)


def _pool(combine: Any, x: Any, size: int, stride: int) -> Any:
    """Combine strided slices, first the rows of each window."""
    return reduce(combine, _windows(reduce(combine, _windows(x, 1, size, stride)), 2, size, stride))


def _windows(x: Any, axis: int, size: int, stride: int) -> list[Any]:
    """Return the `size` slices along `axis` (1 or 2) whose i-th elements together are the i-th window."""
    last = (x.shape[axis] - size) // stride * stride + 1
    parts = [slice(i, i + last, stride) for i in range(size)]
    return [x[:, part] if axis == 1 else x[:, :, part] for part in parts]
