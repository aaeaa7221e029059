"""mlx: the weights of an nn.Module, as its save_weights writes them.

mx.export_function is of no use here: nn.MaxPool2d writes the example's batch size into it, even where it is shapeless.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from mlx import nn

FORMATS = ("safetensors",)
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "softmax": nn.Softmax}


def write(layers: list[dict[str, Any]], weights: dict[str, Any], folder: Path, name: str) -> None:
    network = Network(layers)
    for key, array in weights.items():
        layer, _, kind = key.partition(".")
        setattr(network[layer], kind, mx.array(own_layout(array)))
    network.save_weights(str(folder / f"{name}.safetensors"))


def load(form: str, layers: list[dict[str, Any]], folder: Path, name: str) -> Callable[[Any], Any]:
    network: Any = Network(layers)
    network.load_weights(str(folder / f"{name}.safetensors"))
    return lambda images: np.array(network(mx.array(images)))


def own_layout(array: Any) -> Any:
    """Return a weight in MLX's layout: (out, in), or (out, kernel, kernel, in)."""
    return array.T if array.ndim == 2 else array.transpose(0, 2, 3, 1) if array.ndim == 4 else array


class Network(nn.Module):
    """The declared layers by name; takes images (N, C, H, W) as they are declared, and has channels last inside."""

    def __init__(self, layers: list[dict[str, Any]]) -> None:
        super().__init__()
        self.names = [layer["name"] for layer in layers]
        for layer in layers:
            setattr(self, layer["name"], layer_of(layer))

    def __call__(self, x: Any) -> Any:
        x = x.transpose(0, 2, 3, 1)
        for name in self.names:
            x = self[name](x)
        return x


class Flatten(nn.Module):
    """(N, H, W, C) to (N, C*H*W)."""

    def __call__(self, x: Any) -> Any:
        return mx.flatten(x.transpose(0, 3, 1, 2) if x.ndim == 4 else x, 1)


def layer_of(layer: dict[str, Any]) -> nn.Module:
    match layer:
        case {"type": "Conv2D", "channels": channels, "kernel": kernel, "stride": stride, "padding": padding}:
            return nn.Conv2d(layer["input_shape"][0], channels, kernel, stride, padding)
        case {"type": "Dense", "units": units}:
            return nn.Linear(layer["input_shape"][0], units)
        case {"type": "MaxPool2D", "size": size, "stride": stride}:
            return nn.MaxPool2d(size, stride)
        case {"type": "AvgPool2D", "size": size, "stride": stride}:
            return nn.AvgPool2d(size, stride)
        case {"type": "Activation", "function": function}:
            return ACTIVATIONS[function]()
        case {"type": "Flatten"}:
            return Flatten()
    raise ValueError(f"no layer of mlx's for {layer}")
