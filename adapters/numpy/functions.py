"""Activations and losses with their slopes, and the error function that NumPy lacks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.numpy.base import Array, Layer

# erf(x) = x * P(x^2) / Q(x^2) up to 1, above it 1 - exp(-x^2) * R(x) / S(x): S. Moshier, Cephes 2.8, ndtr.c, within
# 4e-16 (www.netlib.org/cephes). Highest power first.
SMALL = (
    (9.604973739870516, 90.02601972038427, 2232.005345946843, 7003.325141128051, 55592.30130103949),
    (1.0, 33.56171416475031, 521.3579497801527, 4594.323829709801, 22629.000061389095, 49267.39426086359),
)
LARGE = (
    (
        2.461969814735305e-10,
        0.5641895648310689,
        7.463210564422699,
        48.63719709856814,
        196.5208329560771,
        526.4451949954773,
        934.5285271719576,
        1027.5518868951572,
        557.5353353693994,
    ),
    (
        1.0,
        13.228195115474499,
        86.70721408859897,
        354.9377788878199,
        975.7085017432055,
        1823.9091668790973,
        2246.3376081871097,
        1656.6630919416134,
        557.5353408177277,
    ),
)
ERF_IS_ONE = 6.0  # 1 - erf(6) is 2e-17


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    y: Array = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        y *= x
        y += coefficient
    return y


def erf(x: Array) -> Array:
    """Return the error function of each element, in the type of x."""
    y = np.minimum(np.abs(x), ERF_IS_ONE)
    large = y > 1
    beyond = y[large]
    squared = y * y
    y *= _polynomial(SMALL[0], squared) / _polynomial(SMALL[1], squared)
    y[large] = 1 - np.exp(-beyond * beyond) * _polynomial(LARGE[0], beyond) / _polynomial(LARGE[1], beyond)
    return np.copysign(y, x, out=y)


def sigmoid(x: Array, out: Array) -> Array:
    """Write 1 / (1 + exp(-x)) to `out`, which may be x, without overflow."""
    np.tanh(np.multiply(x, 0.5, out=out), out=out)
    out += 1
    out *= 0.5
    return out


def softmax(x: Array, out: Array) -> Array:
    """Write the softmax over the last axis to `out`, which may be x."""
    np.exp(np.subtract(x, x.max(axis=-1, keepdims=True), out=out), out=out)
    out /= out.sum(axis=-1, keepdims=True)
    return out


def softmax_slope(y: Array, dy: Array) -> Array:
    """Return the gradient of a softmax's input where y came out."""
    return np.asarray(y * (dy - (dy * y).sum(axis=-1, keepdims=True)))


SLOPE, CUBE = math.sqrt(2 / math.pi), 0.044715  # of gelu_tanh


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
            case "sigmoid":
                sigmoid(x, y)
            case "softmax":
                softmax(x, y)
            case "gelu":
                self.x, self.share = x, (1 + erf(x * math.sqrt(0.5))) / 2
                np.multiply(x, self.share, out=y)
            case "gelu_tanh":
                self.x, self.share = x, (1 + np.tanh(SLOPE * (x + CUBE * x**3))) / 2
                np.multiply(x, self.share, out=y)
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
            case "softmax":
                return softmax_slope(y, dy)
            case "gelu":
                slope = self.x * np.exp(-0.5 * self.x * self.x) / math.sqrt(2 * math.pi)
                return dy * (self.share + slope)
            case _:
                slope = 2 * self.share * (1 - self.share) * SLOPE * (1 + 3 * CUBE * self.x**2)
                return np.asarray(dy * (self.share + self.x * slope))


Labels = npt.NDArray[np.int64]


def cross_entropy(outputs: Array, labels: Labels, smoothing: float = 0.0) -> tuple[float, Array]:
    """Return (loss, gradient): mean over the batch of log-sum-exp minus the label's logit. outputs (N, K).

    With smoothing a the label's is a part 1 - a, the mean of all logits the rest.
    """
    rows = np.arange(len(labels))
    shifted = outputs - outputs.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    sums = exponentials.sum(axis=1, keepdims=True)
    losses = np.log(sums[:, 0]) - (1 - smoothing) * shifted[rows, labels]
    gradient = exponentials / sums
    gradient[rows, labels] -= 1 - smoothing
    if smoothing:
        losses -= smoothing * shifted.mean(axis=1)
        gradient -= smoothing / outputs.shape[1]
    gradient /= len(labels)
    return float(losses.mean()), gradient


def mean_squared_error(outputs: Array, labels: Labels) -> tuple[float, Array]:
    """Return (loss, gradient): mean over the batch of (output - digit)^2, no 1/2. outputs (N, 1)."""
    difference = outputs - labels[:, None].astype(outputs.dtype)
    return float(np.square(difference).mean()), difference * (2.0 / len(labels))


def loss(recipe: Any, outputs: Array, labels: Labels) -> tuple[float, Array]:
    """Return a recipe's (loss, gradient) of outputs (N, K) for labels (N,)."""
    if recipe.loss == "cross_entropy":
        return cross_entropy(outputs, labels, recipe.label_smoothing)
    return mean_squared_error(outputs, labels)
