"""tinygrad: the state of a network of its ordinary layers, as safetensors."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ.update(DEV="CPU:CLANG", PARALLEL="0")  # read when tinygrad is imported; 0: no pool of compiling processes
from tinygrad import Tensor, nn

FORMATS = ("safetensors",)
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": Tensor.relu,
    "tanh": Tensor.tanh,
    "sigmoid": Tensor.sigmoid,
    "softmax": Tensor.softmax,
    "gelu": partial(Tensor.gelu, approximate="none"),
    "gelu_tanh": Tensor.gelu,
}
KEYS = {  # of the state, where tinygrad's layers have another name for an array
    "batchnorm": {"mean": "running_mean", "variance": "running_var"},
    "attention": {"weight": "mixed.weight", "output_weight": "joined.weight"},
    "lstm": {"weight": "cell.weight_ih", "recurrent_weight": "cell.weight_hh", "bias": "cell.bias_ih"},
}


class PositionEmbedding:
    def __init__(self, shape: list[int]) -> None:
        self.weight = Tensor.zeros(*shape)

    def __call__(self, x: Tensor) -> Tensor:
        return x + self.weight


class Attention:
    def __init__(self, width: int, heads: int) -> None:
        self.heads = heads
        self.mixed, self.joined = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)

    def __call__(self, x: Tensor) -> Tensor:
        q, k, v = (part.rearrange("b t (h d) -> b h t d", h=self.heads) for part in self.mixed(x).chunk(3, 2))
        return self.joined(q.scaled_dot_product_attention(k, v).transpose(1, 2).flatten(2))


class LSTM:
    def __init__(self, inputs: int, units: int, sequence: bool) -> None:
        self.cell, self.sequence = nn.LSTMCell(inputs, units), sequence  # its second bias stays zero

    def __call__(self, x: Tensor) -> Tensor:
        state, outputs = None, []
        for step in range(x.shape[1]):
            state = self.cell(x[:, step], state)
            outputs.append(state[0])
        return Tensor.stack(*outputs, dim=1) if self.sequence else outputs[-1]


STATEFUL = nn.Conv2d | nn.Linear | nn.BatchNorm | nn.LayerNorm | nn.RMSNorm | PositionEmbedding | Attention | LSTM


class Network:
    """Layers one after another, all those with weights as attributes, by which the state names them."""

    def __init__(self, layers: list[dict[str, Any]]) -> None:
        # A list of layers here would be a part of the state, too.
        self.infer = self.chained(layers)

    def chained(self, layers: list[dict[str, Any]]) -> Callable[[Tensor], Tensor]:
        functions = [self.made(layer) for layer in layers]
        return lambda x: x.sequential(functions)

    def made(self, layer: dict[str, Any]) -> Callable[[Tensor], Tensor]:
        if layer["type"] == "Residual":
            branch, shortcut = self.chained(layer["branch"]), self.chained(layer["shortcut"])
            return lambda x: branch(x) + shortcut(x)
        function = function_of(layer)
        if isinstance(function, STATEFUL):
            setattr(self, layer["name"], function)
        return function


def write(layers: list[dict[str, Any]], weights: dict[str, Any], folder: Path, name: str) -> None:
    state = nn.state.get_state_dict(Network(layers))
    for key, array in weights.items():
        owner, _, part = key.partition(".")
        named = KEYS.get(owner.rstrip("0123456789"), {}).get(part, part)
        turned = array.ndim == 2 and not owner.startswith("position")  # nn.Linear keeps (out, in)
        state[f"{owner}.{named}"].replace(Tensor(array.T.copy() if turned else array))
    made = {key: tensor.contiguous() for key, tensor in state.items()}
    nn.state.safe_save(made, str(folder / f"{name}.safetensors"))


def load(form: str, layers: list[dict[str, Any]], folder: Path, name: str) -> Callable[[Any], Any]:
    network = Network(layers)
    state = nn.state.safe_load(folder / f"{name}.safetensors")
    nn.state.load_state_dict(network, state, verbose=False)
    return lambda images: network.infer(Tensor(images)).numpy()


def function_of(layer: dict[str, Any]) -> Callable[[Tensor], Tensor]:
    shape = layer["input_shape"]
    match layer:
        case {"type": "Conv2D", "channels": channels, "kernel": kernel, "stride": stride, "padding": padding}:
            groups, bias = layer["groups"], layer["bias"]
            return nn.Conv2d(shape[0], channels, kernel, stride, padding, groups=groups, bias=bias)
        case {"type": "Dense", "units": units, "bias": bias}:
            return nn.Linear(shape[-1], units, bias)
        case {"type": "MaxPool2D", "size": size, "stride": stride}:
            return lambda x: x.max_pool2d((size, size), stride)
        case {"type": "AvgPool2D", "size": size, "stride": stride}:
            return lambda x: x.avg_pool2d((size, size), stride)
        case {"type": "GlobalAvgPool"}:
            return lambda x: x.mean((2, 3) if x.ndim == 4 else 1)
        case {"type": "Activation", "function": function}:
            return ACTIVATIONS[function]
        case {"type": "Flatten"}:
            return lambda x: x.flatten(1)
        case {"type": "Reshape", "shape": wanted}:
            return lambda x: x.reshape(-1, *wanted)
        case {"type": "Patches", "height": height, "width": width}:
            return lambda x: x.rearrange("b c (r h) (s w) -> b (r s) (c h w)", h=height, w=width)
        case {"type": "PositionEmbedding"}:
            return PositionEmbedding(shape)
        case {"type": "BatchNorm", "momentum": kept, "epsilon": epsilon}:
            return nn.BatchNorm(shape[0], epsilon, momentum=1 - kept)
        case {"type": "LayerNorm", "epsilon": epsilon}:
            return nn.LayerNorm(shape[-1], epsilon)
        case {"type": "RMSNorm", "epsilon": epsilon}:
            return nn.RMSNorm(shape[-1], epsilon)
        case {"type": "SelfAttention", "heads": heads}:
            return Attention(shape[1], heads)
        case {"type": "LSTM", "units": units, "sequence": sequence}:
            return LSTM(shape[1], units, sequence)
    raise ValueError(f"no function of tinygrad's for {layer}")
