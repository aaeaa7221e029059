"""paddle: the state_dict of an nn.Sequential as .pdparams, and the program of paddle.jit.save.

paddle.load unpickles, and knows no other way for .pdparams: never call it on a file from somebody else. Here it reads
what this project has just written, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn
from paddle.static import InputSpec

FORMATS = ("pdparams", "jit")
ACTIVATIONS = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "gelu_tanh": partial(nn.GELU, approximate=True),
    "softmax": nn.Softmax,
}
KEYS = {  # of the state_dict, where paddle has another name for an array
    "batchnorm": {"mean": "_mean", "variance": "_variance"},
    "attention": {"output_weight": "out_proj.weight"},
    "lstm": {"weight": "weight_ih_l0", "recurrent_weight": "weight_hh_l0", "bias": "bias_ih_l0"},
}


def write(layers: list[dict[str, Any]], weights: dict[str, Any], folder: Path, name: str) -> None:
    network = filled(layers, weights)
    network.eval()
    paddle.save(network.state_dict(), str(folder / f"{name}.pdparams"))
    images = InputSpec([None, *layers[0]["input_shape"]], "float32", "images")
    paddle.jit.save(network, str(folder / name), input_spec=[images])


def filled(layers: list[dict[str, Any]], weights: dict[str, Any]) -> nn.Sequential:
    paddle.device.set_device("cpu")
    network = sequential(layers)
    state = network.state_dict()
    paths = {path.rpartition(".")[2]: path for path, _ in network.named_sublayers()}  # of layers, by name
    for key, array in weights.items():
        owner, _, part = key.partition(".")
        for named, own in parts(owner.rstrip("0123456789"), part, array):
            state[f"{paths[owner]}.{named}"].set_value(own)
    return network


def parts(kind: str, part: str, array: Any) -> list[tuple[str, Any]]:
    """Return what paddle makes of one array, by its name there; nn.Linear keeps (in, out), as the declaration does."""
    if kind == "attention" and part == "weight":
        return [(f"{side}_proj.weight", own) for side, own in zip("qkv", np.split(array, 3, 1), strict=True)]
    return [(KEYS.get(kind, {}).get(part, part), np.ascontiguousarray(array.T) if kind == "lstm" else array)]


def load(form: str, layers: list[dict[str, Any]], folder: Path, name: str) -> Callable[[Any], Any]:
    paddle.device.set_device("cpu")
    if form == "pdparams":
        network = sequential(layers)
        network.set_state_dict(paddle.load(str(folder / f"{name}.pdparams")))  # noqa: TID251 - see above
    else:
        network = paddle.jit.load(str(folder / name))
    network.eval()
    return lambda images: network(paddle.to_tensor(images)).numpy()


def sequential(layers: list[dict[str, Any]]) -> nn.Sequential:
    return nn.Sequential(*((layer["name"], layer_of(layer)) for layer in layers))


class Residual(nn.Layer):
    def __init__(self, branch: list[dict[str, Any]], shortcut: list[dict[str, Any]]) -> None:
        super().__init__()
        self.branch, self.shortcut = sequential(branch), sequential(shortcut)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.branch(x) + self.shortcut(x)


class GlobalAvgPool(nn.Layer):
    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return x.mean([2, 3] if x.ndim == 4 else 1)


class Reshape(nn.Layer):
    def __init__(self, shape: list[int]) -> None:
        super().__init__()
        self.shape = [-1, *shape]

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return x.reshape(self.shape)


class Patches(nn.Layer):
    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.size = [height, width]

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return nn.functional.unfold(x, self.size, self.size).transpose([0, 2, 1])


class PositionEmbedding(nn.Layer):
    def __init__(self, shape: list[int]) -> None:
        super().__init__()
        self.weight = self.create_parameter(shape)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return x + self.weight


class RMSNorm(nn.Layer):
    def __init__(self, size: int, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.weight = self.create_parameter([size], default_initializer=nn.initializer.Constant(1.0))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return x * paddle.rsqrt(x.square().mean(-1, keepdim=True) + self.epsilon) * self.weight


class LSTM(nn.LSTM):
    def __init__(self, inputs: int, units: int, sequence: bool) -> None:
        zero = paddle.ParamAttr(initializer=nn.initializer.Constant(0.0))
        super().__init__(inputs, units, bias_hh_attr=zero)  # paddle has two biases, the declaration one
        self.sequence = sequence

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        outputs, (last, _) = super().forward(x)
        return outputs if self.sequence else last[0]


def layer_of(layer: dict[str, Any]) -> nn.Layer:
    shape = layer["input_shape"]
    match layer:
        case {"type": "Conv2D", "channels": channels, "kernel": kernel, "stride": stride, "padding": padding}:
            settings = {"groups": layer["groups"], "bias_attr": None if layer["bias"] else False}
            return nn.Conv2D(shape[0], channels, kernel, stride, padding, **settings)
        case {"type": "Dense", "units": units, "bias": bias}:
            return nn.Linear(shape[-1], units, bias_attr=None if bias else False)
        case {"type": "MaxPool2D", "size": size, "stride": stride}:
            return nn.MaxPool2D(size, stride)
        case {"type": "AvgPool2D", "size": size, "stride": stride}:
            return nn.AvgPool2D(size, stride)
        case {"type": "GlobalAvgPool"}:
            return GlobalAvgPool()
        case {"type": "Activation", "function": function}:
            return ACTIVATIONS[function]()
        case {"type": "Flatten"}:
            return nn.Flatten()
        case {"type": "Reshape", "shape": wanted}:
            return Reshape(wanted)
        case {"type": "Patches", "height": height, "width": width}:
            return Patches(height, width)
        case {"type": "PositionEmbedding"}:
            return PositionEmbedding(shape)
        case {"type": "BatchNorm", "momentum": momentum, "epsilon": epsilon}:
            return (nn.BatchNorm2D if len(shape) == 3 else nn.BatchNorm1D)(shape[0], momentum, epsilon)
        case {"type": "LayerNorm", "epsilon": epsilon}:
            return nn.LayerNorm(shape[-1], epsilon)
        case {"type": "RMSNorm", "epsilon": epsilon}:
            return RMSNorm(shape[-1], epsilon)
        case {"type": "SelfAttention", "heads": heads}:
            return nn.MultiHeadAttention(shape[1], heads, bias_attr=False)
        case {"type": "LSTM", "units": units, "sequence": sequence}:
            return LSTM(shape[1], units, sequence)
        case {"type": "Residual", "branch": branch, "shortcut": shortcut}:
            return Residual(branch, shortcut)
    raise ValueError(f"no layer of paddle's for {layer}")
