"""mxnet: a gluon network as symbol and parameters, as HybridBlock.export writes and SymbolBlock.imports reads them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mxnet as mx
from mxnet.gluon import nn, rnn

FORMATS = ("symbol",)
NORM = {"weight": "gamma", "bias": "beta"}
KEYS = {  # of the parameters, where gluon has another name for an array
    "batchnorm": NORM | {"mean": "running_mean", "variance": "running_var"},
    "layernorm": NORM,
    "lstm": {"weight": "l0_i2h_weight", "recurrent_weight": "l0_h2h_weight", "bias": "l0_i2h_bias"},
}


def write(layers: list[dict[str, Any]], weights: dict[str, Any], folder: Path, name: str) -> None:
    network = filled(layers, weights)
    network.hybridize()
    network(mx.nd.zeros((1, *layers[0]["input_shape"])))  # export writes the graph of a forward pass
    network.export(str(folder / name))


def filled(layers: list[dict[str, Any]], weights: dict[str, Any]) -> nn.HybridSequential:
    network = sequential(layers)
    network.initialize(ctx=mx.cpu())
    parameters = network.collect_params()
    for key, array in weights.items():
        owner, _, part = key.partition(".")
        named = KEYS.get(owner.rstrip("0123456789"), {}).get(part, part)
        turned = array.ndim == 2 and not owner.startswith("position")  # nn.Dense and rnn.LSTM keep (out, in)
        parameters[f"{owner}_{named}"].set_data(mx.nd.array(array.T if turned else array))
    return network


def load(form: str, layers: list[dict[str, Any]], folder: Path, name: str) -> Callable[[Any], Any]:
    files = (str(folder / f"{name}-symbol.json"), ["data"], str(folder / f"{name}-0000.params"))
    network = nn.SymbolBlock.imports(*files, ctx=mx.cpu())
    return lambda images: network(mx.nd.array(images)).asnumpy()


def sequential(layers: list[dict[str, Any]]) -> nn.HybridSequential:
    network = nn.HybridSequential(prefix="")
    for layer in layers:
        network.add(layer_of(layer))
    return network


class Residual(nn.HybridBlock):
    def __init__(self, branch: list[dict[str, Any]], shortcut: list[dict[str, Any]]) -> None:
        super().__init__(prefix="")
        self.branch, self.shortcut = sequential(branch), sequential(shortcut)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return self.branch(x) + self.shortcut(x)


class PositionEmbedding(nn.HybridBlock):
    def __init__(self, shape: list[int], prefix: str) -> None:
        super().__init__(prefix=prefix)
        self.weight = self.params.get("weight", shape=shape)

    def hybrid_forward(self, F: Any, x: Any, weight: Any) -> Any:
        return F.broadcast_add(x, weight.expand_dims(0))


class RMSNorm(nn.HybridBlock):
    def __init__(self, size: int, epsilon: float, prefix: str) -> None:
        super().__init__(prefix=prefix)
        self.epsilon = epsilon
        self.weight = self.params.get("weight", shape=(size,), init="ones")

    def hybrid_forward(self, F: Any, x: Any, weight: Any) -> Any:
        inverse = F.rsqrt(F.square(x).mean(axis=-1, keepdims=True) + self.epsilon)
        return F.broadcast_mul(F.broadcast_mul(x, inverse), weight)


class SelfAttention(nn.HybridBlock):
    def __init__(self, heads: int, shape: list[int], prefix: str) -> None:
        super().__init__(prefix=prefix)
        self.heads, (self.tokens, self.width) = heads, shape
        self.weight = self.params.get("weight", shape=(3 * self.width, self.width))
        self.output_weight = self.params.get("output_weight", shape=(self.width, self.width))

    def hybrid_forward(self, F: Any, x: Any, weight: Any, output_weight: Any) -> Any:  # (B, T, D), the same
        tokens, width, size = self.tokens, self.width, self.width // self.heads
        mixed = F.FullyConnected(x, weight, no_bias=True, num_hidden=3 * width, flatten=False)
        parted = mixed.reshape((-1, tokens, 3, self.heads, size)).transpose((2, 0, 3, 1, 4))
        q, k, v = F.split(parted.reshape((3, -1, tokens, size)), 3, axis=0, squeeze_axis=True)  # (B*heads, T, d) each
        share = F.softmax(F.batch_dot(q, k, transpose_b=True) / math.sqrt(size))
        y = F.batch_dot(share, v).reshape((-1, self.heads, tokens, size)).transpose((0, 2, 1, 3))
        return F.FullyConnected(
            y.reshape((-1, tokens, width)), output_weight, no_bias=True, num_hidden=width, flatten=False
        )


class LSTM(rnn.LSTM):
    def __init__(self, inputs: int, units: int, sequence: bool, prefix: str) -> None:
        super().__init__(units, layout="NTC", input_size=inputs, prefix=prefix)  # its second bias begins with zeros
        self.sequence = sequence

    def hybrid_forward(self, F: Any, *inputs: Any, **parameters: Any) -> Any:
        outputs = super().hybrid_forward(F, *inputs, **parameters)
        return outputs if self.sequence else outputs.slice_axis(axis=1, begin=-1, end=None).flatten()


def patches(layer: dict[str, Any]) -> Callable[[Any, Any], Any]:
    (channels, rows, columns), height, width = layer["input_shape"], layer["height"], layer["width"]
    parted = (-1, channels, rows // height, height, columns // width, width)
    tokens = (-1, rows // height * (columns // width), channels * height * width)
    return lambda F, x: x.reshape(parted).transpose((0, 2, 4, 1, 3, 5)).reshape(tokens)


FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "softmax": lambda F, x: F.softmax(x),
    "gelu": lambda F, x: F.LeakyReLU(x, act_type="gelu"),
    "gelu_tanh": lambda F, x: x * 0.5 * (1 + F.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
}


def layer_of(layer: dict[str, Any]) -> nn.HybridBlock:
    prefix, shape = f"{layer['name']}_", layer["input_shape"]
    match layer:
        case {"type": "Conv2D", "channels": channels, "kernel": kernel, "stride": stride, "padding": padding}:
            settings = {"groups": layer["groups"], "use_bias": layer["bias"], "in_channels": shape[0]}
            return nn.Conv2D(channels, kernel, stride, padding, prefix=prefix, **settings)
        case {"type": "Dense", "units": units, "bias": bias}:
            return nn.Dense(units, use_bias=bias, flatten=False, in_units=shape[-1], prefix=prefix)
        case {"type": "MaxPool2D", "size": size, "stride": stride}:
            return nn.MaxPool2D(size, stride, prefix=prefix)
        case {"type": "AvgPool2D", "size": size, "stride": stride}:
            return nn.AvgPool2D(size, stride, prefix=prefix)
        case {"type": "GlobalAvgPool"}:
            axes = (2, 3) if len(shape) == 3 else 1
            return nn.HybridLambda(lambda F, x: x.mean(axis=axes), prefix=prefix)
        case {"type": "Activation", "function": function} if function in FUNCTIONS:
            return nn.HybridLambda(FUNCTIONS[function], prefix=prefix)
        case {"type": "Activation", "function": function}:
            return nn.Activation(function, prefix=prefix)
        case {"type": "Flatten"}:
            return nn.Flatten(prefix=prefix)
        case {"type": "Reshape", "shape": wanted}:
            return nn.HybridLambda(lambda F, x: x.reshape((-1, *wanted)), prefix=prefix)
        case {"type": "Patches"}:
            return nn.HybridLambda(patches(layer), prefix=prefix)
        case {"type": "PositionEmbedding"}:
            return PositionEmbedding(shape, prefix)
        case {"type": "BatchNorm", "momentum": momentum, "epsilon": epsilon}:
            return nn.BatchNorm(momentum=momentum, epsilon=epsilon, in_channels=shape[0], prefix=prefix)
        case {"type": "LayerNorm", "epsilon": epsilon}:
            return nn.LayerNorm(epsilon=epsilon, in_channels=shape[-1], prefix=prefix)
        case {"type": "RMSNorm", "epsilon": epsilon}:
            return RMSNorm(shape[-1], epsilon, prefix)
        case {"type": "SelfAttention", "heads": heads}:
            return SelfAttention(heads, shape, prefix)
        case {"type": "LSTM", "units": units, "sequence": sequence}:
            return LSTM(shape[1], units, sequence, prefix)
        case {"type": "Residual", "branch": branch, "shortcut": shortcut}:
            return Residual(branch, shortcut)
    raise ValueError(f"no layer of gluon's for {layer}")
