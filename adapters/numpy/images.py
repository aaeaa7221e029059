"""Forward and backward of the layers that read images (C, N, H, W), and of the norm over a batch."""

from __future__ import annotations

import numpy as np

from adapters import declaration
from adapters.declaration import Shape
from adapters.numpy.base import Array, Layer, Weighted


class Conv2D(Weighted):
    """Cross-correlation as one matrix product over copied windows (im2col)."""

    def __init__(self, declared: declaration.Conv2D) -> None:
        super().__init__()
        self.kernel, self.stride, self.padding = declared.kernel, declared.stride, declared.padding
        self.groups = declared.groups
        if not declared.bias:
            self.names = ("weight",)

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
        g, co = self.groups, len(self.weight)
        self.columns = windows.reshape(g, ci // g * k * k, -1)  # (G, Ci/G*K*K, N*Ho*Wo)
        y = self.buffer("y", (g, co // g, self.columns.shape[2]), x)
        np.matmul(self.weight.reshape(g, co // g, -1), self.columns, out=y)
        y = y.reshape(co, -1)
        if "bias" in self.names:
            y += self.bias[:, None]
        return y.reshape(co, n, *extent)

    def backward(self, dy: Array) -> Array:
        g, co = self.groups, len(self.weight)
        flat = dy.reshape(g, co // g, -1)
        product = self.buffer("dw", (g, co // g, self.columns.shape[1]), dy)
        np.matmul(flat, self.columns.transpose(0, 2, 1), out=product)
        self.weight_gradient = product.reshape(self.weight.shape)
        if "bias" in self.names:
            self.bias_gradient = dy.reshape(co, -1).sum(axis=1, out=self.buffer("db", (co,), dy))
        if not self.needs_input_gradient:
            return dy
        ci, n, height, width = self.x_shape
        dcolumns, weight = self.buffer("dc", self.columns.shape, dy), self.weight.reshape(g, co // g, -1)
        np.matmul(weight.transpose(0, 2, 1), flat, out=dcolumns)
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


class GlobalAvgPool(Layer):
    def forward(self, x: Array) -> Array:  # (C, N, H, W) -> (N, C), (N, T, D) -> (N, D)
        self.x_shape = x.shape
        return np.ascontiguousarray(x.mean(axis=(2, 3)).T) if x.ndim == 4 else x.mean(axis=1)

    def backward(self, dy: Array) -> Array:
        dx = self.buffer("dx", self.x_shape, dy)
        if dx.ndim == 4:
            dx[:] = dy.T[:, :, None, None] / (self.x_shape[2] * self.x_shape[3])
        else:
            dx[:] = dy[:, None] / self.x_shape[1]
        return dx


class BatchNorm(Weighted):
    """By channel of an image or by element of a vector; see declaration.BatchNorm."""

    statistics = ("mean", "variance")
    mean: Array
    variance: Array

    def __init__(self, declared: declaration.BatchNorm) -> None:
        super().__init__()
        self.momentum, self.epsilon = declared.momentum, declared.epsilon

    def forward(self, x: Array) -> Array:  # (C, N, H, W) or (N, F), the same
        self.axes = (1, 2, 3) if x.ndim == 4 else (0,)
        if not self.training:
            scale = self.weight / np.sqrt(self.variance + self.epsilon)
            return np.asarray(x * self.along(scale) + self.along(self.bias - self.mean * scale))
        mean = x.mean(axis=self.axes)
        centred = np.subtract(x, self.along(mean), out=self.buffer("centred", x.shape, x))
        y = np.multiply(centred, centred, out=self.buffer("y", x.shape, x))
        variance = y.mean(axis=self.axes)
        keep, add = self.momentum, 1 - self.momentum
        self.mean_next, self.variance_next = keep * self.mean + add * mean, keep * self.variance + add * variance
        self.inverse = 1 / np.sqrt(variance + self.epsilon)
        self.normal = np.multiply(centred, self.along(self.inverse), out=centred)
        np.multiply(self.normal, self.along(self.weight), out=y)
        y += self.along(self.bias)
        return y

    def backward(self, dy: Array) -> Array:
        dx = np.multiply(dy, self.normal, out=self.buffer("dx", dy.shape, dy))
        self.weight_gradient, self.bias_gradient = dx.sum(axis=self.axes), dy.sum(axis=self.axes)
        if not self.needs_input_gradient:
            return dy
        count = dy.size // self.bias_gradient.size
        np.multiply(self.normal, self.along(self.weight_gradient / -count), out=dx)
        dx += dy
        dx -= self.along(self.bias_gradient / count)
        dx *= self.along(self.weight * self.inverse)
        return dx

    def along(self, array: Array) -> Array:
        """Return an array by channel (C,) as it meets images, by element (F,) as it is."""
        return array[:, None, None, None] if len(self.axes) == 3 else array
