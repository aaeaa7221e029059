"""mlx: the weights of an nn.Module, as its save_weights writes them.

mx.export_function is of no use here: nn.MaxPool2d writes the example's batch size into it, even where it is shapeless.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from mlx import nn

FORMATS = ("safetensors",)
ACTIVATIONS = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "gelu_tanh": partial(nn.GELU, "precise"),
    "softmax": nn.Softmax,
}
KEYS = {  # where MLX has another name for an array
    "batchnorm": {"mean": "running_mean", "variance": "running_var"},
    "attention": {"output_weight": "out_proj.weight"},
    "lstm": {"weight": "Wx", "recurrent_weight": "Wh"},
}


def write(layers: list[dict[str, Any]], weights: dict[str, Any], folder: Path, name: str) -> None:
    network = Network(layers)
    owners = dict(network.named_modules())
    paths = {path.rpartition(".")[2]: path for path in owners}
    arrays: dict[str, Any] = {}
    for key, array in weights.items():
        owner, _, part = key.partition(".")
        named = KEYS.get(owner.rstrip("0123456789"), {}).get(part, part)
        if isinstance(owners[paths[owner]], nn.MultiHeadAttention) and part == "weight":
            for side, third in zip(("query", "key", "value"), np.split(array, 3, 1), strict=True):
                arrays[f"{paths[owner]}.{side}_proj.weight"] = mx.array(third.T)
        else:
            arrays[f"{paths[owner]}.{named}"] = mx.array(array if owner.startswith("position") else own_layout(array))
    network.load_weights(list(arrays.items()))
    network.save_weights(str(folder / f"{name}.safetensors"))


def load(form: str, layers: list[dict[str, Any]], folder: Path, name: str) -> Callable[[Any], Any]:
    network: Any = Network(layers)
    network.load_weights(str(folder / f"{name}.safetensors"))
    network.eval()
    return lambda images: np.array(network(mx.array(images)))


def own_layout(array: Any) -> Any:
    """Return a weight in MLX's layout: (out, in), or (out, kernel, kernel, in)."""
    return array.T if array.ndim == 2 else array.transpose(0, 2, 3, 1) if array.ndim == 4 else array


class Chain(nn.Module):
    """Layers by name, one after another; images have their channels last."""

    def __init__(self, layers: list[dict[str, Any]]) -> None:
        super().__init__()
        self.names = [layer["name"] for layer in layers]
        for layer in layers:
            setattr(self, layer["name"], layer_of(layer))

    def __call__(self, x: Any) -> Any:
        for name in self.names:
            x = self[name](x)
        return x


class Network(Chain):
    """The declared layers; takes images (N, C, H, W) as they are declared, and has channels last inside."""

    def __call__(self, x: Any) -> Any:
        return super().__call__(x.transpose(0, 2, 3, 1))


class Residual(nn.Module):
    def __init__(self, branch: list[dict[str, Any]], shortcut: list[dict[str, Any]]) -> None:
        super().__init__()
        self.branch, self.shortcut = Chain(branch), Chain(shortcut)

    def __call__(self, x: Any) -> Any:
        return self.branch(x) + self.shortcut(x)


def channels_first(x: Any) -> Any:
    return x.transpose(0, 3, 1, 2) if x.ndim == 4 else x


class Flatten(nn.Module):
    """(N, H, W, C) to (N, C*H*W)."""

    def __call__(self, x: Any) -> Any:
        return mx.flatten(channels_first(x), 1)


class Reshape(nn.Module):
    def __init__(self, shape: list[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)

    def __call__(self, x: Any) -> Any:
        y = channels_first(x).reshape(len(x), *self.shape)
        return y.transpose(0, 2, 3, 1) if y.ndim == 4 else y


class GlobalAvgPool(nn.Module):
    def __call__(self, x: Any) -> Any:
        return x.mean((1, 2) if x.ndim == 4 else 1)


class Patches(nn.Module):
    """(N, H, W, C) to (N, T, C*height*width)."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.size = height, width

    def __call__(self, x: Any) -> Any:
        (height, width), (n, rows, columns, channels) = self.size, x.shape
        grid = x.reshape(n, rows // height, height, columns // width, width, channels)
        return grid.transpose(0, 1, 3, 5, 2, 4).reshape(n, -1, channels * height * width)


class PositionEmbedding(nn.Module):
    def __init__(self, shape: list[int]) -> None:
        super().__init__()
        self.weight = mx.zeros(shape)

    def __call__(self, x: Any) -> Any:
        return x + self.weight


class SelfAttention(nn.MultiHeadAttention):
    def __call__(self, x: Any) -> Any:
        return super().__call__(x, x, x)


class LSTM(nn.LSTM):
    def __init__(self, inputs: int, units: int, sequence: bool) -> None:
        super().__init__(inputs, units)
        self.sequence = sequence

    def __call__(self, x: Any) -> Any:
        outputs, _ = super().__call__(x)
        return outputs if self.sequence else outputs[:, -1]


def layer_of(layer: dict[str, Any]) -> nn.Module:
    shape = layer["input_shape"]
    match layer:
        case {"type": "Conv2D", "channels": channels, "kernel": kernel, "stride": stride, "padding": padding}:
            groups, bias = layer["groups"], layer["bias"]
            return nn.Conv2d(shape[0], channels, kernel, stride, padding, groups=groups, bias=bias)
        case {"type": "Dense", "units": units, "bias": bias}:
            return nn.Linear(shape[-1], units, bias)
        case {"type": "MaxPool2D", "size": size, "stride": stride}:
            return nn.MaxPool2d(size, stride)
        case {"type": "AvgPool2D", "size": size, "stride": stride}:
            return nn.AvgPool2d(size, stride)
        case {"type": "GlobalAvgPool"}:
            return GlobalAvgPool()
        case {"type": "Activation", "function": function}:
            return ACTIVATIONS[function]()
        case {"type": "Flatten"}:
            return Flatten()
        case {"type": "Reshape", "shape": wanted}:
            return Reshape(wanted)
        case {"type": "Patches", "height": height, "width": width}:
            return Patches(height, width)
        case {"type": "PositionEmbedding"}:
            return PositionEmbedding(shape)
        case {"type": "BatchNorm", "epsilon": epsilon}:
            return nn.BatchNorm(shape[0], epsilon)
        case {"type": "LayerNorm", "epsilon": epsilon}:
            return nn.LayerNorm(shape[-1], epsilon)
        case {"type": "RMSNorm", "epsilon": epsilon}:
            return nn.RMSNorm(shape[-1], epsilon)
        case {"type": "SelfAttention", "heads": heads}:
            return SelfAttention(shape[-1], heads)
        case {"type": "LSTM", "units": units, "sequence": sequence}:
            return LSTM(shape[-1], units, sequence)
        case {"type": "Residual", "branch": branch, "shortcut": shortcut}:
            return Residual(branch, shortcut)
    raise ValueError(f"no layer of mlx's for {layer}")
