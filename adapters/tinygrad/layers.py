"""The declared layers in tinygrad, images NCHW, each with its pullback.

`Tensor.backward` would derive kernels from conv2d's and max_pool2d's that read memory in a bad order and compute tanh
again for each use: lenet, batch 100, one thread: 580 samples/s, with these 1,940.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce

from tinygrad import Tensor

from adapters import declaration
from adapters.tinygrad.products import product

Pullback = Callable[[Tensor], tuple[Tensor, list[Tensor]]]  # of an output's gradient: the input's, the parameters'

ACTIVATIONS = {"relu": Tensor.relu, "tanh": Tensor.tanh, "sigmoid": Tensor.sigmoid, "softmax": Tensor.softmax}
SLOPES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {  # of output and its gradient
    "relu": lambda y, dy: (y > 0).where(dy, 0),
    "tanh": lambda y, dy: dy * (1 - y * y),
    "sigmoid": lambda y, dy: dy * (y - y * y),
    "softmax": lambda y, dy: y * (dy - (y * dy).sum(-1, keepdim=True)),
}


def apply(layer: declaration.Layer, x: Tensor, parameters: Iterator[Tensor]) -> tuple[Tensor, Pullback]:
    """Return what a declared layer makes of a batch, and its pullback; weighted layers take their parameters off."""
    match layer:
        case declaration.Conv2D(_, _, stride, padding):
            return _convolution(x, next(parameters), next(parameters), stride, padding)
        case declaration.Dense():
            return _dense(x.contiguous(), next(parameters), next(parameters))
        case declaration.MaxPool2D(size, stride):
            return _pooling(x.contiguous(), size, stride, lambda windows: windows.max((3, 5)))
        case declaration.AvgPool2D(size, stride):
            return _pooling(x.contiguous(), size, stride, lambda windows: windows.mean((3, 5)))
        case declaration.Activation(function):
            y = ACTIVATIONS[function](x).contiguous()
            return y, lambda dy: (SLOPES[function](y, dy), [])
        case declaration.Flatten():
            return x.flatten(1), lambda dy: (dy.reshape(x.shape), [])


def _dense(x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Pullback]:
    def pull(dy: Tensor) -> tuple[Tensor, list[Tensor]]:
        dy = dy.contiguous()
        return product(dy, weight.T.contiguous()), [product(x, dy, turned=True), dy.sum(0)]

    return product(x, weight, bias), pull


def _convolution(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> tuple[Tensor, Pullback]:
    """Return the cross-correlation as a product for each image: (O, C*K*K) @ (C*K*K, H*W), O filled up to eights."""
    outputs, inputs, size, _ = weight.shape
    batch, _, *extents = x.shape
    spread = x.pad((None, None, (padding, padding), (padding, padding)))
    windows = spread.unfold(2, size, stride).unfold(3, size, stride)  # (B, C, H, W, K, K)
    height, width = windows.shape[2:4]
    columns = windows.permute(0, 1, 4, 5, 2, 3).reshape(batch, -1, height * width).contiguous()
    more = -outputs % 8
    rows = weight.reshape(outputs, -1).pad(((0, more), None)).contiguous()

    def pull(dy: Tensor) -> tuple[Tensor, list[Tensor]]:
        slope = dy.reshape(batch, outputs, -1).pad((None, (0, more), None)).contiguous()
        by_image = product(columns, slope.transpose(1, 2).contiguous())  # (B, C*K*K, O)
        parts = product(rows, slope, turned=True).reshape(batch, inputs, size, size, height, width)
        dx = _scatter(_scatter(parts, 2, 4, stride, extents[0], padding), 2, 4, stride, extents[1], padding)
        return dx, [by_image.sum(0).T[:outputs].reshape(weight.shape), slope.sum((0, 2))[:outputs]]

    y = product(rows, columns)[:, :outputs].reshape(batch, outputs, height, width)
    return y + bias.reshape(-1, 1, 1), pull


def _scatter(parts: Tensor, axis: int, places: int, stride: int, extent: int, padding: int) -> Tensor:
    """Return the sum over `axis`, K parts of windows, each element added where along axis `places` it came from."""

    def along(which: int, room: tuple[int, int]) -> tuple[tuple[int, int] | None, ...]:
        return tuple(room if index == which else None for index in range(parts.ndim))

    if stride > 1:  # zeros between what the windows have
        spread = parts.unsqueeze(places + 1)
        spread = spread.pad(tuple((0, stride - 1) if a == places + 1 else None for a in range(spread.ndim)))
        parts = spread.flatten(places, places + 1)
    over = extent + 2 * padding - parts.shape[places]
    moved = [part.pad(along(places, (index, over - index))) for index, part in enumerate(parts.split(1, axis))]
    total = reduce(Tensor.add, moved).shrink(along(places, (padding, padding + extent)))
    return total.squeeze(axis).contiguous()


def _pooling(x: Tensor, size: int, stride: int, combine: Callable[[Tensor], Tensor]) -> tuple[Tensor, Pullback]:
    """Return what `combine` makes of windows (B, C, H, K, W, K); windows that do not overlap are a view."""
    height, width = ((extent - size) // stride + 1 for extent in x.shape[2:])
    if size == stride:
        windows = x[:, :, : height * size, : width * size].reshape(*x.shape[:2], height, size, width, size)
    else:
        windows = x.unfold(2, size, stride).unfold(3, size, stride).permute(0, 1, 2, 4, 3, 5)
    y = combine(windows).contiguous()
    return y, lambda dy: (y.gradient(x, gradient=dy.contiguous())[0], [])
