"""MXNet as its tutorial has it: gluon's DataLoader, a hybridized network, gluon.Trainer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mxnet as mx
from mxnet import autograd, gluon

from tests.baselines.loops.mxnet import network

NAME = "gluon DataLoader"


def make(model: str, images: Any, labels: Any, batch_size: int) -> Callable[[], None]:
    samples = gluon.data.ArrayDataset(images, labels.astype("float32"))
    loader = gluon.data.DataLoader(samples, batch_size, shuffle=True)
    net = network(model)
    net.hybridize()
    criterion = gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})

    def epoch() -> None:
        for x, y in loader:
            with autograd.record():
                loss = criterion(net(x), y)
            loss.backward()
            trainer.step(batch_size)
        mx.nd.waitall()

    return epoch
