"""PyTorch as a careful user writes it: Sequential, autograd, SGD; channels-last and a fused update for the CPU."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import nn


def network(model: str) -> nn.Sequential:
    if model == "mlp":
        return nn.Sequential(
            nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)
        )
    convolutions = nn.Sequential(
        nn.Conv2d(1, 20, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.Tanh(), nn.MaxPool2d(2)
    )
    classifier = nn.Sequential(nn.Flatten(), nn.Linear(50 * 4 * 4, 500), nn.Tanh(), nn.Linear(500, 10))
    return nn.Sequential(*convolutions, *classifier).to(memory_format=torch.channels_last)


def make(model: str, images: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> Callable[[int], None]:
    batches = [
        (torch.from_numpy(x).contiguous(memory_format=torch.channels_last), torch.from_numpy(y))
        for x, y in zip(images, labels, strict=True)
    ]
    net = network(model).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, fused=True)

    def run(steps: int) -> None:
        for step in range(steps):
            x, y = batches[step % len(batches)]
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()

    return run
