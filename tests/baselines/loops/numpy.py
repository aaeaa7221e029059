"""NumPy by hand: one function a network, every large array allocated once, products through the BLAS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Run = Callable[[int, int], float]
RATE = np.float32(0.1)


def loop(step: Callable[[Any, Any], float], images: Any, labels: Any) -> Run:
    def run(first: int, count: int) -> float:
        for index in range(first, first + count):
            loss = step(images[index % len(images)], labels[index % len(images)])
        return loss

    return run


def softmax_cross_entropy(z: Any, y: Any) -> float:
    """Return the mean loss and leave its gradient in z."""
    rows = np.arange(len(y))
    z -= z.max(axis=1, keepdims=True)
    picked = z[rows, y]
    np.exp(z, out=z)
    sums = z.sum(axis=1, keepdims=True)
    loss = float((np.log(sums[:, 0]) - picked).mean())
    z /= sums
    z[rows, y] -= 1
    z /= len(y)
    return loss


def mlp(images: Any, labels: Any, weights: Any) -> Run:
    w1, b1, w2, b2, w3, b3 = (array.copy() for array in weights.values())
    n = images.shape[1]
    h1, h2, z, d1, d2 = (np.empty((n, units), np.float32) for units in (128, 64, 10, 128, 64))
    g1, g2, g3 = (np.empty_like(w) for w in (w1, w2, w3))
    m1, m2 = np.empty(h1.shape, bool), np.empty(h2.shape, bool)

    def step(x: Any, y: Any) -> float:
        np.matmul(x, w1, out=h1)
        np.maximum(np.add(h1, b1, out=h1), 0, out=h1)
        np.matmul(h1, w2, out=h2)
        np.maximum(np.add(h2, b2, out=h2), 0, out=h2)
        np.add(np.matmul(h2, w3, out=z), b3, out=z)
        loss = softmax_cross_entropy(z, y)
        np.matmul(z, w3.T, out=d2)
        np.multiply(d2, np.greater(h2, 0, out=m2), out=d2)
        np.matmul(d2, w2.T, out=d1)
        np.multiply(d1, np.greater(h1, 0, out=m1), out=d1)
        for w, b, g, x_in, d in ((w3, b3, g3, h2, z), (w2, b2, g2, h1, d2), (w1, b1, g1, x, d1)):
            np.matmul(x_in.T, d, out=g)
            g *= RATE
            w -= g
            b -= RATE * d.sum(axis=0)
        return loss

    return loop(step, np.ascontiguousarray(images.reshape(*labels.shape, 784)), labels)


def lenet(images: Any, labels: Any, weights: Any) -> Run:  # noqa: PLR0915  # by hand, every buffer by name
    """Images as (channels, batch, height, width), so that a convolution is one product that needs no transposition."""
    own = [array.copy() for array in weights.values()]
    k1, b1, k2, b2, w3, b3, w4, b4 = own
    n = images.shape[1]
    f = np.float32
    c1, c2 = np.empty((1, 5, 5, n, 24, 24), f), np.empty((20, 5, 5, n, 8, 8), f)
    y1, y2 = np.empty((20, n, 24, 24), f), np.empty((50, n, 8, 8), f)
    q1, q2 = np.empty((20, n, 12, 12), f), np.empty((50, n, 4, 4), f)
    flat, h, z = np.empty((n, 50, 4, 4), f), np.empty((n, 500), f), np.empty((n, 10), f)
    dh, dflat, dcolumns, dx = np.empty_like(h), np.empty((n, 800), f), np.empty((500, n * 64), f), np.empty_like(q1)
    gradients = [np.empty_like(array) for array in own]
    g1, e1, g2, e2, g3, e3, g4, e4 = gradients
    scratch = {y.shape: (np.empty_like(y), np.empty(q.shape, bool), np.empty_like(q)) for y, q in ((y1, q1), (y2, q2))}

    def convolve(x: Any, kernel: Any, bias: Any, columns: Any, y: Any) -> None:
        size = y.shape[-1]
        for i in range(5):
            for j in range(5):
                columns[:, i, j] = x[:, :, i : i + size, j : j + size]
        flat_y = y.reshape(len(y), -1)
        np.matmul(kernel.reshape(len(y), -1), columns.reshape(-1, flat_y.shape[1]), out=flat_y)
        np.add(flat_y, bias[:, None], out=flat_y)

    def corners(y: Any) -> list[Any]:
        return [y[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)]

    def activate_and_pool(y: Any, q: Any) -> None:
        a, b, c, d = corners(np.tanh(y, out=y))
        np.maximum(np.maximum(a, b, out=q), np.maximum(c, d, out=scratch[y.shape][2]), out=q)

    def unpool(y: Any, q: Any, dq: Any) -> Any:
        """Return the gradient before tanh, (channels, batch * height * width), of y = tanh and q = its pooling."""
        dy, claimed, rest = scratch[y.shape]
        # tanh' = 1 - y^2 is the same number at the corner that won and at q, so that a quarter of the work does
        np.multiply(q, q, out=rest)
        np.subtract(1, rest, out=rest)
        rest *= dq
        for value, gradient in zip(corners(y), corners(dy), strict=True):
            np.multiply(rest, np.equal(value, q, out=claimed), out=gradient)
            rest -= gradient
        return dy.reshape(len(y), -1)

    def step(x: Any, labels: Any) -> float:
        convolve(x, k1, b1, c1, y1)
        activate_and_pool(y1, q1)
        convolve(q1, k2, b2, c2, y2)
        activate_and_pool(y2, q2)
        np.copyto(flat, q2.transpose(1, 0, 2, 3))
        np.tanh(np.add(np.matmul(flat.reshape(n, 800), w3, out=h), b3, out=h), out=h)
        np.add(np.matmul(h, w4, out=z), b4, out=z)
        loss = softmax_cross_entropy(z, labels)
        np.matmul(h.T, z, out=g4)
        z.sum(axis=0, out=e4)
        np.matmul(z, w4.T, out=dh)
        np.multiply(dh, 1 - h * h, out=dh)
        np.matmul(flat.reshape(n, 800).T, dh, out=g3)
        dh.sum(axis=0, out=e3)
        np.matmul(dh, w3.T, out=dflat)
        dy = unpool(y2, q2, dflat.reshape(n, 50, 4, 4).transpose(1, 0, 2, 3))
        np.matmul(dy, c2.reshape(500, -1).T, out=g2.reshape(50, -1))
        dy.sum(axis=1, out=e2)
        windows = np.matmul(k2.reshape(50, -1).T, dy, out=dcolumns).reshape(c2.shape)
        dx.fill(0)
        for i in range(5):
            for j in range(5):
                dx[:, :, i : i + 8, j : j + 8] += windows[:, i, j]
        dy = unpool(y1, q1, dx)
        np.matmul(dy, c1.reshape(25, -1).T, out=g1.reshape(20, -1))
        dy.sum(axis=1, out=e1)
        for w, g in zip(own, gradients, strict=True):
            g *= RATE
            w -= g
        return loss

    return loop(step, np.ascontiguousarray(images.transpose(0, 2, 1, 3, 4)), labels)


def by_hand(model: str, images: Any, labels: Any, weights: Any) -> Run:
    return (mlp if model == "mlp" else lenet)(images, labels, weights)


LOOPS = {"eager": (by_hand,)}
