"""Keras over tensorflow, where it is at home: one tf.function a step."""

from __future__ import annotations

import os
from typing import ClassVar

os.environ["KERAS_BACKEND"] = "tensorflow"  # keras reads it when it is imported
import tensorflow as tf

from adapters.contract import Array
from adapters.declaration import Model
from adapters.tensorflow import TensorflowAdapter
from adapters.wrappers.keras import KerasFit


class KerasOnTensorflow(KerasFit):
    """Compiled is Keras's own default: a graph, on a CPU without XLA."""

    framework = "tensorflow"
    version = tf.__version__
    lacks: ClassVar = {"fused": "with steps_per_execution Keras shows no single step's loss, which a proof needs"}

    # What there is

    @classmethod
    def set_threads(cls, threads: int) -> int:
        return TensorflowAdapter.set_threads(threads)

    @classmethod
    def recommended_mode(cls, model: Model, device: str, input: str = "preloaded") -> str:
        return "compiled"

    # The network

    def build(self) -> None:
        super().build()
        self.differentiate = self.differentiated if self.mode == "eager" else tf.function(self.differentiated)

    # The work

    def synchronise(self, pending: object = None) -> None:
        tf.test.experimental.sync_devices()
        self.network.trainable_variables[-1].numpy()  # a copy of the last update cannot be had before it is made

    # Own helpers

    def slopes(self, images: Array, labels: Array) -> list[Array]:
        return [slope.numpy() for slope in self.differentiate(tf.constant(images), tf.constant(labels))]

    def differentiated(self, images: tf.Tensor, labels: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = self.network.compute_loss(images, labels, self.network(images, training=True))
        return tape.gradient(loss, [variable.value for variable in self.network.trainable_variables])
