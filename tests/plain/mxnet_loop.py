"""MXNet as a careful user writes it: a hybridized gluon network, gluon's loss, Trainer."""

from __future__ import annotations

from collections.abc import Callable

import mxnet as mx
import numpy as np
import numpy.typing as npt
from mxnet import autograd, gluon
from mxnet.gluon import nn


def network(model: str) -> nn.HybridSequential:
    net = nn.HybridSequential()
    if model == "mlp":
        net.add(nn.Flatten(), nn.Dense(128, "relu"), nn.Dense(64, "relu"), nn.Dense(10))
    else:
        net.add(nn.Conv2D(20, 5, activation="tanh"), nn.MaxPool2D(2))
        net.add(nn.Conv2D(50, 5, activation="tanh"), nn.MaxPool2D(2))
        net.add(nn.Flatten(), nn.Dense(500, "tanh"), nn.Dense(10))
    net.initialize(mx.init.Xavier(), ctx=mx.cpu())
    return net


def make(model: str, images: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> Callable[[int], None]:
    batches = [(mx.nd.array(x), mx.nd.array(y)) for x, y in zip(images, labels, strict=True)]
    net = network(model)
    net.hybridize(static_alloc=True, static_shape=True)
    criterion = gluon.loss.SoftmaxCrossEntropyLoss()
    criterion.hybridize(static_alloc=True, static_shape=True)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1}, kvstore=None)

    def run(steps: int) -> None:
        for step in range(steps):
            x, y = batches[step % len(batches)]
            with autograd.record():
                loss = criterion(net(x), y)
            loss.backward()
            trainer.step(len(x))
        mx.nd.waitall()

    return run
