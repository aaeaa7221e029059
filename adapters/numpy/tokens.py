"""Forward and backward of the layers that make and read tokens (N, T, D), and of the norms over their last axis."""

from __future__ import annotations

import math

import numpy as np

from adapters import declaration
from adapters.numpy.base import Array, Layer, Weighted
from adapters.numpy.functions import sigmoid, softmax, softmax_slope


class Patches(Layer):
    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width

    def cut(self, images: Array) -> Array:  # (C, N, H, W) -> a view (N, H/h, W/w, C, h, w)
        c, n, rows, columns = images.shape
        grid = images.reshape(c, n, rows // self.height, self.height, columns // self.width, self.width)
        return grid.transpose(1, 2, 4, 0, 3, 5)

    def forward(self, x: Array) -> Array:  # (C, N, H, W) -> (N, T, C*h*w)
        self.x_shape = x.shape
        view = self.cut(x)
        y = self.buffer("y", view.shape, x)
        np.copyto(y, view)
        return y.reshape(len(y), view.shape[1] * view.shape[2], -1)

    def backward(self, dy: Array) -> Array:
        dx = self.buffer("dx", self.x_shape, dy)
        view = self.cut(dx)
        np.copyto(view, dy.reshape(view.shape))
        return dx


class PositionEmbedding(Weighted):
    names = ("weight",)

    def forward(self, x: Array) -> Array:  # (N, T, D), the same
        return np.add(x, self.weight, out=self.buffer("y", x.shape, x))

    def backward(self, dy: Array) -> Array:
        self.weight_gradient = dy.sum(axis=0)
        return dy


class LayerNorm(Weighted):
    def __init__(self, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon

    def forward(self, x: Array) -> Array:  # (N, D) or (N, T, D), the same
        normal = np.subtract(x, x.mean(axis=-1, keepdims=True), out=self.buffer("normal", x.shape, x))
        y = np.multiply(normal, normal, out=self.buffer("y", x.shape, x))
        self.inverse = 1 / np.sqrt(y.mean(axis=-1, keepdims=True) + self.epsilon)
        normal *= self.inverse
        self.normal = normal
        np.multiply(normal, self.weight, out=y)
        y += self.bias
        return y

    def backward(self, dy: Array) -> Array:
        axes = tuple(range(dy.ndim - 1))
        dx = np.multiply(dy, self.normal, out=self.buffer("dx", dy.shape, dy))
        self.weight_gradient, self.bias_gradient = dx.sum(axis=axes), dy.sum(axis=axes)
        if not self.needs_input_gradient:
            return dy
        scaled = dy * self.weight
        share = np.multiply(scaled, self.normal, out=dx).mean(axis=-1, keepdims=True)
        np.multiply(self.normal, -share, out=dx)
        dx += scaled
        dx -= scaled.mean(axis=-1, keepdims=True)
        dx *= self.inverse
        return dx


class RMSNorm(Weighted):
    names = ("weight",)

    def __init__(self, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon

    def forward(self, x: Array) -> Array:  # (N, D) or (N, T, D), the same
        y = np.multiply(x, x, out=self.buffer("y", x.shape, x))
        self.inverse = 1 / np.sqrt(y.mean(axis=-1, keepdims=True) + self.epsilon)
        self.normal = np.multiply(x, self.inverse, out=self.buffer("normal", x.shape, x))
        return np.multiply(self.normal, self.weight, out=y)

    def backward(self, dy: Array) -> Array:
        dx = np.multiply(dy, self.normal, out=self.buffer("dx", dy.shape, dy))
        self.weight_gradient = dx.sum(axis=tuple(range(dy.ndim - 1)))
        if not self.needs_input_gradient:
            return dy
        dx *= self.weight
        share = dx.mean(axis=-1, keepdims=True)
        np.multiply(self.normal, -share, out=dx)
        dx += dy * self.weight
        dx *= self.inverse
        return dx


class SelfAttention(Weighted):
    names = ("weight", "output_weight")
    output_weight: Array

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads

    def forward(self, x: Array) -> Array:  # (N, T, D), the same
        self.x = x
        n, tokens, width = x.shape
        size = width // self.heads
        self.scale = 1 / math.sqrt(size)
        mixed = np.matmul(x, self.weight, out=self.buffer("qkv", (n, tokens, 3 * width), x))
        self.parted = mixed.reshape(n, tokens, 3, self.heads, size).transpose(2, 0, 3, 1, 4)  # (3, N, heads, T, d)
        q, k, v = self.parted
        scores = np.matmul(q, k.swapaxes(2, 3), out=self.buffer("share", (n, self.heads, tokens, tokens), x))
        scores *= self.scale
        self.share = softmax(scores, scores)
        self.joined = self.buffer("joined", x.shape, x)
        np.matmul(self.share, v, out=self.by_head(self.joined))
        return np.matmul(self.joined, self.output_weight, out=self.buffer("y", x.shape, x))

    def by_head(self, x: Array) -> Array:  # (N, T, D) -> a view (N, heads, T, d)
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(0, 2, 1, 3)

    def backward(self, dy: Array) -> Array:
        q, k, v = self.parted
        width = dy.shape[2]
        flat = dy.reshape(-1, width)
        self.output_weight_gradient = self.joined.reshape(-1, width).T @ flat
        djoined = np.matmul(dy, self.output_weight.T, out=self.buffer("djoined", dy.shape, dy))
        dheads = self.by_head(djoined)
        mixed = self.buffer("dqkv", (*dy.shape[:2], 3 * width), dy)
        dq, dk, dv = mixed.reshape(*dy.shape[:2], 3, self.heads, -1).transpose(2, 0, 3, 1, 4)
        np.matmul(self.share.swapaxes(2, 3), dheads, out=dv)
        dscores = softmax_slope(self.share, np.matmul(dheads, v.swapaxes(2, 3)))
        dscores *= self.scale
        np.matmul(dscores, k, out=dq)
        np.matmul(dscores.swapaxes(2, 3), q, out=dk)
        self.weight_gradient = self.x.reshape(-1, width).T @ mixed.reshape(-1, 3 * width)
        if not self.needs_input_gradient:
            return dy
        return np.matmul(mixed, self.weight.T, out=self.buffer("dx", dy.shape, dy))


class LSTM(Weighted):
    names = ("weight", "recurrent_weight", "bias")
    recurrent_weight: Array

    def __init__(self, declared: declaration.LSTM) -> None:
        super().__init__()
        self.units, self.sequence = declared.units, declared.sequence

    def forward(self, x: Array) -> Array:  # (N, T, I) -> (N, H) or (N, T, H)
        n, steps, inputs = x.shape
        h = self.units
        self.x = self.buffer("x", (steps, n, inputs), x)  # step by step: each step's rows lie together
        np.copyto(self.x, x.transpose(1, 0, 2))
        self.gates = np.matmul(self.x, self.weight, out=self.buffer("gates", (steps, n, 4 * h), x))
        self.gates += self.bias
        self.cells, self.hidden = (self.buffer(name, (steps + 1, n, h), x) for name in ("cells", "hidden"))
        self.cells[0], self.hidden[0] = 0, 0
        self.tanh = self.buffer("tanh", (steps, n, h), x)
        added = self.buffer("added", (n, 4 * h), x)
        for t, gates in enumerate(self.gates):
            gates += np.matmul(self.hidden[t], self.recurrent_weight, out=added)
            i, f, g, o = (gates[:, part * h : (part + 1) * h] for part in range(4))
            sigmoid(gates[:, : 2 * h], gates[:, : 2 * h])
            np.tanh(g, out=g)
            sigmoid(o, o)
            np.multiply(f, self.cells[t], out=self.cells[t + 1])
            self.cells[t + 1] += i * g
            np.tanh(self.cells[t + 1], out=self.tanh[t])
            np.multiply(o, self.tanh[t], out=self.hidden[t + 1])
        if not self.sequence:
            return self.hidden[-1]
        y = self.buffer("y", (n, steps, h), x)
        np.copyto(y, self.hidden[1:].transpose(1, 0, 2))
        return y

    def backward(self, dy: Array) -> Array:
        steps, n, inputs = self.x.shape
        h = self.units
        slopes = self.buffer("slopes", (steps, n, 4 * h), dy)
        dh, dc = np.zeros((n, h), dy.dtype), np.zeros((n, h), dy.dtype)
        for t in reversed(range(steps)):
            if self.sequence:
                dh = dh + dy[:, t]
            elif t == steps - 1:
                dh = dy
            i, f, g, o = (self.gates[t, :, part * h : (part + 1) * h] for part in range(4))
            di, df, dg, do = (slopes[t, :, part * h : (part + 1) * h] for part in range(4))
            tanh = self.tanh[t]
            np.multiply(dh * tanh, o * (1 - o), out=do)
            dc += dh * o * (1 - tanh * tanh)
            np.multiply(dc * g, i * (1 - i), out=di)
            np.multiply(dc * i, 1 - g * g, out=dg)
            np.multiply(dc * self.cells[t], f * (1 - f), out=df)
            dc *= f
            dh = np.matmul(slopes[t], self.recurrent_weight.T)
        flat = slopes.reshape(-1, 4 * h)
        self.weight_gradient = self.x.reshape(-1, inputs).T @ flat
        self.recurrent_weight_gradient = self.hidden[:-1].reshape(-1, h).T @ flat
        self.bias_gradient = flat.sum(axis=0)
        if not self.needs_input_gradient:
            return dy
        return (slopes @ self.weight.T).transpose(1, 0, 2)
