"""TensorFlow by hand: variables, tf.nn, GradientTape; op by op, a tf.function a step, or one that loops over steps."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import tensorflow as tf

Run = Callable[[int, int], float]
RATE = 0.1


def variables(weights: dict[str, Any]) -> list[tf.Variable]:
    """NHWC: kernels (k, k, in, out); lenet's first dense layer reads (H, W, C)."""
    found = []
    for name, array in weights.items():
        if array.ndim == 4:
            array = array.transpose(2, 3, 1, 0)
        elif name == "dense1.weight" and "conv2.weight" in weights:
            array = array.reshape(50, 4, 4, 500).transpose(1, 2, 0, 3).reshape(800, 500)
        found.append(tf.Variable(array))
    return found


def logits(p: list[Any], x: Any) -> Any:
    if len(p) == 6:
        x = tf.nn.relu(tf.nn.bias_add(tf.matmul(tf.reshape(x, (x.shape[0], 784)), p[0]), p[1]))
        x = tf.nn.relu(tf.nn.bias_add(tf.matmul(x, p[2]), p[3]))
        return tf.nn.bias_add(tf.matmul(x, p[4]), p[5])
    x = tf.nn.max_pool2d(tf.tanh(tf.nn.bias_add(tf.nn.conv2d(x, p[0], 1, "VALID"), p[1])), 2, 2, "VALID")
    x = tf.nn.max_pool2d(tf.tanh(tf.nn.bias_add(tf.nn.conv2d(x, p[2], 1, "VALID"), p[3])), 2, 2, "VALID")
    x = tf.tanh(tf.nn.bias_add(tf.matmul(tf.reshape(x, (x.shape[0], 800)), p[4]), p[5]))
    return tf.nn.bias_add(tf.matmul(x, p[6]), p[7])


def make_step(weights: dict[str, Any]) -> Callable[[Any, Any], Any]:
    own = variables(weights)

    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits(own, x)))
        for variable, gradient in zip(own, tape.gradient(loss, own), strict=True):
            tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=RATE, delta=gradient)
        return loss

    return step


def by_step(step: Callable[[Any, Any], Any], images: Any, labels: Any) -> Run:
    nhwc = images.transpose(0, 1, 3, 4, 2)
    batches = [(tf.constant(x), tf.constant(y)) for x, y in zip(nhwc, labels.astype("int32"), strict=True)]
    if hasattr(step, "get_concrete_function"):  # spares each call the search for a trace of these shapes
        step = step.get_concrete_function(*batches[0])

    def run(first: int, count: int) -> float:
        for index in range(first, first + count):
            loss = step(*batches[index % len(batches)])
        return float(loss)

    return run


def by_loop(compile: Any, step: Callable[[Any, Any], Any], images: Any, labels: Any) -> Run:
    images, labels = tf.constant(images.transpose(0, 1, 3, 4, 2)), tf.constant(labels.astype("int32"))

    @compile
    def steps(images: Any, labels: Any, first: Any, end: Any) -> Any:
        def body(position: Any, _: Any) -> tuple[Any, Any]:
            index = position % images.shape[0]
            return position + 1, step(images[index], labels[index])

        start = (first, tf.constant(0.0))
        return tf.while_loop(lambda position, _: position < end, body, start, parallel_iterations=1)[1]

    def run(first: int, count: int) -> float:
        return float(steps(images, labels, tf.constant(first), tf.constant(first + count)))

    return run


function = partial(tf.function, autograph=False)
xla = partial(tf.function, autograph=False, jit_compile=True)


def op_by_op(_model: str, images: Any, labels: Any, weights: Any) -> Run:
    return by_step(make_step(weights), images, labels)


def graph(_model: str, images: Any, labels: Any, weights: Any) -> Run:
    return by_step(function(make_step(weights)), images, labels)


def graph_xla(_model: str, images: Any, labels: Any, weights: Any) -> Run:
    return by_step(xla(make_step(weights)), images, labels)


def loop(_model: str, images: Any, labels: Any, weights: Any) -> Run:
    return by_loop(function, make_step(weights), images, labels)


def loop_xla(_model: str, images: Any, labels: Any, weights: Any) -> Run:
    return by_loop(xla, make_step(weights), images, labels)


LOOPS = {"eager": (op_by_op,), "compiled": (graph, graph_xla), "fused": (loop, loop_xla)}
