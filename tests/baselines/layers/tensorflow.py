"""Keras's own layers and optimisers in a loop by hand: BatchNormalization, MultiHeadAttention, LSTM."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow import keras

from adapters.declaration import SGD, layers
from adapters.recipes import RECIPES
from adapters.tensorflow.native import filled
from tests.baselines.loops.tensorflow import Run, by_loop, by_step, function, xla


def make_step(model: str, weights: Any) -> Callable[[Any, Any], Any]:
    declared = RECIPES[model].optimiser
    net = filled(layers(RECIPES[model].model), weights, model)
    for layer in net.layers:
        if isinstance(layer, keras.layers.EinsumDense):  # positions that are learnt: its kernel is ones, and stays
            layer.kernel.trainable = False
    own = net.trainable_variables
    if isinstance(declared, SGD):
        optimizer: Any = keras.optimizers.SGD(declared.rate, declared.momentum, declared.nesterov)
    elif declared.weight_decay:
        optimizer = keras.optimizers.AdamW(declared.rate, declared.weight_decay, epsilon=declared.epsilon)
    else:
        optimizer = keras.optimizers.Adam(declared.rate, epsilon=declared.epsilon)
    optimizer.build(own)
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(y, net(x, training=True))
        optimizer.apply_gradients(zip(tape.gradient(loss, own), own, strict=True))
        return loss

    return step


def op_by_op(model: str, images: Any, labels: Any, weights: Any) -> Run:
    return by_step(make_step(model, weights), images, labels)


def graph(model: str, images: Any, labels: Any, weights: Any) -> Run:
    return by_step(function(make_step(model, weights)), images, labels)


def graph_xla(model: str, images: Any, labels: Any, weights: Any) -> Run:
    return by_step(xla(make_step(model, weights)), images, labels)


def loop(model: str, images: Any, labels: Any, weights: Any) -> Run:
    return by_loop(function, make_step(model, weights), images, labels)


def loop_xla(model: str, images: Any, labels: Any, weights: Any) -> Run:
    return by_loop(xla, make_step(model, weights), images, labels)


LOOPS = {"eager": (op_by_op,), "compiled": (graph, graph_xla), "fused": (loop, loop_xla)}
