"""The declared layers in tensorflow: one line each, images NHWC, products with operands of the cell's type."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import tensorflow as tf

from adapters import declaration
from adapters.declaration import Conv2D, Dense, Flatten, Model

ACTIVATIONS = {"relu": tf.nn.relu, "tanh": tf.tanh, "sigmoid": tf.sigmoid, "softmax": tf.nn.softmax}


def convolves(model: Model) -> bool:
    """Return whether the model has a convolution."""
    return any(isinstance(layer, Conv2D) for layer in model.layers)


def flattened_image(model: Model) -> dict[int, tuple[int, ...]]:
    """Return {layer index: (C, H, W)} of the Dense layer that reads a flattened image, if there is one."""
    shapes = model.shapes()
    for index, layer in enumerate(model.layers):
        if isinstance(layer, Dense):
            before = max((i for i in range(index) if isinstance(model.layers[i], Flatten)), default=None)
            return {} if before is None else {index: shapes[before]}
    return {}


def _product(
    multiply: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], x: tf.Tensor, weight: tf.Variable, operands: str
) -> tf.Tensor:
    """Return multiply(x, weight) with operands of this type, in the type of x.

    Biases stay as they are: op by op their gradient, a sum over the batch, is taken in the type it has, and in
    bfloat16 it was off by 0.13 of its norm after a convolution of 100 images.
    """
    if x.dtype == operands:
        return multiply(x, weight)
    return tf.cast(multiply(tf.cast(x, operands), tf.cast(weight, operands)), x.dtype)


def apply(layer: declaration.Layer, x: tf.Tensor, parameters: Iterator[tf.Variable], operands: str) -> tf.Tensor:
    """Return what a declared layer makes of a batch; weighted layers take their parameters off the iterator."""
    match layer:
        case declaration.Conv2D(_, _, stride, padding):
            amounts = [[0, 0], [padding, padding], [padding, padding], [0, 0]] if padding else "VALID"
            convolve = partial(tf.nn.conv2d, strides=stride, padding=amounts)
            return tf.nn.bias_add(_product(convolve, x, next(parameters), operands), next(parameters))
        case declaration.Dense():
            return tf.nn.bias_add(_product(tf.matmul, x, next(parameters), operands), next(parameters))
        case declaration.MaxPool2D(size, stride):
            return tf.nn.max_pool2d(x, size, stride, "VALID")
        case declaration.AvgPool2D(size, stride):
            return tf.nn.avg_pool2d(x, size, stride, "VALID")
        case declaration.Activation(function):
            return ACTIVATIONS[function](x)
        case declaration.Flatten():
            return tf.reshape(x, [x.shape[0], -1])
