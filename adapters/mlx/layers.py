"""The declared layers in mlx: one line each, images NHWC, products with operands of the cell's type."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Any

import mlx.core as mx
from mlx import nn

from adapters import declaration

ACTIVATIONS = {"relu": nn.relu, "tanh": mx.tanh, "sigmoid": mx.sigmoid, "softmax": nn.softmax}


def apply(layer: declaration.Layer, x: Any, parameters: Iterator[Any], operands: Any) -> Any:
    """Return what a declared layer makes of a batch; weighted layers take their parameters off the iterator."""
    match layer:
        case declaration.Conv2D(_, _, stride, padding):
            return _convolve(x, next(parameters), stride, padding, operands) + next(parameters)
        case declaration.Dense():
            return _product(x, next(parameters), operands) + next(parameters)
        case declaration.MaxPool2D(size, stride):
            return _pool(mx.maximum, x, size, stride)
        case declaration.AvgPool2D(size, stride):
            return _pool(mx.add, x, size, stride) / size**2
        case declaration.Activation(function):
            return ACTIVATIONS[function](x)
        case declaration.Flatten():
            return (x.transpose(0, 3, 1, 2) if x.ndim == 4 else x).reshape(len(x), -1)  # C order of (C, H, W)


def _product(x: Any, weight: Any, operands: Any) -> Any:
    """Return x @ weight with operands of this type, in the type of x."""
    return (x.astype(operands) @ weight.astype(operands)).astype(x.dtype)


def _convolve(x: Any, weight: Any, stride: int, padding: int, operands: Any) -> Any:
    """Return the cross-correlation of x (B, H, W, C) with weight (O, C, K, K), as one matmul per kernel row.

    mx.conv2d hands its BLAS the kernel transposed, for which that has only its slow loop: 120,000 samples of lenet take
    1.8 times as long.
    """
    outputs, inputs, size, _ = weight.shape
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
