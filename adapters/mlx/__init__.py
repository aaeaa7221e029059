"""mlx: pure functions of a list of parameters, a lazy graph for each step, compiled or not."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np
from mlx.nn import losses

from adapters.contract import Adapter, Array, Feed, Preloaded, chain
from adapters.declaration import Model
from adapters.mlx.layers import compute
from adapters.optimisers import start, updates
from adapters.weights import Arrays, Weights


class MlxAdapter(Adapter):
    """value_and_grad as it is, or one compiled step; either way a step is a graph, evaluated at its end."""

    framework = "mlx"
    version = mx.__version__

    # What there is

    @classmethod
    def set_threads(cls, threads: int) -> int:
        return 1  # a stream of MLX's computes on its one thread, and so does the BLAS that it comes with

    @classmethod
    def missing(cls, device: str, mode: str, dtype: str, input: str) -> str | None:
        if device != "cpu":
            return "mlx-cpu computes on CPUs alone"
        if dtype == "float64":
            # https://github.com/ml-explore/mlx/issues/3047; its own convolutions, too, see NOTES.md
            return "MLX computes exp in float32 when it is asked for float64"
        return "MLX has no loop of training steps in one call" if mode == "fused" else None

    @classmethod
    def recommended_mode(cls, model: Model, device: str, input: str = "preloaded") -> str:
        return "compiled"

    # The network

    def build(self) -> None:
        self.type = getattr(mx, self.dtype)  # said of every array: MLX takes NumPy's float64 for float32 otherwise
        made: Callable[[Any], Any] = mx.compile if self.mode == "compiled" else lambda function: function
        self.one_step, self.slopes, self.infer = map(made, (self.stepped, self.differentiate, self.forward))
        self.learnt = len(self.recipe.model.parameters())
        self.kept = self.recipe.model.momenta()
        self.set_weights({p.name: np.zeros(p.shape) for p in self.recipe.model.arrays()})
        self.set_rate(self.recipe.schedule.rate(self.recipe.optimiser, 0))

    def set_weights(self, weights: Weights) -> None:
        arrays = [np.array(weights[p.name], self.dtype) for p in self.recipe.model.arrays()]
        self.arrays = [mx.array(array, self.type) for array in arrays]
        state = start(self.recipe.optimiser, arrays[: self.learnt])
        self.state = [[mx.array(array, self.type) for array in slot] for slot in state]

    def get_weights(self) -> Weights:
        return self.named(self.arrays)

    def snapshot(self) -> Callable[[], Weights]:
        kept = self.arrays  # a step makes new arrays, and a new list of them
        return lambda: self.named(kept)

    def set_rate(self, rate: float) -> None:
        self.rate = mx.array(rate, self.type)

    # The work

    def put(self, images: Array, labels: Array) -> Preloaded:
        images = np.ascontiguousarray(images.transpose(0, 1, 3, 4, 2))  # (S, B, H, W, C)
        digits = labels.astype(np.int32)
        return Preloaded(
            [mx.array(batch, self.type) for batch in images], [mx.array(batch) for batch in digits], len(labels)
        )

    def feed(self, images: Array, labels: Array, order: Array) -> Feed:
        last, digits = np.ascontiguousarray(images.transpose(0, 2, 3, 1)), labels.astype(np.int32)
        return Feed(
            ((mx.array(last[rows], self.type), mx.array(digits[rows])) for rows in itertools.cycle(order)), len(order)
        )

    def step(self, images: Any, labels: Any) -> Any:
        self.arrays, self.state, loss = self.one_step(self.arrays, self.state, images, labels, self.rate)
        # On one CPU async_eval gains nothing: mlp 0.95 of this, while the next graph is made on the same CPU.
        mx.eval(self.arrays, self.state, loss)
        return loss

    def gradients(self, preloaded: Preloaded, index: int) -> Weights:
        return self.named(self.slopes(self.arrays, preloaded.images[index], preloaded.labels[index])[2])

    def evaluate(self, preloaded: Preloaded, first: int, count: int) -> Any:
        outputs = []
        for index in range(first, first + count):
            outputs.append(self.infer(self.arrays, preloaded.images[index]))
            mx.eval(outputs[-1])  # one graph of all batches would keep many activations at once
        return outputs

    def fetch(self, outputs: Any) -> Array:
        return np.array(mx.concatenate(outputs).astype(self.type))

    def products(self, left: Array, right: Array) -> Callable[[int], Any]:
        first, factor = (mx.array(array).astype(getattr(mx, self.operands)) for array in (left, right))
        return chain(mx.matmul, first, (factor, factor))

    def copies(self, array: Array) -> Callable[[int], Any]:
        return chain(lambda last, _: mx.negative(last), mx.array(array, self.type))

    def synchronise(self, pending: Any = None) -> None:
        mx.eval(self.arrays, self.state, pending or [])

    def placement(self) -> str:
        return str(mx.default_device().type.name)  # its arrays are no device's own: memory is shared

    # Own helpers

    def forward(self, arrays: list[Any], x: Any) -> Any:  # (B, H, W, C) -> (B, outputs)
        return self.network(Arrays(arrays[: self.learnt], arrays[self.learnt :]), x)

    def network(self, arrays: Arrays, x: Any) -> Any:
        return compute(self.recipe.model.layers, x, arrays, getattr(mx, self.operands))

    def loss(self, parameters: list[Any], images: Any, labels: Any) -> tuple[Any, list[Any]]:
        """Return the loss, by what the adapter scales it, and the statistics of the batch."""
        arrays = Arrays(parameters, None)
        loss = self.loss_of(self.network(arrays, images), labels)
        return loss if self.loss_scale == 1 else loss * self.loss_scale, arrays.found

    def loss_of(self, outputs: Any, labels: Any) -> Any:
        if self.recipe.loss == "cross_entropy":
            smoothing = self.recipe.label_smoothing
            return losses.cross_entropy(outputs, labels, label_smoothing=smoothing, reduction="mean")
        return losses.mse_loss(outputs[:, 0], labels.astype(outputs.dtype))

    def differentiate(self, arrays: list[Any], images: Any, labels: Any) -> tuple[Any, list[Any], list[Any]]:
        """Return the loss, the statistics of the batch, and the gradients."""
        (loss, found), gradients = mx.value_and_grad(self.loss)(arrays[: self.learnt], images, labels)
        if self.loss_scale == 1:
            return loss, found, gradients
        return loss / self.loss_scale, found, [gradient / self.loss_scale for gradient in gradients]

    def stepped(self, arrays: list[Any], state: list[Any], images: Any, labels: Any, rate: Any) -> Any:
        loss, found, gradients = self.differentiate(arrays, images, labels)
        change, state = updates(self.recipe.optimiser, arrays[: self.learnt], gradients, state, rate, mx)
        moved = [w - d for w, d in zip(arrays, change, strict=False)]  # the parameters come first
        statistics = zip(self.kept, arrays[self.learnt :], found, strict=True)
        return [*moved, *(kept * old + (1 - kept) * new for kept, old, new in statistics)], state, loss
