"""Paddle as a careful user writes it: dygraph, Sequential, SGD."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import paddle
import paddle.nn.functional as F
from paddle import nn


def network(model: str) -> nn.Sequential:
    if model == "mlp":
        return nn.Sequential(
            nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)
        )
    return nn.Sequential(
        nn.Conv2D(1, 20, 5),
        nn.Tanh(),
        nn.MaxPool2D(2),
        nn.Conv2D(20, 50, 5),
        nn.Tanh(),
        nn.MaxPool2D(2),
        nn.Flatten(),
        nn.Linear(50 * 4 * 4, 500),
        nn.Tanh(),
        nn.Linear(500, 10),
    )


def make(model: str, images: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> Callable[[int], None]:
    paddle.set_device("cpu")
    batches = [(paddle.to_tensor(x), paddle.to_tensor(y)) for x, y in zip(images, labels, strict=True)]
    net = network(model)
    net.train()
    optimizer = paddle.optimizer.SGD(0.1, net.parameters())

    def run(steps: int) -> None:
        for step in range(steps):
            x, y = batches[step % len(batches)]
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            optimizer.clear_grad(set_to_zero=False)
        net[-1].bias.numpy()  # paddle computes at once on a CPU; a copy proves the last update

    return run
