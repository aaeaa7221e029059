"""gluon's Trainer, as mxnet's tutorials have it: record, backward, trainer.step."""

from __future__ import annotations

from typing import Any

import mxnet as mx
from mxnet import autograd, gluon

from adapters import wrappers
from adapters.contract import Adapter, Feed, Preloaded, Unsupported
from adapters.declaration import SGD, Adam
from adapters.mxnet import MxnetAdapter
from adapters.weights import Weights


class GluonTrainer(MxnetAdapter):
    """The adapter's blocks, imperatively or hybridized; gradients, and updates by the Trainer's own optimisers."""

    # What there is

    @classmethod
    def missing(cls, device: str, mode: str, dtype: str, input: str) -> str | None:
        return wrappers.missing(device) or super().missing(device, mode, dtype, input)

    # The network

    def set_weights(self, weights: Weights) -> None:
        super().set_weights(weights)
        self.trainer = self.make_trainer()

    def set_rate(self, rate: float) -> None:
        super().set_rate(rate)
        self.trainer.set_learning_rate(rate)

    # The work

    def train(self, preloaded: Preloaded, first: int, count: int) -> None:
        Adapter.train(self, preloaded, first, count)

    def train_fed(self, feed: Feed, count: int) -> None:
        Adapter.train_fed(self, feed, count)

    # Own helpers

    def differentiate(self, images: mx.nd.NDArray, labels: mx.nd.NDArray) -> mx.nd.NDArray:
        with autograd.record():
            loss = self.loss(images, labels)
        loss.backward()
        return loss

    def update(self) -> None:
        self.trainer.step(1)  # the loss is a mean

    def make_trainer(self) -> gluon.Trainer:
        name, settings = self.settings()
        return gluon.Trainer(self.learnt, name, {"learning_rate": self.rate, **settings})

    def settings(self) -> tuple[str, dict[str, Any]]:
        match self.recipe.optimiser:
            case SGD(_, momentum, True):
                return "nag", {"momentum": momentum}
            case SGD(_, momentum, False):
                return "sgd", {"momentum": momentum}
            case Adam(_, beta1, beta2, epsilon, 0.0):
                return "adam", {"beta1": beta1, "beta2": beta2, "epsilon": epsilon}
        raise Unsupported("mxnet's Trainer has no AdamW")
