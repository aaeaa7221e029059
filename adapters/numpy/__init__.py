"""numpy: the oracle in float64, and a contestant that uses nothing but NumPy and its BLAS."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from adapters.contract import NARROW, Adapter, Array, Feed, Preloaded, chain
from adapters.declaration import SGD, Adam
from adapters.numpy import functions, layers
from adapters.numpy.base import Weighted
from adapters.weights import Weights


class NumpyAdapter(Adapter):
    """The reference: hand-written gradients, see layers.py."""

    framework = "numpy"
    version = np.__version__

    # What there is

    @classmethod
    def set_threads(cls, threads: int) -> int:
        # OpenBLAS reads its environment when it is loaded; NumPy has no call to change it afterwards.
        return int(os.environ.get("OPENBLAS_NUM_THREADS", threads))

    @classmethod
    def missing(cls, device: str, mode: str, dtype: str, input: str) -> str | None:
        if device != "cpu":
            return "there is no such thing as numpy on a GPU"
        if dtype in NARROW:
            return f"NumPy's BLAS has no products of {dtype}"
        return None if mode == "eager" else "NumPy has no compiler"

    # The network

    def build(self) -> None:
        self.layers = layers.chain(self.recipe.model.layers, iter(self.recipe.model.places()))
        parts = [part for layer in self.layers for part in layer.parts()]
        self.weighted = [part for part in parts if isinstance(part, Weighted)]
        self.keeping = [layer for layer in self.weighted if layer.statistics]
        self.set_weights({p.name: np.zeros(p.shape) for p in self.recipe.model.arrays()})

    def set_weights(self, weights: Weights) -> None:
        declared = iter(self.recipe.model.arrays())
        for owners, names in ((self.weighted, "names"), (self.keeping, "statistics")):
            for layer in owners:
                for name in getattr(layer, names):
                    setattr(layer, name, np.array(weights[next(declared).name], self.dtype))
        arrays = self.arrays()
        self.velocity = [np.zeros_like(array) for array in arrays]
        self.square = [np.zeros_like(array) for array in arrays]
        self.scratch = [np.empty_like(array) for array in arrays]
        self.step_count = 0

    def get_weights(self) -> Weights:
        statistics = [getattr(layer, name) for layer in self.keeping for name in layer.statistics]
        return self.named([*self.arrays(), *statistics])

    # The work

    def put(self, images: Array, labels: Array) -> Preloaded:
        channel_first = np.ascontiguousarray(images.transpose(0, 2, 1, 3, 4))  # (S, C, B, H, W)
        return Preloaded(channel_first, labels, len(labels))

    def feed(self, images: Array, labels: Array, order: Array) -> Feed:
        channel_first = np.ascontiguousarray(images.transpose(1, 0, 2, 3))  # (C, N, H, W)
        batch = np.empty((len(channel_first), order.shape[1], *images.shape[2:]), self.dtype)

        def batches() -> Iterator[tuple[Array, Array]]:
            for rows in itertools.cycle(order):
                # One buffer for all batches spares new pages; without mode="clip" take would fill another one first.
                yield channel_first.take(rows, axis=1, out=batch, mode="clip"), labels[rows]

        return Feed(batches(), len(order))

    def step(self, images: Array, labels: Array) -> float:
        loss = self.differentiate(images, labels)
        self.update()
        return loss

    def gradients(self, preloaded: Preloaded, index: int) -> Weights:
        self.differentiate(preloaded.images[index], preloaded.labels[index])
        return self.named(self.gradient_arrays())

    def evaluate(self, preloaded: Preloaded, first: int, count: int) -> Any:
        self.train_mode(False)
        outputs = [self.forward(preloaded.images[index]).copy() for index in range(first, first + count)]
        self.train_mode(True)
        return outputs

    def products(self, left: Array, right: Array) -> Callable[[int], Any]:
        targets = np.empty_like(left), np.empty_like(left)
        return chain(lambda last, target: np.matmul(last, right, out=target), left, targets)

    def copies(self, array: Array) -> Callable[[int], Any]:
        targets = np.empty_like(array), np.empty_like(array)
        return chain(lambda last, target: np.negative(last, out=target), array, targets)

    def synchronise(self, pending: Any = None) -> None:
        pass  # NumPy returns when it has finished

    # Own helpers

    def arrays(self) -> list[Array]:
        return [array for layer in self.weighted for array in layer.arrays()]

    def gradient_arrays(self) -> list[Array]:
        return [array for layer in self.weighted for array in layer.gradients()]

    def adopt(self, other: NumpyAdapter) -> None:
        """Take over copies of the gradients and of what comes next of the statistics: an update may write to them."""
        for layer, found in zip(self.weighted, other.weighted, strict=True):
            for name in (*(f"{name}_gradient" for name in layer.names), *(f"{name}_next" for name in layer.statistics)):
                setattr(layer, name, getattr(found, name).copy())

    def train_mode(self, training: bool) -> None:
        for layer in self.keeping:
            layer.training = training

    def differentiate(self, images: Array, labels: Array) -> float:
        loss, gradient = functions.loss(self.recipe, self.forward(images), labels)
        self.backward(gradient)
        return loss

    def forward(self, x: Array) -> Array:  # (C, B, H, W) -> (B, outputs)
        return layers.forward(self.layers, x)

    def backward(self, dy: Array) -> None:
        layers.backward(self.layers, dy)

    def update(self) -> None:
        self.step_count += 1
        for layer in self.keeping:
            for name in layer.statistics:
                setattr(layer, name, getattr(layer, f"{name}_next"))
        state = zip(self.arrays(), self.gradient_arrays(), self.velocity, self.square, self.scratch, strict=True)
        for w, g, v, s, scratch in state:
            match self.recipe.optimiser:
                case SGD(momentum=0.0):
                    w -= np.multiply(g, self.rate, out=g)  # the gradient is not needed again
                case SGD(_, momentum, nesterov):
                    v *= momentum
                    v += g
                    w -= self.rate * (g + momentum * v) if nesterov else np.multiply(v, self.rate, out=scratch)
                case Adam(_, beta1, beta2, epsilon, decay) as adam:
                    if decay:
                        w *= 1 - self.rate * decay
                    correction1, correction2 = adam.corrections(self.step_count)
                    v += (1 - beta1) * (g - v)
                    s += (1 - beta2) * (g * g - s)
                    w -= (self.rate / correction1) * v / (np.sqrt(s / correction2) + epsilon)
