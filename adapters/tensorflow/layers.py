"""The declared layers in tensorflow as functions: images NHWC, tokens (B, T, D), products of the cell's operands."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import tensorflow as tf

from adapters import declaration
from adapters.declaration import Activation, Conv2D, Dense, Flatten, Model, Place, Shape
from adapters.weights import Arrays


def _gelu(x: tf.Tensor) -> tf.Tensor:
    """tf.nn.gelu rounds its constants to float32, whatever the type of x (tensorflow/python/ops/nn_ops.py)."""
    return 0.5 * x * tf.math.erfc(x * -math.sqrt(0.5))


def _gelu_tanh(x: tf.Tensor) -> tf.Tensor:
    return 0.5 * x * (1.0 + tf.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))


ACTIVATIONS = {
    "relu": tf.nn.relu,
    "tanh": tf.tanh,
    "sigmoid": tf.sigmoid,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "softmax": tf.nn.softmax,
}


UNROLLED = 64  # steps of an LSTM: a loop takes a tenth longer (28 steps, batch 100), and a third of the time to trace


class Unrolled(Arrays):
    """`unrolls` is whether the steps of an LSTM are: XLA compiles a loop in a tenth of the time, and it is as fast."""

    def __init__(
        self, parameters: Sequence[tf.Variable], statistics: Sequence[tf.Variable] | None, unrolls: bool
    ) -> None:
        super().__init__(parameters, statistics)
        self.unrolls = unrolls


Function = Callable[[tf.Tensor, Unrolled], tf.Tensor]
Multiply = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def convolves(model: Model) -> bool:
    """Return whether the model has a convolution."""
    return any(isinstance(place.layer, Conv2D) for place in model.places())


def reads_tokens(model: Model) -> bool:
    """Return whether a sample of the model is several rows somewhere, as attention and an LSTM have it."""
    return any(len(place.after) == 2 for place in model.places())


def recurs(model: Model) -> bool:
    """Return whether a layer of the model is computed token after token."""
    return any(isinstance(place.layer, declaration.LSTM) for place in model.places())


def flattened_images(model: Model) -> dict[int, Place]:
    """Return the places of Flatten that leave an image as it lies, (H, W, C), by the index of the Dense that reads it.

    Its rows are permuted instead, once. Elsewhere an image is turned to (C, H, W) before it is flattened.
    """
    found = {}
    places = model.places()
    for index, place in enumerate(places):
        if isinstance(place.layer, Flatten) and len(place.before) == 3:
            reader = index + 1
            while reader < len(places) and isinstance(places[reader].layer, Activation):
                reader += 1
            same_chain = reader < len(places) and _chain(places[reader]) == _chain(place)
            if same_chain and isinstance(places[reader].layer, Dense):
                found[reader] = place
    return found


def depthwise_kernels(model: Model) -> dict[int, Shape]:
    """Return the shapes (kernel, kernel, in, out / in) of the depthwise convolutions' weights, by place."""
    found: dict[int, Shape] = {}
    for index, place in enumerate(model.places()):
        if isinstance(place.layer, Conv2D) and _depthwise(place.layer, place.before[0]):
            inputs, size = place.before[0], place.layer.kernel
            found[index] = size, size, inputs, place.layer.channels // inputs
    return found


def _depthwise(layer: Conv2D, inputs: int) -> bool:
    return layer.groups == inputs > 1


def _chain(place: Place) -> str:
    return place.at.rpartition(".")[0]


def network(model: Model, operands: str) -> list[Function]:
    """Return the model's layers as functions of (batch, arrays), which take what they have off the arrays."""
    as_it_lies = {place.at for place in flattened_images(model).values()}
    return _functions(model.layers, iter(model.places()), as_it_lies, operands)


def _functions(
    layers: Iterable[declaration.Layer], places: Iterator[Place], as_it_lies: set[str], operands: str
) -> list[Function]:
    found: list[Function] = []
    for layer in layers:
        if isinstance(layer, declaration.Residual):
            branch, shortcut = (_functions(s, places, as_it_lies, operands) for s in (layer.branch, layer.shortcut))
            found.append(partial(_residual, branch, shortcut))
            next(places)
        else:
            place = next(places)
            found.append(_function(layer, place, place.at in as_it_lies, operands))
    return found


def _function(layer: declaration.Layer, place: Place, as_it_lies: bool, operands: str) -> Function:
    match layer:
        case declaration.Conv2D():
            return _convolution(layer, place.before[0], operands)
        case declaration.Dense(_, bias):
            multiply = _matmul if len(place.before) == 2 else partial(_product, tf.matmul)
            return partial(_dense, multiply, bias, operands)
        case declaration.MaxPool2D(size, stride):
            return lambda x, arrays: tf.nn.max_pool2d(x, size, stride, "VALID")
        case declaration.AvgPool2D(size, stride):
            return lambda x, arrays: tf.nn.avg_pool2d(x, size, stride, "VALID")
        case declaration.GlobalAvgPool():
            axes = [1, 2] if len(place.before) == 3 else 1
            return lambda x, arrays: tf.reduce_mean(x, axes)
        case declaration.Activation(function):
            activation = ACTIVATIONS[function]
            return lambda x, arrays: activation(x)
        case declaration.Flatten() | declaration.Reshape():
            after = place.after
            if len(after) == 1 and (as_it_lies or not _turns(place.before)):
                return lambda x, arrays: tf.reshape(x, [x.shape[0], *after])
            return lambda x, arrays: _reshaped(x, place.before, after)
        case declaration.Patches(height, width):
            return lambda x, arrays: _patches(x, height, width)
        case declaration.PositionEmbedding():
            return lambda x, arrays: x + next(arrays.parameters)
        case declaration.BatchNorm(_, epsilon):
            return partial(_batch_norm, epsilon)
        case declaration.LayerNorm(epsilon):
            return partial(_layer_norm, epsilon)
        case declaration.RMSNorm(epsilon):
            return partial(_rms_norm, epsilon)
        case declaration.SelfAttention(heads):
            return partial(_attention, heads, operands)
        case declaration.LSTM(units, sequence):
            return partial(_lstm, units, sequence, operands)
    raise TypeError(layer)


def _product(multiply: Multiply, x: tf.Tensor, weight: tf.Variable, operands: str) -> tf.Tensor:
    """Return multiply(x, weight) with operands of this type, in the type of x.

    Biases stay as they are: op by op their gradient, a sum over the batch, is taken in the type it has, and in
    bfloat16 it was off by 0.13 of its norm after a convolution of 100 images.
    """
    if x.dtype == operands:
        return multiply(x, weight)
    return tf.cast(multiply(tf.cast(x, operands), tf.cast(weight, operands)), x.dtype)


# Images ---------------------------------------------------------------------------------------------------


def _convolution(layer: Conv2D, inputs: int, operands: str) -> Function:
    # Not conv2d's explicit padding: with it resnet trains 2,350 samples/s in place of 3,720 (batch 100, compiled), and
    # a graph that joins it with bias and activation ends the process (2.21, core/util/tensor_format.h).
    same = layer.stride == 1 and 2 * layer.padding == layer.kernel - 1
    padding = "SAME" if same else "VALID"
    convolve = partial(tf.nn.conv2d, strides=layer.stride, padding=padding)
    if depthwise := _depthwise(layer, inputs):
        strides = [1, layer.stride, layer.stride, 1]
        convolve = partial(tf.nn.depthwise_conv2d, strides=strides, padding=padding)
    if layer.padding and not same:
        amounts = [[0, 0], [layer.padding] * 2, [layer.padding] * 2, [0, 0]]
        convolve = partial(_padded, convolve, amounts)
    if layer.groups > 1 and not depthwise:
        convolve = partial(_by_group, convolve, layer.groups)
    if layer.bias:
        return lambda x, arrays: tf.nn.bias_add(
            _product(convolve, x, next(arrays.parameters), operands), next(arrays.parameters)
        )
    return lambda x, arrays: _product(convolve, x, next(arrays.parameters), operands)


def _padded(convolve: Multiply, amounts: list[list[int]], x: tf.Tensor, kernel: tf.Variable) -> tf.Tensor:
    return convolve(tf.pad(x, amounts), kernel)


def _by_group(convolve: Multiply, groups: int, x: tf.Tensor, kernel: tf.Variable) -> tf.Tensor:
    """tf.nn.conv2d takes groups, but on a CPU it has no gradient of them (core/kernels/conv_grad_input_ops.cc)."""
    parts = zip(tf.split(x, groups, -1), tf.split(kernel, groups, -1), strict=True)
    return tf.concat([convolve(part, own) for part, own in parts], -1)


def _reshaped(x: tf.Tensor, before: Shape, after: Shape) -> tf.Tensor:
    """Return x in another shape, in C order of (C, H, W), where they are images that do not lie so anyway."""
    if _turns(before):
        x = tf.transpose(x, [0, 3, 1, 2])
    if not _turns(after):
        return tf.reshape(x, [x.shape[0], *after[1:], after[0]] if len(after) == 3 else [x.shape[0], *after])
    return tf.transpose(tf.reshape(x, [x.shape[0], *after]), [0, 2, 3, 1])


def _turns(shape: Shape) -> bool:
    return len(shape) == 3 and shape[0] > 1


def _patches(x: tf.Tensor, height: int, width: int) -> tf.Tensor:  # (B, H, W, C) -> (B, T, C*h*w)
    batch, rows, columns, channels = x.shape
    grid = tf.reshape(x, [batch, rows // height, height, columns // width, width, channels])
    return tf.reshape(tf.transpose(grid, [0, 1, 3, 5, 2, 4]), [batch, -1, channels * height * width])


def _batch_norm(epsilon: float, x: tf.Tensor, arrays: Unrolled) -> tf.Tensor:
    """By tensorflow's fused operation where it has one: mobile, batch 100: 17.6 ms a step for 24.4, resnet 133 for 159.

    It knows float32 and images alone, and gives the variance divided by one less than the number of values.
    """
    weight, bias = next(arrays.parameters), next(arrays.parameters)
    statistics = None if arrays.statistics is None else (next(arrays.statistics), next(arrays.statistics))
    if x.dtype != tf.float32 or x.shape.rank != 4:
        mean, variance = statistics or tf.nn.moments(x, list(range(x.shape.rank - 1)))
        if statistics is None:
            arrays.found += [mean, variance]
        return tf.nn.batch_normalization(x, mean, variance, bias, weight, epsilon)
    # Not tf.compat.v1.nn.fused_batch_norm: that takes no epsilon below 1.001e-5 (tensorflow/python/ops/nn_impl.py).
    fused = partial(tf.raw_ops.FusedBatchNormV3, x=x, scale=weight, offset=bias, epsilon=epsilon)
    if statistics:
        return fused(mean=statistics[0], variance=statistics[1], is_training=False).y
    found = fused(mean=[], variance=[], is_training=True)
    count = x.shape.num_elements() // x.shape[3]
    arrays.found += [found.batch_mean, found.batch_variance * ((count - 1) / count)]
    return found.y


def _residual(branch: list[Function], shortcut: list[Function], x: tf.Tensor, arrays: Unrolled) -> tf.Tensor:
    y = applied(branch, x, arrays)
    return y + applied(shortcut, x, arrays)


def applied(functions: list[Function], x: tf.Tensor, arrays: Unrolled) -> tf.Tensor:
    """Return what layers one after another make of a batch."""
    for function in functions:
        x = function(x, arrays)
    return x


# Tokens ---------------------------------------------------------------------------------------------------


def _dense(multiply: Callable[..., tf.Tensor], bias: bool, operands: str, x: tf.Tensor, arrays: Unrolled) -> tf.Tensor:
    y = multiply(x, next(arrays.parameters), operands)
    return tf.nn.bias_add(y, next(arrays.parameters)) if bias else y


def _matmul(x: tf.Tensor, weight: tf.Variable, operands: str) -> tf.Tensor:
    """Return tokens @ weight as one product: that of a batch of matrices takes one gradient a sample and adds them."""
    flat = tf.reshape(x, [-1, x.shape[-1]])
    return tf.reshape(_product(tf.matmul, flat, weight, operands), [*x.shape[:-1], weight.shape[-1]])


def _layer_norm(epsilon: float, x: tf.Tensor, arrays: Unrolled) -> tf.Tensor:
    mean, variance = tf.nn.moments(x, [-1], keepdims=True)
    weight, bias = next(arrays.parameters), next(arrays.parameters)
    return tf.nn.batch_normalization(x, mean, variance, bias, weight, epsilon)


def _rms_norm(epsilon: float, x: tf.Tensor, arrays: Unrolled) -> tf.Tensor:
    inverse = tf.math.rsqrt(tf.reduce_mean(tf.square(x), -1, keepdims=True) + epsilon)
    return x * inverse * next(arrays.parameters)


def _attention(heads: int, operands: str, x: tf.Tensor, arrays: Unrolled) -> tf.Tensor:  # (B, T, D), the same
    batch, tokens, width = x.shape
    mixed = _matmul(x, next(arrays.parameters), operands)
    parted = tf.transpose(tf.reshape(mixed, [batch, tokens, 3, heads, width // heads]), [2, 0, 3, 1, 4])
    q, k, v = tf.unstack(parted)  # (B, heads, T, d) each
    scores = _product(partial(tf.matmul, transpose_b=True), q * math.sqrt(heads / width), k, operands)
    y = _product(tf.matmul, tf.nn.softmax(scores), v, operands)
    joined = tf.reshape(tf.transpose(y, [0, 2, 1, 3]), [batch, tokens, width])
    return _matmul(joined, next(arrays.parameters), operands)


def _lstm(units: int, sequence: bool, operands: str, x: tf.Tensor, arrays: Unrolled) -> tf.Tensor:
    """What the tokens give to all gates is one product of all steps; the steps are unrolled where they are few."""
    weight, recurrent, bias = (next(arrays.parameters) for _ in range(3))
    given = tf.nn.bias_add(_matmul(tf.transpose(x, [1, 0, 2]), weight, operands), bias)
    step = partial(_lstm_step, tf.convert_to_tensor(recurrent), operands)
    h = c = tf.zeros([x.shape[0], units], x.dtype)
    if given.shape[0] > UNROLLED or not arrays.unrolls:
        return _lstm_loop(step, given, h, sequence)
    outputs = []
    for gates in tf.unstack(given):
        h, c = step(gates, h, c)
        outputs.append(h)
    return tf.stack(outputs, 1) if sequence else h


def _lstm_step(
    recurrent: tf.Tensor, operands: str, gates: tf.Tensor, h: tf.Tensor, c: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    i, f, g, o = tf.split(gates + _product(tf.matmul, h, recurrent, operands), 4, 1)
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
    return tf.sigmoid(o) * tf.tanh(c), c


def _lstm_loop(step: Callable[..., Any], given: tf.Tensor, h: tf.Tensor, sequence: bool) -> tf.Tensor:
    """Through arrays of tensors: the gradient of a slice is as large as all steps."""
    steps = given.shape[0]
    arrays = partial(tf.TensorArray, h.dtype, steps)
    gates, outputs = arrays().unstack(given), arrays(element_shape=h.shape)

    def body(index: tf.Tensor, h: tf.Tensor, c: tf.Tensor, outputs: tf.TensorArray) -> tuple[Any, ...]:
        h, c = step(gates.read(index), h, c)
        return index + 1, h, c, outputs.write(index, h) if sequence else outputs

    start = tf.constant(0), h, h, outputs
    _, h, _, outputs = tf.while_loop(lambda index, *_: index < steps, body, start, maximum_iterations=steps)
    return tf.transpose(outputs.stack(), [1, 0, 2]) if sequence else h
