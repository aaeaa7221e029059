"""docs/examples/lenet_tensorflow.py: a compiled Keras network; images NHWC, kernels (k, k, in, out)."""

from __future__ import annotations

import tensorflow as tf
from tensorflow import keras

from tests.frameworks.examples.adapter import ExampleAdapter

SHAPE = (50, 4, 4)  # of what Flatten makes a vector, which is (4, 4, 50) here


class TensorflowExample(ExampleAdapter):
    framework, version = "tensorflow", tf.__version__

    def start(self):
        keras.config.set_floatx(self.dtype)
        self.network = self.example.network()

    def set_weights(self, weights):
        for own, array in zip(self.network.trainable_variables, weights.values(), strict=True):
            if array.ndim == 4:
                array = array.transpose(2, 3, 1, 0)
            elif array.shape == (800, 500):
                array = array.reshape(*SHAPE, 500).transpose(1, 2, 0, 3).reshape(800, 500)
            own.assign(array)

    def get_weights(self):
        return self.named(canonical(own.numpy()) for own in self.network.trainable_variables)

    def place(self, batch):
        return tf.constant(batch.transpose(0, 2, 3, 1) if batch.ndim == 4 else batch)

    def step(self, images, labels):
        return self.network.train_on_batch(images, labels, return_dict=True)["loss"]  # what fit does with each batch

    def gradients(self, preloaded, index):
        images, labels = preloaded.images[index], preloaded.labels[index]
        with tf.GradientTape() as tape:  # as Keras's own train_step
            loss = self.network.compute_loss(images, labels, self.network(images, training=True))
        return self.named(canonical(g.numpy()) for g in tape.gradient(loss, self.network.trainable_variables))

    def evaluate(self, preloaded, first, count):
        return [self.network(images) for images in preloaded.images[first : first + count]]


def canonical(array):
    if array.ndim == 4:
        return array.transpose(3, 2, 0, 1)
    if array.shape == (800, 500):
        return array.reshape(4, 4, 50, 500).transpose(2, 0, 1, 3).reshape(800, 500)
    return array
