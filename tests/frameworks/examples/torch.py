"""docs/examples/lenet_torch.py: parameters of a Sequential; nn.Linear keeps (out, in)."""

from __future__ import annotations

import numpy as np
import torch

from tests.frameworks.examples.adapter import ExampleAdapter


class TorchExample(ExampleAdapter):
    framework, version = "torch", torch.__version__

    def start(self):
        self.network = self.example.network().to(getattr(torch, self.dtype))
        self.optimizer = self.example.optimizer_of(self.network)

    def set_weights(self, weights):
        for own, array in zip(self.network.parameters(), weights.values(), strict=True):
            own.data.copy_(torch.from_numpy(array.T if array.ndim == 2 else array))

    def get_weights(self):
        return self.named(canonical(own) for own in self.network.parameters())

    def place(self, batch):
        return torch.from_numpy(batch)

    def step(self, images, labels):
        return self.example.train_step(self.network, self.optimizer, images, labels)

    def slopes(self):
        return [canonical(own.grad) for own in self.network.parameters()]

    def evaluate(self, preloaded, first, count):
        with torch.no_grad():
            return [self.network(images) for images in preloaded.images[first : first + count]]


def canonical(tensor: torch.Tensor) -> np.ndarray:
    array = tensor.detach().numpy()
    return array.T if array.ndim == 2 else array
