"""The declared layers in tinygrad, images NCHW, each with its pullback.

`Tensor.backward` would derive kernels from conv2d's and max_pool2d's that read memory in a bad order and compute tanh
again for each use: lenet, batch 100, one thread: 580 samples/s, with these 1,940.

Here the layers that read any shape; images.py and tokens.py have the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from tinygrad import Tensor

from adapters import declaration
from adapters.numpy.functions import CUBE, ERF_IS_ONE, LARGE, SLOPE, SMALL
from adapters.tinygrad import images, tokens
from adapters.tinygrad.arrays import Pullback, total
from adapters.tinygrad.products import product
from adapters.weights import Arrays

ACTIVATIONS = {"relu": Tensor.relu, "tanh": Tensor.tanh, "sigmoid": Tensor.sigmoid, "softmax": Tensor.softmax}
SLOPES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {  # of output and its gradient
    "relu": lambda y, dy: (y > 0).where(dy, 0),
    "tanh": lambda y, dy: dy * (1 - y * y),
    "sigmoid": lambda y, dy: dy * (y - y * y),
    "softmax": lambda y, dy: y * (dy - (y * dy).sum(-1, keepdim=True)),
}


def apply(layer: declaration.Layer, x: Tensor, arrays: Arrays) -> tuple[Tensor, Pullback]:
    """Return what a declared layer makes of a batch, and its pullback; it takes what arrays it has off `arrays`."""
    match layer:
        case declaration.Conv2D(groups=groups, bias=bias):
            given = next(arrays.parameters), next(arrays.parameters) if bias else None
            return (
                images.convolution(x, *given, layer) if groups == 1 else images.grouped(x.contiguous(), *given, layer)
            )
        case declaration.Dense(_, bias):
            return _dense(x.contiguous(), next(arrays.parameters), next(arrays.parameters) if bias else None)
        case declaration.MaxPool2D(size, stride):
            return images.pooling(x.contiguous(), size, stride, lambda windows: windows.max((3, 5)))
        case declaration.AvgPool2D(size, stride):
            return images.pooling(x.contiguous(), size, stride, lambda windows: windows.mean((3, 5)))
        case declaration.GlobalAvgPool():
            return _mean(x)
        case declaration.Activation("gelu" | "gelu_tanh" as function):
            return _gelu(x.contiguous(), function)
        case declaration.Activation(function):
            y = ACTIVATIONS[function](x).contiguous()
            return y, lambda dy: (SLOPES[function](y, dy), [])
        case declaration.Flatten():
            return x.flatten(1), lambda dy: (dy.reshape(x.shape), [])
        case declaration.Reshape(shape):
            return x.reshape(-1, *shape), lambda dy: (dy.reshape(x.shape), [])
        case declaration.Patches(height, width):
            return images.patches(x, height, width)
        case declaration.PositionEmbedding():
            return x + next(arrays.parameters), lambda dy: (dy, [dy.sum(0)])
        case declaration.BatchNorm(_, epsilon):
            return images.batch_norm(x.contiguous(), arrays, epsilon)
        case declaration.LayerNorm(epsilon):
            return tokens.layer_norm(x.contiguous(), next(arrays.parameters), next(arrays.parameters), epsilon)
        case declaration.RMSNorm(epsilon):
            return tokens.rms_norm(x.contiguous(), next(arrays.parameters), epsilon)
        case declaration.SelfAttention(heads):
            return tokens.attention(x.contiguous(), next(arrays.parameters), next(arrays.parameters), heads)
        case declaration.LSTM(_, sequence):
            return tokens.lstm(x, arrays, sequence)
        case declaration.Residual(branch, shortcut):
            return _residual(branch, shortcut, x.contiguous(), arrays)


def chain(declared: Sequence[declaration.Layer], x: Tensor, arrays: Arrays) -> tuple[Tensor, Pullback]:
    """Return what layers one after another make of a batch, and the pullback of them all."""
    pullbacks = []
    for layer in declared:
        x, pull = apply(layer, x, arrays)
        pullbacks.append(pull)

    def pull_all(slope: Tensor) -> tuple[Tensor, list[Tensor]]:
        gradients: list[Tensor] = []
        for pull in reversed(pullbacks):
            slope, found = pull(slope)
            gradients = [*found, *gradients]
        return slope, gradients

    return x, pull_all


def _residual(
    branch: Sequence[declaration.Layer], shortcut: Sequence[declaration.Layer], x: Tensor, arrays: Arrays
) -> tuple[Tensor, Pullback]:
    y, pull = chain(branch, x, arrays)
    straight, pull_straight = chain(shortcut, x, arrays)

    def pull_both(dy: Tensor) -> tuple[Tensor, list[Tensor]]:
        dy = dy.contiguous()
        (dx, gradients), (straight_dx, others) = pull(dy), pull_straight(dy)
        return dx + straight_dx, [*gradients, *others]

    return y + straight, pull_both


def _dense(x: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Pullback]:  # (B, I) or (B, T, I)
    rows = x.reshape(-1, x.shape[-1])

    def pull(dy: Tensor) -> tuple[Tensor, list[Tensor]]:
        dy = dy.contiguous()
        flat = dy.reshape(-1, dy.shape[-1])
        dx = product(flat, weight.T.contiguous()).reshape(x.shape)
        return dx, [product(rows, flat, turned=True), *([] if bias is None else [total(dy, dy.ndim - 1)])]

    return product(rows, weight, bias).reshape(*x.shape[:-1], -1), pull


def _mean(x: Tensor) -> tuple[Tensor, Pullback]:  # (B, C, H, W) -> (B, C), (B, T, D) -> (B, D)
    axes = (2, 3) if x.ndim == 4 else (1,)
    count = math.prod(x.shape[axis] for axis in axes)
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(x.shape))
    return x.mean(axes), lambda dy: ((dy / count).reshape(kept).expand(x.shape), [])


def _gelu(x: Tensor, function: str) -> tuple[Tensor, Pullback]:
    def pull(dy: Tensor) -> tuple[Tensor, list[Tensor]]:
        if function == "gelu":
            slope = (-0.5 * x * x).exp() / math.sqrt(2 * math.pi)
        else:
            slope = 2 * share * (1 - share) * SLOPE * (1 + 3 * CUBE * x * x)
        return dy * (share + x * slope), []

    inner = _erf(x * math.sqrt(0.5)) if function == "gelu" else (SLOPE * (x + CUBE * x * x * x)).tanh()
    share = ((1 + inner) / 2).contiguous()
    return x * share, pull


def _erf(x: Tensor) -> Tensor:
    """Return the error function as the reference has it: Tensor.erf is off by 1.5e-7."""
    y = x.abs().minimum(ERF_IS_ONE)
    square = y * y
    small = y * _polynomial(SMALL[0], square) / _polynomial(SMALL[1], square)
    large = 1 - (-square).exp() * _polynomial(LARGE[0], y) / _polynomial(LARGE[1], y)
    found = (y > 1).where(large, small)
    return (x < 0).where(-found, found)


def _polynomial(coefficients: tuple[float, ...], x: Tensor) -> Tensor:
    total = x * coefficients[0] + coefficients[1]
    for coefficient in coefficients[2:]:
        total = total * x + coefficient
    return total
