"""The declared layers and the declared update in tensorflow.

A layer is one line each, images NHWC, products with operands of the cell's type. The update is our own because Keras
keeps the rate inside momentum and epsilon outside Adam's hat.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import tensorflow as tf

from adapters import declaration
from adapters.declaration import SGD, Adam, Conv2D, Dense, Flatten, Model, Optimiser

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


Variables = Sequence[tf.Variable]


def slots(optimiser: Optimiser) -> int:
    """Return how many arrays beside each parameter the optimiser keeps."""
    return 2 if isinstance(optimiser, Adam) else int(optimiser.momentum != 0.0)


def update(
    optimiser: Optimiser,
    parameters: Variables,
    arrays: Variables,
    gradients: Sequence[tf.Tensor],
    rate: tf.Tensor,
    taken: tf.Variable,
) -> None:
    """Change parameters and the optimiser's arrays, those of one parameter beside each other, by a step's gradients.

    `taken` counts the steps of Adam.
    """
    match optimiser:
        case SGD(momentum=0.0):
            for w, g in zip(parameters, gradients, strict=True):  # one operation for w.assign_sub(rate * g)
                tf.raw_ops.ResourceApplyGradientDescent(var=w.handle, alpha=rate, delta=g)
        case SGD(_, momentum, nesterov):
            for w, v, g in zip(parameters, arrays, gradients, strict=True):
                v.assign(momentum * v + g)
                w.assign_sub(rate * (g + momentum * v if nesterov else v))
        case Adam(_, beta1, beta2, epsilon):
            taken.assign_add(1)
            # 1 - beta^t without the cancellation that costs float32 half its digits at small t
            correction1 = -tf.math.expm1(taken * math.log(beta1))
            correction2 = -tf.math.expm1(taken * math.log(beta2))
            for w, m, v, g in zip(parameters, arrays[::2], arrays[1::2], gradients, strict=True):
                m.assign(beta1 * m + (1 - beta1) * g)
                v.assign(beta2 * v + (1 - beta2) * g * g)
                w.assign_sub(rate * (m / correction1) / (tf.sqrt(v / correction2) + epsilon))
