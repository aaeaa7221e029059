"""The declared layers in jax: one line each, images NHWC, products with operands of the cell's type."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from adapters import declaration
from adapters.weights import Arrays

ACTIVATIONS = {
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "gelu": partial(jax.nn.gelu, approximate=False),
    "gelu_tanh": jax.nn.gelu,
    "softmax": jax.nn.softmax,
}

NHWC = ("NHWC", "OIHW", "NHWC")


def compute(layers: Sequence[declaration.Layer], x: Any, arrays: Arrays, as_matmuls: bool, operands: str) -> Any:
    """Return what declared layers, one after another, make of a batch (B, H, W, C)."""
    for layer in layers:
        x = apply(layer, x, arrays, as_matmuls, operands)
    return x


def apply(layer: declaration.Layer, x: Any, arrays: Arrays, as_matmuls: bool, operands: str) -> Any:
    """Return what a declared layer makes of a batch; weighted layers take what they have off the iterators."""
    rest = arrays.parameters
    match layer:
        case declaration.Conv2D(_, _, stride, padding, groups, bias):
            y = _convolve(x, next(rest), stride, padding, groups, as_matmuls, operands)
            return y + next(rest) if bias else y
        case declaration.Dense(_, bias):
            y = _product(jnp.matmul, x, next(rest), operands)
            return y + next(rest) if bias else y
        case declaration.MaxPool2D(size, stride):
            return _pool(jnp.maximum, x, size, stride)
        case declaration.AvgPool2D(size, stride):
            return _pool(jnp.add, x, size, stride) / size**2
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
            mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
            return _normalised(x, mean, variance, rest, epsilon)
        case declaration.RMSNorm(epsilon):
            return x * lax.rsqrt(jnp.square(x).mean(-1, keepdims=True) + epsilon) * next(rest)
        case declaration.SelfAttention(heads):
            return _attend(x, next(rest), next(rest), heads, operands)
        case declaration.LSTM(_, sequence):
            return _recur(x, next(rest), next(rest), next(rest), sequence, operands)
        case declaration.Residual(branch, shortcut):
            y = compute(branch, x, arrays, as_matmuls, operands)
            return y + compute(shortcut, x, arrays, as_matmuls, operands)


def _channels_first(x: Any) -> Any:
    """Return images as they are declared, (B, C, H, W); anything else as it is."""
    return x.transpose(0, 3, 1, 2) if x.ndim == 4 else x


def _patches(x: Any, height: int, width: int) -> Any:  # (B, H, W, C) -> (B, T, C*h*w)
    b, rows, columns, channels = x.shape
    parts = x.reshape(b, rows // height, height, columns // width, width, channels)
    return parts.transpose(0, 1, 3, 5, 2, 4).reshape(b, -1, channels * height * width)


def _batch_norm(x: Any, arrays: Arrays, epsilon: float) -> Any:
    if arrays.statistics is None:
        axes = tuple(range(x.ndim - 1))
        mean, variance = x.mean(axes), x.var(axes)
        arrays.found += [mean, variance]
    else:
        mean, variance = next(arrays.statistics), next(arrays.statistics)
    return _normalised(x, mean, variance, arrays.parameters, epsilon)


def _normalised(x: Any, mean: Any, variance: Any, rest: Iterator[Any], epsilon: float) -> Any:
    return (x - mean) / jnp.sqrt(variance + epsilon) * next(rest) + next(rest)


def _attend(x: Any, weight: Any, output_weight: Any, heads: int, operands: str) -> Any:  # (B, T, D), the same
    """No jax.nn.dot_product_attention: its softmax is of float32 in float64, too (jax._src.nn.functions)."""
    b, tokens, width = x.shape
    mixed = _product(jnp.matmul, x, weight, operands).reshape(b, tokens, 3, heads, width // heads)
    q, k, v = jnp.moveaxis(mixed, 2, 0)  # (B, T, heads, d) each
    scores = _product(partial(jnp.einsum, "bqhd,bkhd->bhqk"), q, k, operands) / math.sqrt(width // heads)
    y = _product(partial(jnp.einsum, "bhqk,bkhd->bqhd"), jax.nn.softmax(scores), v, operands)
    return _product(jnp.matmul, y.reshape(x.shape), output_weight, operands)


@partial(jax.jit, static_argnames=("sequence", "operands"))  # op by op a scan would be compiled anew in each step
def _recur(x: Any, weight: Any, recurrent: Any, bias: Any, sequence: bool, operands: str) -> Any:
    """Return an LSTM's last output (B, H) for tokens (B, T, I), or with `sequence` all of them."""

    def step(carried: Any, added: Any) -> Any:
        h, c = carried
        i, f, g, o = jnp.split(added + _product(jnp.matmul, h, recurrent, operands), 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h if sequence else None

    zeros = jnp.zeros((len(x), len(recurrent)), x.dtype)
    gates = _product(jnp.matmul, x.transpose(1, 0, 2), weight, operands) + bias
    (last, _), outputs = lax.scan(step, (zeros, zeros), gates)
    return outputs.transpose(1, 0, 2) if sequence else last


def _product(multiply: Callable[[Any, Any], Any], x: Any, weight: Any, operands: str) -> Any:
    """Return multiply(x, weight) with operands of this type, in the type of x.

    Biases, pooling and their gradients, which are sums, stay as they are: XLA fuses them with the casts.
    """
    if x.dtype == operands:
        return multiply(x, weight)
    return multiply(x.astype(operands), weight.astype(operands)).astype(x.dtype)


def _convolve(x: Any, weight: Any, stride: int, padding: int, groups: int, as_matmuls: bool, operands: str) -> Any:
    """Return the cross-correlation of x (B, H, W, C) with weight (O, C / groups, K, K).

    Compiled for a CPU as one matmul per kernel row where the images need a gradient and have no padding: XLA's gradient
    of a convolution with many channels crawls there (lenet, batch 100: 2.5 times slower). Padded images are the other
    way round (16 channels of 28x28, kernel 3: 3 times; 20 of 14x14, kernel 5: 5 times). The gradient of groups crawls
    more: depthwise it is 3 to 9 times as fast as a sum of products of shifted images. Op by op the convolution is the
    faster.
    """
    outputs, inputs, *_ = weight.shape
    if not as_matmuls or (groups == 1 and (inputs == 1 or padding)):
        room = [(padding, padding)] * 2
        whole = partial(lax.conv_general_dilated, window_strides=(stride, stride), padding=room, dimension_numbers=NHWC)
        return _product(partial(whole, feature_group_count=groups), x, weight, operands)
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    if inputs == 1:
        return _depthwise(jnp.repeat(x, outputs // groups, axis=-1), weight[:, 0], stride, operands)
    if groups > 1:
        parts = zip(jnp.split(x, groups, -1), jnp.split(weight, groups), strict=True)
        return jnp.concatenate([_by_rows(*part, stride, operands) for part in parts], -1)
    return _by_rows(x, weight, stride, operands)


def _by_rows(x: Any, weight: Any, stride: int, operands: str) -> Any:
    outputs, inputs, size, _ = weight.shape
    columns = jnp.concatenate(_windows(x, 2, size, stride), axis=-1)  # (B, H, W', K*C)
    rows = weight.transpose(2, 3, 1, 0).reshape(size, size * inputs, outputs)
    parts = zip(_windows(columns, 1, size, stride), rows, strict=True)
    return sum(_product(jnp.matmul, part, row, operands) for part, row in parts)


def _depthwise(x: Any, weight: Any, stride: int, operands: str) -> Any:  # (B, H, W, C), (C, K, K)
    size = weight.shape[-1]
    parts = [_windows(rows, 2, size, stride) for rows in _windows(x, 1, size, stride)]
    taps = [(row, column) for row in range(size) for column in range(size)]
    return sum(_product(jnp.multiply, parts[row][column], weight[:, row, column], operands) for row, column in taps)


def _pool(combine: Callable[[Any, Any], Any], x: Any, size: int, stride: int) -> Any:
    """Combine strided slices: the gradient of reduce_window (select and scatter) takes ten times as long."""
    return reduce(combine, _windows(reduce(combine, _windows(x, 1, size, stride)), 2, size, stride))


def _windows(x: Any, axis: int, size: int, stride: int) -> list[Any]:
    """Return the `size` slices along `axis` whose i-th elements together are the i-th window."""
    last = (x.shape[axis] - size) // stride * stride + 1
    return [lax.slice_in_dim(x, i, i + last, stride, axis) for i in range(size)]
