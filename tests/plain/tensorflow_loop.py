"""TensorFlow as a careful user writes it: a Keras network, one tf.function a step; XLA only where nothing convolves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.keras import layers


def network(model: str) -> tf.keras.Sequential:
    if model == "mlp":
        hidden = [layers.Flatten(), layers.Dense(128, "relu"), layers.Dense(64, "relu")]
    else:
        hidden = [
            layers.Conv2D(20, 5, activation="tanh"),
            layers.MaxPool2D(2),
            layers.Conv2D(50, 5, activation="tanh"),
            layers.MaxPool2D(2),
            layers.Flatten(),
            layers.Dense(500, "tanh"),
        ]
    return tf.keras.Sequential([layers.Input((28, 28, 1)), *hidden, layers.Dense(10)])


def make(model: str, images: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> Callable[[int], None]:
    batches = [
        (tf.constant(x.transpose(0, 2, 3, 1)), tf.constant(y, tf.int32)) for x, y in zip(images, labels, strict=True)
    ]
    net = network(model)
    weights = net.trainable_variables

    def train_step(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = net(x, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
        for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
            weight.assign_sub(0.1 * gradient)
        return loss

    step_once = tf.function(train_step, jit_compile=model == "mlp")  # XLA's convolutions are slow on a CPU

    def run(steps: int) -> None:
        for step in range(steps):
            loss = step_once(*batches[step % len(batches)])
        loss.numpy()
        weights[-1].numpy()

    return run
