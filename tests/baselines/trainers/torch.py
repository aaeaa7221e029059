"""PyTorch as its tutorial has it: a DataLoader over a TensorDataset, modules, torch.optim."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from tests.baselines.loops.torch import network

NAME = "DataLoader"


def make(model: str, images: Any, labels: Any, batch_size: int) -> Callable[[], None]:
    loader = DataLoader(TensorDataset(torch.from_numpy(images), torch.from_numpy(labels)), batch_size, shuffle=True)
    net = network(model)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def epoch() -> None:
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()

    return epoch
