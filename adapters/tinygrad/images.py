"""The layers that read images (B, C, H, W), and the norm over a batch, each with its pullback."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

from tinygrad import Tensor

from adapters import declaration
from adapters.tinygrad.arrays import Pullback, total
from adapters.tinygrad.products import product
from adapters.weights import Arrays


def _windows(x: Tensor, size: int, stride: int, padding: int) -> Tensor:  # (B, C, H, W) -> (B, C, Ho, Wo, K, K)
    spread = x.pad((None, None, (padding, padding), (padding, padding)))
    return spread.unfold(2, size, stride).unfold(3, size, stride)


def convolution(x: Tensor, weight: Tensor, bias: Tensor | None, layer: declaration.Conv2D) -> tuple[Tensor, Pullback]:
    """Return the cross-correlation as a product for each image: (O, C*K*K) @ (C*K*K, H*W), O filled up to eights."""
    outputs, inputs, size, _ = weight.shape
    batch = x.shape[0]
    windows = _windows(x, size, layer.stride, layer.padding)
    height, width = windows.shape[2:4]
    columns = windows.permute(0, 1, 4, 5, 2, 3).reshape(batch, -1, height * width).contiguous()
    more = -outputs % 8
    rows = weight.reshape(outputs, -1).pad(((0, more), None)).contiguous()

    def pull(dy: Tensor) -> tuple[Tensor, list[Tensor]]:
        slope = dy.reshape(batch, outputs, -1).pad((None, (0, more), None)).contiguous()
        by_image = product(columns, slope.transpose(1, 2).contiguous())  # (B, C*K*K, O)
        parts = product(rows, slope, turned=True).reshape(batch, inputs, size, size, height, width)
        found = [] if bias is None else [slope.sum((0, 2))[:outputs]]
        return _placed(parts, layer, x), [by_image.sum(0).T[:outputs].reshape(weight.shape), *found]

    y = product(rows, columns)[:, :outputs].reshape(batch, outputs, height, width)
    return y if bias is None else y + bias.reshape(-1, 1, 1), pull


def grouped(x: Tensor, weight: Tensor, bias: Tensor | None, layer: declaration.Conv2D) -> tuple[Tensor, Pullback]:
    """Return a convolution in groups as sums over windows, which nothing copies: depthwise ones have few terms."""
    outputs, inputs, size, _ = weight.shape
    batch, groups = x.shape[0], layer.groups
    windows = _windows(x, size, layer.stride, layer.padding)
    height, width = windows.shape[2:4]
    seen = windows.reshape(batch, groups, 1, inputs, height, width, size, size)
    kernel = weight.reshape(groups, outputs // groups, inputs, 1, 1, size, size)

    def pull(dy: Tensor) -> tuple[Tensor, list[Tensor]]:
        dy = dy.contiguous()
        slope = dy.reshape(batch, groups, -1, 1, height, width, 1, 1)
        by_weight = (seen * slope).sum((4, 5)).contiguous().sum(0).reshape(weight.shape)
        parts = (kernel * slope).sum(2).permute(0, 1, 2, 5, 6, 3, 4)
        parts = parts if outputs == groups else parts.contiguous()
        dx = _placed(parts.reshape(batch, -1, size, size, height, width), layer, x)
        return dx, [by_weight, *([] if bias is None else [total(dy, 1)])]

    y = (seen * kernel).sum((3, 6, 7)).reshape(batch, outputs, height, width)
    return y if bias is None else y + bias.reshape(-1, 1, 1), pull


def _placed(parts: Tensor, layer: declaration.Conv2D, x: Tensor) -> Tensor:
    """Return what parts of windows (B, C, K, K, Ho, Wo) add to each element of x (B, C, H, W)."""
    for extent in x.shape[2:]:
        parts = _scatter(parts, 2, 4, layer.stride, extent, layer.padding)
    return parts


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


def pooling(x: Tensor, size: int, stride: int, combine: Callable[[Tensor], Tensor]) -> tuple[Tensor, Pullback]:
    """Return what `combine` makes of windows (B, C, H, K, W, K); windows that do not overlap are a view."""
    height, width = ((extent - size) // stride + 1 for extent in x.shape[2:])
    if size == stride:
        windows = x[:, :, : height * size, : width * size].reshape(*x.shape[:2], height, size, width, size)
    else:
        windows = x.unfold(2, size, stride).unfold(3, size, stride).permute(0, 1, 2, 4, 3, 5)
    y = combine(windows).contiguous()
    return y, lambda dy: (y.gradient(x, gradient=dy.contiguous())[0], [])


def patches(x: Tensor, height: int, width: int) -> tuple[Tensor, Pullback]:  # (B, C, H, W) -> (B, T, C*h*w)
    """Return images cut into tokens."""
    batch, channels, rows, columns = x.shape
    grid = batch, channels, rows // height, height, columns // width, width
    cut = x.reshape(grid).permute(0, 2, 4, 1, 3, 5)

    def pull(dy: Tensor) -> tuple[Tensor, list[Tensor]]:
        return dy.reshape(cut.shape).permute(0, 3, 1, 4, 2, 5).reshape(x.shape), []

    return cut.reshape(batch, -1, channels * height * width), pull


def batch_norm(x: Tensor, arrays: Arrays, epsilon: float) -> tuple[Tensor, Pullback]:  # (B, C, H, W) or (B, F)
    """Return x normalised by its batch, whose statistics `arrays` gets, or in an evaluation by the running ones."""
    weight, bias = next(arrays.parameters), next(arrays.parameters)
    shape = (-1, 1, 1) if x.ndim == 4 else (-1,)
    count = x.numel() // weight.numel()
    if arrays.statistics is None:
        mean = (total(x, 1) / count).contiguous()
        variance = (total((x - mean.reshape(shape)).square(), 1) / count).contiguous()
        arrays.found += [mean, variance]
    else:
        mean, variance = next(arrays.statistics), next(arrays.statistics)
    inverse = (variance + epsilon).rsqrt().contiguous()
    normal = (x - mean.reshape(shape)) * inverse.reshape(shape)

    def pull(dy: Tensor) -> tuple[Tensor, list[Tensor]]:
        dy = dy.contiguous()
        slopes = [total(dy * normal, 1).contiguous(), total(dy, 1).contiguous()]
        by_weight, by_bias = ((slope / count).reshape(shape) for slope in slopes)
        return (dy - by_bias - normal * by_weight) * (weight * inverse).reshape(shape), slopes

    return normal * weight.reshape(shape) + bias.reshape(shape), pull
