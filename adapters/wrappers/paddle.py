"""paddle.Model, prepare and fit, over batches that lie ready."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import paddle
from paddle import nn

from adapters import wrappers
from adapters.contract import Preloaded, Unsupported
from adapters.paddle import PaddleAdapter
from adapters.weights import Weights


class ModelFit(PaddleAdapter):
    """The adapter's layers and optimiser; a chunk is one call of fit. It trains op by op."""

    calls_are_whole = True

    # What there is

    @classmethod
    def missing(cls, device: str, mode: str, dtype: str, input: str) -> str | None:
        if reason := wrappers.missing(device, input):
            return reason
        if mode == "compiled":
            return "paddle.Model compiles nothing, unless the whole process is of static graphs"
        return super().missing(device, mode, dtype, input)

    # The network

    def build(self) -> None:
        super().build()
        self.model = paddle.Model(self.network)
        self.model.prepare(self.optimiser, self.make_loss())

    def set_weights(self, weights: Weights) -> None:
        super().set_weights(weights)
        self.model.prepare(self.optimiser, self.make_loss())

    # The work

    def train(self, preloaded: Preloaded, first: int, count: int) -> None:
        seen, steps = Losses(), [index % preloaded.steps for index in range(first, first + count)]
        batches = [(preloaded.images[index], preloaded.labels[index]) for index in steps]
        self.model.fit(batches, epochs=1, verbose=0, callbacks=[seen])
        for index, loss in zip(steps, seen.losses, strict=True):
            preloaded.losses[index] = loss

    # Own helpers

    def make_loss(self) -> Callable[[paddle.Tensor, paddle.Tensor], paddle.Tensor]:
        if self.recipe.label_smoothing:
            raise Unsupported("model-fit has no smoothed labels here")
        if self.recipe.loss == "cross_entropy":
            return nn.CrossEntropyLoss()
        return lambda outputs, labels: nn.functional.mse_loss(outputs[:, 0], labels.astype(outputs.dtype))


class Losses(paddle.callbacks.Callback):
    """Each step's loss, as fit tells its callbacks."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[float] = []

    def on_train_batch_end(self, step: int, logs: dict[str, Any] | None = None) -> None:
        """Keep what fit says at the end of a batch."""
        self.losses += (logs or {})["loss"]
