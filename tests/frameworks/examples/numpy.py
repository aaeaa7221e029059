"""docs/examples/lenet_numpy.py: a list of arrays, which lie as the declaration's do; a step writes to them."""

from __future__ import annotations

import numpy as np

from tests.frameworks.examples.adapter import ExampleAdapter


class NumpyExample(ExampleAdapter):
    framework, version = "numpy", np.__version__

    def start(self):
        self.parameters = [array.astype(self.dtype) for array in self.example.network(np.random.default_rng(0))]
        self.backward, self.example.backward = self.example.backward, self.keep

    def keep(self, *arguments):
        """Keep the gradients that the example's backward pass returns."""
        self.found = self.backward(*arguments)
        return self.found

    def set_weights(self, weights):
        self.parameters = [array.astype(self.dtype) for array in weights.values()]

    def get_weights(self):
        return self.named(self.parameters)

    def step(self, images, labels):
        return self.example.train_step(self.parameters, images, labels)

    def slopes(self):
        return self.found

    def evaluate(self, preloaded, first, count):
        return [self.example.forward(self.parameters, images)[0] for images in preloaded.images[first : first + count]]
