"""The declared layers in jax: one line each, images NHWC, products with operands of the cell's type."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from adapters import declaration

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid, "softmax": jax.nn.softmax}

NHWC = ("NHWC", "OIHW", "NHWC")


def apply(layer: declaration.Layer, x: Any, parameters: Iterator[Any], as_matmuls: bool, operands: str) -> Any:
    """Return what a declared layer makes of a batch; weighted layers take their parameters off the iterator."""
    match layer:
        case declaration.Conv2D(_, _, stride, padding):
            return _convolve(x, next(parameters), stride, padding, as_matmuls, operands) + next(parameters)
        case declaration.Dense():
            return _product(jnp.matmul, x, next(parameters), operands) + next(parameters)
        case declaration.MaxPool2D(size, stride):
            return _pool(jnp.maximum, x, size, stride)
        case declaration.AvgPool2D(size, stride):
            return _pool(jnp.add, x, size, stride) / size**2
        case declaration.Activation(function):
            return ACTIVATIONS[function](x)
        case declaration.Flatten():
            return (x.transpose(0, 3, 1, 2) if x.ndim == 4 else x).reshape(len(x), -1)  # C order of (C, H, W)


def _product(multiply: Callable[[Any, Any], Any], x: Any, weight: Any, operands: str) -> Any:
    """Return multiply(x, weight) with operands of this type, in the type of x.

    Biases, pooling and their gradients, which are sums, stay as they are: XLA fuses them with the casts.
    """
    if x.dtype == operands:
        return multiply(x, weight)
    return multiply(x.astype(operands), weight.astype(operands)).astype(x.dtype)


def _convolve(x: Any, weight: Any, stride: int, padding: int, as_matmuls: bool, operands: str) -> Any:
    """Return the cross-correlation of x (B, H, W, C) with weight (O, C, K, K).

    Compiled for a CPU as one matmul per kernel row where the images need a gradient: XLA's gradient of a convolution
    with many channels crawls there (lenet, batch 100: 2.5 times slower). Op by op the convolution is the faster.
    """
    outputs, inputs, size, _ = weight.shape
    if inputs == 1 or not as_matmuls:
        room = [(padding, padding)] * 2
        whole = partial(lax.conv_general_dilated, window_strides=(stride, stride), padding=room, dimension_numbers=NHWC)
        return _product(whole, x, weight, operands)
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    columns = jnp.concatenate(_windows(x, 2, size, stride), axis=-1)  # (B, H, W', K*C)
    rows = weight.transpose(2, 3, 1, 0).reshape(size, size * inputs, outputs)
    parts = zip(_windows(columns, 1, size, stride), rows, strict=True)
    return sum(_product(jnp.matmul, part, row, operands) for part, row in parts)


def _pool(combine: Callable[[Any, Any], Any], x: Any, size: int, stride: int) -> Any:
    """Combine strided slices: the gradient of reduce_window (select and scatter) takes ten times as long."""
    return reduce(combine, _windows(reduce(combine, _windows(x, 1, size, stride)), 2, size, stride))


def _windows(x: Any, axis: int, size: int, stride: int) -> list[Any]:
    """Return the `size` slices along `axis` whose i-th elements together are the i-th window."""
    last = (x.shape[axis] - size) // stride * stride + 1
    return [lax.slice_in_dim(x, i, i + last, stride, axis) for i in range(size)]
