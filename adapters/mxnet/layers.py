"""The declared layers as gluon's blocks, and the loss as one more block around the network.

What mxnet computes in float32 when asked for float64 is written from operators that do not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import mxnet as mx
import numpy as np
from mxnet import autograd
from mxnet.gluon import nn

from adapters import declaration
from adapters.declaration import Place, Recipe, Shape


class Loss(mx.gluon.HybridBlock):
    """Network and mean loss as one block, so that hybridizing makes one graph of a whole forward pass."""

    def __init__(self, network: mx.gluon.HybridBlock, recipe: Recipe) -> None:
        super().__init__()
        self.network = network
        self.cross_entropy, self.smoothing = recipe.loss == "cross_entropy", recipe.label_smoothing

    def hybrid_forward(self, F: Any, images: Any, labels: Any) -> Any:
        outputs = self.network(images)
        if not self.cross_entropy:
            return F.square(outputs.reshape((-1,)) - labels).mean()  # gluon's L2Loss halves it
        logs = F.log_softmax(outputs)
        if not self.smoothing:
            return -F.pick(logs, labels).mean()
        return -((1 - self.smoothing) * F.pick(logs, labels).mean() + self.smoothing * logs.mean())


class PositionEmbedding(mx.gluon.HybridBlock):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.weight = self.params.get("weight", shape=shape)

    def hybrid_forward(self, F: Any, x: Any, weight: Any) -> Any:
        rows = x.reshape((0, -1))
        return F.reshape_like(rows + _repeated(F, weight.reshape((1, -1)), rows), x)


class LayerNorm(nn.LayerNorm):
    """nn.LayerNorm in evaluations; in training its sums are products, because the operator's own backward is slow.

    100 x 49 tokens of 64: 5.5 ms for 10.1, forward and backward.
    """

    def __init__(self, size: int, epsilon: float) -> None:
        super().__init__(epsilon=epsilon, in_channels=size)
        self.size = size

    def hybrid_forward(self, F: Any, x: Any, gamma: Any, beta: Any) -> Any:
        if not autograd.is_training():
            return super().hybrid_forward(F, x, gamma, beta)
        rows = x.reshape((-1, self.size))
        scale, ones = gamma.reshape((1, -1)), F.ones_like(gamma)
        share = ones.reshape((-1, 1)) * (1 / self.size)
        centred = rows - F.dot(F.dot(rows, share), ones.reshape((1, -1)))
        inverse = F.rsqrt(F.dot(F.square(centred), share) + self._epsilon)
        return F.reshape_like(centred * F.dot(inverse, scale) + _repeated(F, beta.reshape((1, -1)), rows), x)


class RMSNorm(mx.gluon.HybridBlock):
    """Of its sums as products, as in LayerNorm; mxnet has no operator of its own."""

    def __init__(self, size: int, epsilon: float) -> None:
        super().__init__()
        self.size, self.epsilon = size, epsilon
        self.weight = self.params.get("weight", shape=(size,))

    def hybrid_forward(self, F: Any, x: Any, weight: Any) -> Any:
        rows = x.reshape((-1, self.size))
        share = F.ones_like(weight).reshape((-1, 1)) * (1 / self.size)
        inverse = F.rsqrt(F.dot(F.square(rows), share) + self.epsilon)
        return F.reshape_like(rows * F.dot(inverse, weight.reshape((1, -1))), x)


class SelfAttention(mx.gluon.HybridBlock):
    """interleaved_matmul_selfatt_qk, mxnet's own, is for float32 alone (src/operator/contrib/transformer.cc)."""

    def __init__(self, heads: int, shape: Shape) -> None:
        super().__init__()
        self.heads, (self.tokens, self.width) = heads, shape
        self.weight = self.params.get("weight", shape=(3 * self.width, self.width))
        self.output_weight = self.params.get("output_weight", shape=(self.width, self.width))

    def hybrid_forward(self, F: Any, x: Any, weight: Any, output_weight: Any) -> Any:  # (B, T, D), the same
        tokens, width, size = self.tokens, self.width, self.width // self.heads
        # One product and its result cut by mxnet's transpose and split: 13.0 ms for 8.6, forward and backward.
        mixed = (
            F.FullyConnected(x, part, no_bias=True, num_hidden=width, flatten=False)
            for part in F.split(weight, 3, axis=0)
        )
        q, k, v = (  # (B*heads, T, d) each
            part.reshape((-1, tokens, self.heads, size)).transpose((0, 2, 1, 3)).reshape((-1, tokens, size))
            for part in mixed
        )
        share = F.softmax(F.batch_dot(q / math.sqrt(size), k, transpose_b=True))
        y = F.batch_dot(share, v).reshape((-1, self.heads, tokens, size)).transpose((0, 2, 1, 3))
        joined = y.reshape((-1, tokens, width))
        return F.FullyConnected(joined, output_weight, no_bias=True, num_hidden=width, flatten=False)


class LSTM(mx.gluon.HybridBlock):
    """The RNN operator, as in gluon.rnn.LSTM, which has a second bias and states of float32 in its graph."""

    def __init__(self, inputs: int, units: int, sequence: bool) -> None:
        super().__init__()
        self.units, self.sequence = units, sequence
        self.weight = self.params.get("weight", shape=(4 * units, inputs))
        self.recurrent_weight = self.params.get("recurrent_weight", shape=(4 * units, units))
        self.bias = self.params.get("bias", shape=(4 * units,))

    def hybrid_forward(self, F: Any, x: Any, weight: Any, recurrent_weight: Any, bias: Any) -> Any:
        """Compute (B, T, I) to (B, H) or (B, T, H)."""
        x = x.swapaxes(0, 1)
        parts = weight.reshape(-1), recurrent_weight.reshape(-1), bias, F.zeros_like(bias)
        flat = F._internal._rnn_param_concat(*parts, dim=0)
        zeros = F.zeros_like(F.slice(x, begin=(0, 0, 0), end=(1, None, 1))).broadcast_axes(axis=2, size=self.units)
        settings = {"state_size": self.units, "num_layers": 1, "mode": "lstm", "state_outputs": True}
        y, last, _ = F.RNN(x, flat, zeros, zeros, **settings)
        return y.swapaxes(0, 1) if self.sequence else last.reshape((-1, self.units))


class Residual(mx.gluon.HybridBlock):
    def __init__(self, branch: Iterable[nn.HybridBlock], shortcut: Iterable[nn.HybridBlock]) -> None:
        super().__init__()
        self.branch, self.shortcut = sequential(branch), sequential(shortcut)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return self.branch(x) + self.shortcut(x)


def sequential(blocks: Iterable[nn.HybridBlock]) -> nn.HybridSequential:
    """Return blocks as one."""
    made = nn.HybridSequential()
    made.add(*blocks)
    return made


class Gelu(mx.gluon.HybridBlock):
    """LeakyReLU(act_type="gelu"), whose constants are of float32 for float64 too; there from erf."""

    def cast(self, dtype: str) -> None:
        super().cast(dtype)
        self.double = dtype == "float64"

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        if not self.double:
            return F.LeakyReLU(x, act_type="gelu")
        return (F.erf(F.contrib.gradientmultiplier(x * math.sqrt(0.5), scalar=ERF_SLOPE)) + 1) * (x * 0.5)


def _repeated(F: Any, row: Any, rows: Any) -> Any:
    """Return a row (1, I) as often as `rows` (N, I) has some, as a product: the gradient of a broadcast is slow."""
    return F.dot(F.ones_like(rows.slice_axis(axis=1, begin=0, end=1)), row)


Operator = Callable[[Any, Any], Any]  # of (mx.nd or mx.sym, array or symbol)

# The slope of mxnet's erf is too small by this factor: it takes the root of pi in float32 (src/operator/mshadow_op.h).
ERF_SLOPE = float(np.sqrt(np.float32(math.pi))) / math.sqrt(math.pi)


def _gelu_tanh(F: Any, x: Any) -> Any:
    return (F.tanh((F.square(x) * 0.044715 + 1) * x * math.sqrt(2 / math.pi)) + 1) * (x * 0.5)


# Means as products: of tokens a fifth of mean(axis=1)'s time, of positions half of mean(axis=(2, 3))'s. Pooling is no
# faster: its gradient comes in a layout that makes a convolution's backward slow (1x1 of 64 channels: 24 ms for 5).


def _image_mean(shape: Shape) -> Operator:  # (B, C, H, W) -> (B, C)
    channels, positions = shape[0], math.prod(shape[1:])

    def averaged(F: Any, x: Any) -> Any:
        rows = x.reshape((-1, positions))
        shares = F.ones_like(rows.slice_axis(axis=0, begin=0, end=1)) * (1 / positions)
        return F.dot(rows, shares.reshape((-1, 1))).reshape((-1, channels))

    return averaged


def _token_mean(shape: Shape) -> Operator:  # (B, T, D) -> (B, D)
    def averaged(F: Any, x: Any) -> Any:
        shares = F.ones_like(x.slice_axis(axis=2, begin=0, end=1)) * (1 / shape[0])
        return F.batch_dot(shares, x, transpose_a=True).flatten()

    return averaged


def _patches(layer: declaration.Patches, shape: Shape) -> Operator:
    channels, rows, columns = shape
    parts = (-1, channels, rows // layer.height, layer.height, columns // layer.width, layer.width)
    tokens = (-1, *layer.after(shape))
    return lambda F, x: x.reshape(parts).transpose((0, 2, 4, 1, 3, 5)).reshape(tokens)


FUNCTIONS: dict[str, Operator] = {"softmax": lambda F, x: F.softmax(x), "gelu_tanh": _gelu_tanh}


def blocks_of(layers: Iterable[declaration.Layer], places: Iterator[Place]) -> list[nn.HybridBlock]:
    """Return the blocks that declared layers mean; `places` are theirs, in order."""
    return [
        _residual(layer, places) if isinstance(layer, declaration.Residual) else _block_of(next(places))
        for layer in layers
    ]


def _residual(layer: declaration.Residual, places: Iterator[Place]) -> Residual:
    made = Residual(blocks_of(layer.branch, places), blocks_of(layer.shortcut, places))
    next(places)  # its own comes last
    return made


def _block_of(place: Place) -> nn.HybridBlock:
    shape = place.before
    match place.layer:
        case declaration.Conv2D(channels, kernel, stride, padding, groups, bias):
            return nn.Conv2D(channels, kernel, stride, padding, 1, groups, use_bias=bias, in_channels=shape[0])
        case declaration.Dense(units, bias):
            return nn.Dense(units, use_bias=bias, flatten=False, in_units=shape[-1])
        case declaration.MaxPool2D(size, stride):
            return nn.MaxPool2D(size, stride)
        case declaration.AvgPool2D(size, stride):
            return nn.AvgPool2D(size, stride)
        case declaration.GlobalAvgPool():
            return nn.HybridLambda((_image_mean if len(shape) == 3 else _token_mean)(shape))
        case declaration.Activation("gelu"):
            return Gelu()
        case declaration.Activation(function) if function in FUNCTIONS:
            return nn.HybridLambda(FUNCTIONS[function])
        case declaration.Activation(function):
            return nn.Activation(function)
        case declaration.Flatten():
            return nn.Flatten()
        case declaration.Reshape(after):
            return nn.HybridLambda(lambda F, x: x.reshape((-1, *after)))
        case declaration.Patches() as layer:
            return nn.HybridLambda(_patches(layer, shape))
        case declaration.PositionEmbedding():
            return PositionEmbedding(shape)
        case declaration.BatchNorm(momentum, epsilon):
            return nn.BatchNorm(momentum=momentum, epsilon=epsilon, in_channels=shape[0])
        case declaration.LayerNorm(epsilon):
            return LayerNorm(shape[-1], epsilon)
        case declaration.RMSNorm(epsilon):
            return RMSNorm(shape[-1], epsilon)
        case declaration.SelfAttention(heads):
            return SelfAttention(heads, shape)
        case declaration.LSTM(units, sequence):
            return LSTM(shape[1], units, sequence)
    raise TypeError(place.layer)
