"""Keras over tensorflow, where it is at home: one tf.function a step, batches by tf.data."""

from __future__ import annotations

import os
from typing import Any, ClassVar

os.environ["KERAS_BACKEND"] = "tensorflow"  # keras reads it when it is imported
import tensorflow as tf

from adapters.contract import Array, Preloaded
from adapters.declaration import Model
from adapters.tensorflow import TensorflowAdapter
from adapters.wrappers.keras import InOne, KerasFit


class Streamed(InOne):
    """The batches as one tf.data.Dataset: given arrays, each fit would trace a pipeline anew, for 0.1 s."""

    def __post_init__(self) -> None:
        self.edges = tf.Variable([0, 0], dtype=tf.int64)
        images, labels = (
            tf.constant(part.reshape(self.steps, self.size, *part.shape[1:])) for part in (self.images, self.labels)
        )
        numbers = tf.data.Dataset.range(1).flat_map(lambda _: tf.data.Dataset.range(self.edges[0], self.edges[1]))
        batches = numbers.map(lambda number: (images[number % self.steps], labels[number % self.steps]))
        self.dataset = batches.prefetch(tf.data.AUTOTUNE)

    def stream(self, first: int, count: int) -> tf.data.Dataset:
        """Return the dataset, which now holds batches first .. first+count-1, wrapping round."""
        self.edges.assign([first, first + count])
        return self.dataset


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

    def put(self, images: Array, labels: Array) -> Preloaded:
        placed: Any = super().put(images, labels)
        return Streamed(placed.images, placed.labels, placed.steps, placed.losses, placed.size)

    def evaluate(self, preloaded: Any, first: int, count: int) -> Any:
        return [self.network.predict(preloaded.stream(first, count), steps=count, verbose=0)]

    def synchronise(self, pending: object = None) -> None:
        tf.test.experimental.sync_devices()
        self.network.trainable_variables[-1].numpy()  # a copy of the last update cannot be had before it is made

    # Own helpers

    def fit_arguments(self, preloaded: Any, first: int, count: int) -> dict[str, Any]:
        return {"x": preloaded.stream(first, count), "steps_per_epoch": count}

    def slopes(self, images: Array, labels: Array) -> list[Array]:
        return [slope.numpy() for slope in self.differentiate(tf.constant(images), tf.constant(labels))]

    def differentiated(self, images: tf.Tensor, labels: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = self.network.compute_loss(images, labels, self.network(images, training=True))
        return tape.gradient(loss, [variable.value for variable in self.network.trainable_variables])
