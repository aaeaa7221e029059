"""docs/examples/lenet_mxnet.py: parameters of gluon blocks; nn.Dense keeps (out, in), labels are floats."""

from __future__ import annotations

import mxnet as mx

from tests.frameworks.examples.adapter import ExampleAdapter


class MxnetExample(ExampleAdapter):
    framework, version = "mxnet", mx.__version__

    def start(self):
        self.network = self.example.network()
        self.network.cast(self.dtype)
        self.network(mx.nd.zeros((1, 1, 28, 28), dtype=self.dtype))  # the shapes of the weights
        self.trainer = self.example.trainer_of(self.network)
        self.parameters = list(self.network.collect_params().values())

    def set_weights(self, weights):
        for own, array in zip(self.parameters, weights.values(), strict=True):
            own.set_data(mx.nd.array(array.T if array.ndim == 2 else array, dtype=self.dtype))

    def get_weights(self):
        return self.named(canonical(own.data()) for own in self.parameters)

    def place(self, batch):
        return mx.nd.array(batch, dtype=self.dtype)

    def step(self, images, labels):
        return self.example.train_step(self.network, self.trainer, images, labels).asscalar()

    def slopes(self):
        return [canonical(own.grad()) for own in self.parameters]

    def evaluate(self, preloaded, first, count):
        return [self.network(images).asnumpy() for images in preloaded.images[first : first + count]]


def canonical(array):
    array = array.asnumpy()
    return array.T if array.ndim == 2 else array
