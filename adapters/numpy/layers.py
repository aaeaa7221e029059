"""Hand-written forward and backward of every declared layer: the arithmetic all frameworks are held to.

Here the layers that read any shape; images.py, tokens.py and functions.py have the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from adapters import declaration
from adapters.declaration import Place, Shape
from adapters.numpy.base import Array, Layer, Weighted
from adapters.numpy.functions import Activation
from adapters.numpy.images import BatchNorm, Conv2D, GlobalAvgPool, Pool2D
from adapters.numpy.tokens import LSTM, LayerNorm, Patches, PositionEmbedding, RMSNorm, SelfAttention


class Dense(Weighted):
    def __init__(self, bias: bool = True) -> None:
        super().__init__()
        if not bias:
            self.names = ("weight",)

    def forward(self, x: Array) -> Array:  # (N, in) -> (N, out), (N, T, in) -> (N, T, out)
        self.x = x
        y = np.matmul(x, self.weight, out=self.buffer("y", (*x.shape[:-1], self.weight.shape[1]), x))
        if "bias" in self.names:
            y += self.bias
        return y

    def backward(self, dy: Array) -> Array:
        flat = dy.reshape(-1, dy.shape[-1])
        x = self.x.reshape(-1, self.x.shape[-1])
        self.weight_gradient = np.matmul(x.T, flat, out=self.buffer("dw", self.weight.shape, dy))
        if "bias" in self.names:
            self.bias_gradient = flat.sum(axis=0, out=self.buffer("db", self.bias.shape, dy))
        if not self.needs_input_gradient:
            return dy
        return np.matmul(dy, self.weight.T, out=self.buffer("dx", self.x.shape, dy))


class Reshape(Layer):
    """By way of rows (N, size) in C order, which is how Flatten leaves them."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Array) -> Array:
        self.x_shape = x.shape
        return self.shaped("y", self.rows("rows", x), self.shape)

    def backward(self, dy: Array) -> Array:
        image = len(self.x_shape) == 4
        before = (self.x_shape[0], *self.x_shape[2:]) if image else self.x_shape[1:]
        return self.shaped("dx", self.rows("drows", dy), before)

    def rows(self, name: str, x: Array) -> Array:
        """Return (C, N, H, W) or (N, ...) as (N, size)."""
        if x.ndim != 4:
            return x.reshape(len(x), -1)
        if len(x) == 1:  # it lies as it should: mlp, batch 100: a copy took a tenth of the step
            return x.reshape(x.shape[1], -1)
        moved = x.transpose(1, 0, 2, 3)
        y = self.buffer(name, moved.shape, x)
        np.copyto(y, moved)
        return y.reshape(len(y), -1)

    def shaped(self, name: str, rows: Array, shape: Shape) -> Array:
        """Return rows (N, size) as images (C, N, H, W) or (N, *shape)."""
        if len(shape) != 3:
            return rows.reshape(len(rows), *shape)
        moved = rows.reshape(len(rows), *shape).transpose(1, 0, 2, 3)
        x = self.buffer(name, moved.shape, rows)
        np.copyto(x, moved)
        return x


class Residual(Layer):
    def __init__(self, branch: list[Layer], shortcut: list[Layer]) -> None:
        super().__init__()
        self.branch, self.shortcut = branch, shortcut

    def parts(self) -> Iterator[Layer]:
        for layer in (*self.branch, *self.shortcut):
            yield from layer.parts()
        yield self

    def forward(self, x: Array) -> Array:
        y = forward(self.branch, x)
        return np.add(y, forward(self.shortcut, x), out=self.buffer("y", y.shape, y))

    def backward(self, dy: Array) -> Array:
        dx, straight = backward(self.branch, dy), backward(self.shortcut, dy)
        return np.add(dx, straight) if self.needs_input_gradient else dy


def forward(chain: Iterable[Layer], x: Array) -> Array:
    """Return what layers one after another make of x."""
    for layer in chain:
        x = layer.forward(x)
    return x


def backward(chain: list[Layer], dy: Array) -> Array:
    """Return the gradient of a chain's input, of no use where nobody needs it."""
    for layer in reversed(chain):
        dy = layer.backward(dy)
        if not layer.needs_input_gradient:
            return dy
    return dy


def chain(declared: Iterable[declaration.Layer], places: Iterator[Place]) -> list[Layer]:
    """Return the NumPy layers that declared ones mean; `places` are theirs, in order."""
    return [make(layer, places) for layer in declared]


def make(layer: declaration.Layer, places: Iterator[Place]) -> Layer:
    """Return the NumPy layer that a declared layer means."""
    if isinstance(layer, declaration.Residual):
        made: Layer = Residual(chain(layer.branch, places), chain(layer.shortcut, places))
    else:
        made = MADE[type(layer)](layer)
    made.needs_input_gradient = next(places).inner
    return made


MADE: dict[type, Callable[[Any], Layer]] = {
    declaration.Conv2D: Conv2D,
    declaration.Dense: lambda layer: Dense(layer.bias),
    declaration.MaxPool2D: lambda layer: Pool2D(layer.size, layer.stride, largest=True),
    declaration.AvgPool2D: lambda layer: Pool2D(layer.size, layer.stride, largest=False),
    declaration.GlobalAvgPool: lambda _: GlobalAvgPool(),
    declaration.Activation: lambda layer: Activation(layer.function),
    declaration.Flatten: lambda _: Reshape((-1,)),
    declaration.Reshape: lambda layer: Reshape(layer.shape),
    declaration.Patches: lambda layer: Patches(layer.height, layer.width),
    declaration.PositionEmbedding: lambda _: PositionEmbedding(),
    declaration.BatchNorm: BatchNorm,
    declaration.LayerNorm: lambda layer: LayerNorm(layer.epsilon),
    declaration.RMSNorm: lambda layer: RMSNorm(layer.epsilon),
    declaration.SelfAttention: lambda layer: SelfAttention(layer.heads),
    declaration.LSTM: LSTM,
}
