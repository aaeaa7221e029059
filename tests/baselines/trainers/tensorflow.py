"""TensorFlow as its tutorial has it: a Keras network, compile and fit on arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.keras import layers

NAME = "Keras fit"


def make(model: str, images: Any, labels: Any, batch_size: int) -> Callable[[], None]:
    if model == "mlp":
        hidden = [layers.Flatten(), layers.Dense(128, "relu"), layers.Dense(64, "relu")]
    else:
        hidden = [layers.Conv2D(20, 5, activation="tanh"), layers.MaxPool2D(2)]
        hidden += [layers.Conv2D(50, 5, activation="tanh"), layers.MaxPool2D(2)]
        hidden += [layers.Flatten(), layers.Dense(500, "tanh")]
    net = tf.keras.Sequential([layers.Input((28, 28, 1)), *hidden, layers.Dense(10)])
    net.compile(tf.keras.optimizers.SGD(0.1), tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    nhwc = images.transpose(0, 2, 3, 1).copy()
    return lambda: net.fit(nhwc, labels, batch_size, verbose=0)
