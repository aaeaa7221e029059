"""The declared layers as paddle's, and what paddle has no layer for written from its functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import paddle
from paddle import nn
from paddle.nn import functional

from adapters import declaration
from adapters.declaration import Place, Shape


class Conv2D(nn.Conv2D):
    """nn.Conv2D with its bias added in three dimensions, (B, C, H*W) + (C, 1).

    Paddle's own four-dimensional broadcast is slow on a CPU, above all its gradient: lenet, batch 100, conv1: 16 ms
    against 3 ms.
    """

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        y = functional.conv2d(x, self.weight, None, self._stride, self._padding, 1, self._groups)
        return y if self.bias is None else (y.flatten(2) + self.bias.unsqueeze(-1)).reshape(y.shape)


class GlobalAvgPool(nn.Layer):
    """Over one axis at a time: the gradient of a mean over two is slow: 64 channels of 7x7: 5.0 ms for 0.3."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:  # (B, C, H, W) -> (B, C), (B, T, D) -> (B, D)
        return x.flatten(2).mean(-1) if x.ndim == 4 else x.mean(1)


class Reshape(nn.Layer):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return x.reshape([-1, *self.shape])


class Patches(nn.Layer):
    def __init__(self, height: int, width: int, shape: Shape) -> None:
        super().__init__()
        channels, rows, columns = shape
        self.parts = [-1, channels, rows // height, height, columns // width, width]

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:  # (B, C, H, W) -> (B, T, C*h*w)
        return x.reshape(self.parts).transpose([0, 2, 4, 1, 3, 5]).flatten(3).flatten(1, 2)


class PositionEmbedding(nn.Layer):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.weight = self.create_parameter(list(shape))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return x + self.weight


class RMSNorm(nn.Layer):
    """By functions: rms_norm has no kernel for CPUs, fused_rms_norm there no gradient (paddle 3.3.1)."""

    def __init__(self, size: int, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.weight = self.create_parameter([size])

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return x * paddle.rsqrt(x.square().mean(-1, keepdim=True) + self.epsilon) * self.weight


class SelfAttention(nn.Layer):
    """nn.MultiHeadAttention has three products for one; it and scaled_dot_product_attention scale by a plain number.

    A static program keeps such a number in float32. And before paddle 3 the latter is there for a card's float16 alone.
    """

    def __init__(self, heads: int, width: int) -> None:
        super().__init__()
        self.heads = heads
        self.weight = self.create_parameter([width, 3 * width])
        self.output_weight = self.create_parameter([width, width])

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:  # (B, T, D), the same
        _, tokens, width = x.shape
        size = width // self.heads
        # With tokens last a transpose in three dimensions does: one to (B, heads, T, d) made it 40 ms for 24 (vit's,
        # batch 100); as one static program 25 for 27.
        mixed = functional.linear(x, self.weight).transpose([0, 2, 1])  # (B, 3D, T)
        q, k, v = mixed.reshape([-1, 3 * self.heads, size, tokens]).split(3, 1)  # (B, heads, d, T) each
        scale = paddle.full([], size**-0.5, q.dtype)
        shares = functional.softmax(paddle.matmul(q * scale, k, transpose_x=True))
        y = paddle.matmul(v, shares, transpose_y=True).reshape([-1, width, tokens])
        return paddle.matmul(y, self.output_weight, transpose_x=True)


class BatchNorm(nn.BatchNorm2D):
    """nn.BatchNorm2D for images and vectors; paddle's warns at each step that it tracks mean and variance."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        arrays = self._mean, self._variance, self.weight, self.bias
        return functional.batch_norm(x, *arrays, self.training, self._momentum, self._epsilon)


class LSTM(nn.LSTM):
    """nn.LSTM, whose second bias stays zero.

    It gets a gradient that nobody asks for: without it the kernel ends with `Required tensor shall not be nullptr`.
    """

    def __init__(self, inputs: int, units: int, sequence: bool) -> None:
        super().__init__(inputs, units, bias_hh_attr=paddle.ParamAttr(initializer=nn.initializer.Constant(0.0)))
        self.sequence = sequence

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:  # (B, T, I) -> (B, H) or (B, T, H)
        y, (last, _) = super().forward(x)
        return y if self.sequence else last.squeeze(0)


class Residual(nn.Layer):
    def __init__(self, branch: list[nn.Layer], shortcut: list[nn.Layer]) -> None:
        super().__init__()
        self.branch, self.shortcut = nn.Sequential(*branch), nn.Sequential(*shortcut)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.branch(x) + self.shortcut(x)


ACTIVATIONS = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "gelu_tanh": lambda: nn.GELU(approximate=True),
    "softmax": nn.Softmax,
}


def layers_of(layers: Iterable[declaration.Layer], places: Iterator[Place]) -> list[nn.Layer]:
    """Return the layers that declared ones mean; `places` are theirs, in order."""
    return [
        _residual(layer, places) if isinstance(layer, declaration.Residual) else _layer_of(next(places))
        for layer in layers
    ]


def _residual(layer: declaration.Residual, places: Iterator[Place]) -> Residual:
    made = Residual(layers_of(layer.branch, places), layers_of(layer.shortcut, places))
    next(places)  # its own comes last
    return made


def _layer_of(place: Place) -> nn.Layer:
    shape = place.before
    match place.layer:
        case declaration.Conv2D(channels, kernel, stride, padding, groups, bias):
            return Conv2D(shape[0], channels, kernel, stride, padding, groups=groups, bias_attr=None if bias else False)
        case declaration.Dense(units, bias):
            return nn.Linear(shape[-1], units, bias_attr=None if bias else False)
        case declaration.MaxPool2D(size, stride):
            return nn.MaxPool2D(size, stride)
        case declaration.AvgPool2D(size, stride):
            return nn.AvgPool2D(size, stride)
        case declaration.GlobalAvgPool():
            return GlobalAvgPool()
        case declaration.Activation(function):
            return ACTIVATIONS[function]()
        case declaration.Flatten():
            return nn.Flatten()
        case declaration.Reshape(after):
            return Reshape(after)
        case declaration.Patches(height, width):
            return Patches(height, width, shape)
        case declaration.PositionEmbedding():
            return PositionEmbedding(shape)
        case declaration.BatchNorm(momentum, epsilon):
            return BatchNorm(shape[0], momentum, epsilon)
        case declaration.LayerNorm(epsilon):
            return nn.LayerNorm(shape[-1], epsilon)
        case declaration.RMSNorm(epsilon):
            return RMSNorm(shape[-1], epsilon)
        case declaration.SelfAttention(heads):
            return SelfAttention(heads, shape[1])
        case declaration.LSTM(units, sequence):
            return LSTM(shape[1], units, sequence)
    raise TypeError(place.layer)
