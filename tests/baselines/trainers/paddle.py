"""Paddle as its tutorial has it: paddle.Model, prepare and fit on a dataset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import paddle
from paddle import nn

from tests.baselines.loops.paddle import network

NAME = "Model.fit"


def make(model: str, images: Any, labels: Any, batch_size: int) -> Callable[[], None]:
    paddle.set_device("cpu")
    samples = paddle.io.TensorDataset([paddle.to_tensor(images), paddle.to_tensor(labels[:, None])])
    trained = paddle.Model(network(model, nn.Conv2D))
    trained.prepare(paddle.optimizer.SGD(0.1, trained.parameters()), nn.CrossEntropyLoss())
    return lambda: trained.fit(samples, batch_size=batch_size, epochs=1, verbose=0)
