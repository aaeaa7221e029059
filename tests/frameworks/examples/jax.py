"""docs/examples/lenet_jax.py: pairs of weight and bias, which lie as the declaration's do; a step returns new ones."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp

from tests.frameworks.examples.adapter import ExampleAdapter


class JaxExample(ExampleAdapter):
    framework, version = "jax", jax.__version__

    def start(self):
        jax.config.update("jax_enable_x64", self.dtype == "float64")
        self.parameters = self.example.network(jax.random.key(0))
        self.slope = jax.jit(jax.grad(self.example.cross_entropy))

    def set_weights(self, weights):
        arrays = [jnp.array(array, self.dtype) for array in weights.values()]
        self.parameters = list(zip(arrays[::2], arrays[1::2], strict=True))

    def get_weights(self):
        return self.named(itertools.chain(*self.parameters))

    def place(self, batch):
        return jnp.array(batch)

    def step(self, images, labels):
        self.parameters, loss = self.example.train_step(self.parameters, images, labels)
        return loss

    def gradients(self, preloaded, index):
        slopes = self.slope(self.parameters, preloaded.images[index], preloaded.labels[index])
        return self.named(itertools.chain(*slopes))

    def evaluate(self, preloaded, first, count):
        return [self.example.forward(self.parameters, images) for images in preloaded.images[first : first + count]]
