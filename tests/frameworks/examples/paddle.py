"""docs/examples/lenet_paddle.py: parameters of a Sequential, which lie as the declaration's do."""

from __future__ import annotations

import paddle

from tests.frameworks.examples.adapter import ExampleAdapter


class PaddleExample(ExampleAdapter):
    framework, version = "paddle", paddle.__version__

    def start(self):
        paddle.set_default_dtype(self.dtype)
        self.network = self.example.network()
        self.optimizer = self.example.optimizer_of(self.network)
        self.clear, self.optimizer.clear_grad = self.optimizer.clear_grad, self.clear_grad

    def clear_grad(self):
        """Keep the gradients before the example clears them."""
        self.found = [own.grad.numpy() for own in self.network.parameters()]
        self.clear()

    def set_weights(self, weights):
        for own, array in zip(self.network.parameters(), weights.values(), strict=True):
            own.set_value(array.astype(self.dtype))

    def get_weights(self):
        return self.named(own.numpy() for own in self.network.parameters())

    def place(self, batch):
        return paddle.to_tensor(batch)

    def step(self, images, labels):
        return self.example.train_step(self.network, self.optimizer, images, labels)

    def slopes(self):
        return self.found

    def evaluate(self, preloaded, first, count):
        with paddle.no_grad():
            return [self.network(images) for images in preloaded.images[first : first + count]]
