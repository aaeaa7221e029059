"""Hand-written forward and backward of every declared layer: the arithmetic all frameworks are held to.

Images travel as (C, N, H, W). With the channel in front a convolution is one matrix product whose result
needs no transposition, and the weights stay in the canonical layout. Buffers are kept from step to step,
one per shape, so that a training step allocates almost nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from adapters import declaration
from adapters.declaration import Shape

Array = npt.NDArray[np.floating]


class Layer(ABC):
    """One layer: forward keeps what backward needs; backward returns the gradient of its input."""

    def __init__(self) -> None:
        self.needs_input_gradient = True  # False for the first weighted layer and all before it
        self._buffers: dict[tuple[str, Shape], Array] = {}

    def buffer(self, name: str, shape: Shape, like: Array) -> Array:
        """Return the same uninitialised array for the same name and shape, in the dtype of `like`."""
        key = (name, shape)
        if key not in self._buffers:
            self._buffers[key] = np.empty(shape, like.dtype)
        return self._buffers[key]

    @abstractmethod
    def forward(self, x: Array) -> Array: ...

    @abstractmethod
    def backward(self, dy: Array) -> Array: ...


class Weighted(Layer):
    """A layer with weight and bias in the canonical layout, and their gradients after backward."""

    weight: Array
    bias: Array
    weight_gradient: Array
    bias_gradient: Array


class Dense(Weighted):
    def forward(self, x: Array) -> Array:  # (N, in) -> (N, out)
        self.x = x
        y = np.matmul(x, self.weight, out=self.buffer("y", (len(x), self.weight.shape[1]), x))
        y += self.bias
        return y

    def backward(self, dy: Array) -> Array:
        self.weight_gradient = np.matmul(self.x.T, dy, out=self.buffer("dw", self.weight.shape, dy))
        self.bias_gradient = dy.sum(axis=0, out=self.buffer("db", self.bias.shape, dy))
        if not self.needs_input_gradient:
            return dy
        return np.matmul(dy, self.weight.T, out=self.buffer("dx", self.x.shape, dy))


class Conv2D(Weighted):
    """Cross-correlation as one matrix product over copied windows (im2col)."""

    def __init__(self, kernel: int, stride: int, padding: int) -> None:
        super().__init__()
        self.kernel, self.stride, self.padding = kernel, stride, padding

    def taps(self, extent: Shape) -> list[tuple[int, int, slice, slice]]:
        """Return for each kernel element the rows and columns of the padded image that it meets."""
        rows, columns = extent
        s = self.stride
        return [
            (i, j, slice(i, i + s * rows, s), slice(j, j + s * columns, s))
            for i in range(self.kernel)
            for j in range(self.kernel)
        ]

    def forward(self, x: Array) -> Array:  # (Ci, N, H, W) -> (Co, N, Ho, Wo)
        p, k = self.padding, self.kernel
        if p:
            x = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        ci, n, height, width = self.x_shape = x.shape
        extent = self.extent = ((height - k) // self.stride + 1, (width - k) // self.stride + 1)
        windows = self.buffer("windows", (ci, k, k, n, *extent), x)
        for i, j, rows, columns in self.taps(extent):
            windows[:, i, j] = x[:, :, rows, columns]
        self.columns = windows.reshape(ci * k * k, -1)  # (Ci*K*K, N*Ho*Wo)
        co = len(self.weight)
        y = np.matmul(self.weight.reshape(co, -1), self.columns, out=self.buffer("y", (co, self.columns.shape[1]), x))
        y += self.bias[:, None]
        return y.reshape(co, n, *extent)

    def backward(self, dy: Array) -> Array:
        co = len(self.weight)
        flat = dy.reshape(co, -1)
        product = np.matmul(flat, self.columns.T, out=self.buffer("dw", (co, len(self.columns)), dy))
        self.weight_gradient = product.reshape(self.weight.shape)
        self.bias_gradient = flat.sum(axis=1, out=self.buffer("db", (co,), dy))
        if not self.needs_input_gradient:
            return dy
        ci, n, height, width = self.x_shape
        dcolumns = np.matmul(self.weight.reshape(co, -1).T, flat, out=self.buffer("dc", self.columns.shape, dy))
        windows = dcolumns.reshape(ci, self.kernel, self.kernel, n, *self.extent)
        dx = self.buffer("dx", self.x_shape, dy)
        dx.fill(0)
        for i, j, rows, columns in self.taps(self.extent):
            dx[:, :, rows, columns] += windows[:, i, j]
        p = self.padding
        return dx[:, :, p : height - p, p : width - p] if p else dx


class Pool2D(Layer):
    """Max or mean over square windows; incomplete windows are dropped."""

    def __init__(self, size: int, stride: int, largest: bool) -> None:
        super().__init__()
        self.size, self.stride, self.largest = size, stride, largest

    def views(self, x: Array) -> list[Array]:
        """Return, for each place in a window, the view of x that holds it for all windows."""
        rows, columns = ((extent - self.size) // self.stride + 1 for extent in x.shape[2:])
        s = self.stride
        return [
            x[:, :, i : i + s * rows : s, j : j + s * columns : s] for i in range(self.size) for j in range(self.size)
        ]

    def forward(self, x: Array) -> Array:  # (C, N, H, W) -> (C, N, Ho, Wo)
        self.x = x
        first, *others = self.views(x)
        y = self.y = self.buffer("y", first.shape, x)
        np.copyto(y, first)
        for view in others:
            np.maximum(y, view, out=y) if self.largest else np.add(y, view, out=y)
        if not self.largest:
            y /= self.size**2
        return y

    def backward(self, dy: Array) -> Array:
        dx = self.buffer("dx", self.x.shape, dy)
        dx.fill(0)
        if not self.largest:
            share = dy / self.size**2
            for gradient in self.views(dx):
                gradient += share
            return dx
        rest = self.buffer("rest", dy.shape, dy)  # what no earlier place of the window has claimed:
        np.copyto(rest, dy)  # of tied maxima the first takes all
        apart = self.stride >= self.size  # then no two windows share a place, and nothing need be added up
        for view, gradient in zip(self.views(self.x), self.views(dx), strict=True):
            claimed = np.multiply(rest, view == self.y, out=gradient if apart else self.buffer("claimed", dy.shape, dy))
            if not apart:
                gradient += claimed
            rest -= claimed
        return dx


class Flatten(Layer):
    def forward(self, x: Array) -> Array:  # (C, N, H, W) -> (N, C*H*W)
        self.x_shape = x.shape
        c, n, height, width = x.shape
        if c == 1:  # it lies as it should: mlp, batch 100: a copy took a tenth of the step
            return x.reshape(n, -1)
        y = self.buffer("y", (n, c, height, width), x)
        np.copyto(y, x.transpose(1, 0, 2, 3))
        return y.reshape(n, -1)

    def backward(self, dy: Array) -> Array:
        c, n, height, width = self.x_shape
        dx = self.buffer("dx", self.x_shape, dy)
        np.copyto(dx, dy.reshape(n, c, height, width).transpose(1, 0, 2, 3))
        return dx


class Activation(Layer):
    def __init__(self, function: str) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Array) -> Array:
        y = self.buffer("y", x.shape, x)
        match self.function:
            case "relu":
                np.maximum(x, 0, out=y)
            case "tanh":
                np.tanh(x, out=y)
            case "sigmoid":  # 1 / (1 + exp(-x)) without overflow
                np.tanh(np.multiply(x, 0.5, out=y), out=y)
                y += 1
                y *= 0.5
            case "softmax":
                np.exp(x - x.max(axis=-1, keepdims=True), out=y)
                y /= y.sum(axis=-1, keepdims=True)
        self.y = y
        return y

    def backward(self, dy: Array) -> Array:
        y, dx = self.y, self.buffer("dx", dy.shape, dy)
        match self.function:
            case "relu":
                return np.multiply(dy, y > 0, out=dx)
            case "tanh":
                np.multiply(y, y, out=dx)
                np.subtract(1, dx, out=dx)
                return np.multiply(dy, dx, out=dx)
            case "sigmoid":
                return dy * (y * (1 - y))
            case _:
                return np.asarray(y * (dy - (dy * y).sum(axis=-1, keepdims=True)))


def make(layer: declaration.Layer) -> Layer:
    """Return the NumPy layer that a declared layer means."""
    match layer:
        case declaration.Conv2D(_, kernel, stride, padding):
            return Conv2D(kernel, stride, padding)
        case declaration.Dense():
            return Dense()
        case declaration.MaxPool2D(size, stride):
            return Pool2D(size, stride, largest=True)
        case declaration.AvgPool2D(size, stride):
            return Pool2D(size, stride, largest=False)
        case declaration.Activation(function):
            return Activation(function)
        case declaration.Flatten():
            return Flatten()


def _cross_entropy(outputs: Array, labels: npt.NDArray[np.int64]) -> tuple[float, Array]:
    """Return (loss, gradient): mean over the batch of log-sum-exp minus the label's logit. outputs (N, K)."""
    rows = np.arange(len(labels))
    shifted = outputs - outputs.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    sums = exponentials.sum(axis=1, keepdims=True)
    loss = float((np.log(sums[:, 0]) - shifted[rows, labels]).mean())
    gradient = exponentials / sums
    gradient[rows, labels] -= 1
    gradient /= len(labels)
    return loss, gradient


def _mean_squared_error(outputs: Array, labels: npt.NDArray[np.int64]) -> tuple[float, Array]:
    """Return (loss, gradient): mean over the batch of (output - digit)^2, no 1/2. outputs (N, 1)."""
    difference = outputs - labels[:, None].astype(outputs.dtype)
    return float(np.square(difference).mean()), difference * (2.0 / len(labels))


LOSSES = {"cross_entropy": _cross_entropy, "mean_squared_error": _mean_squared_error}
