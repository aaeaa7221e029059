"""torch: the state_dict of an nn.Sequential, and the program of torch.export, which needs no code to load."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

FORMATS = ("state_dict", "export")
ACTIVATIONS = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "gelu_tanh": partial(nn.GELU, "tanh"),
    "softmax": partial(nn.Softmax, -1),
}
KEYS = {  # of the state_dict, where torch has another name for an array
    "batchnorm": {"mean": "running_mean", "variance": "running_var"},
    "attention": {"weight": "in_proj_weight", "output_weight": "out_proj.weight"},
    "lstm": {"weight": "weight_ih_l0", "recurrent_weight": "weight_hh_l0", "bias": "bias_ih_l0"},
}


def write(layers: list[dict[str, Any]], weights: dict[str, Any], folder: Path, name: str) -> None:
    network = filled(layers, weights)
    torch.save(network.state_dict(), folder / f"{name}.pt")
    example = torch.zeros(2, *layers[0]["input_shape"])  # of 2: a batch of 1 would be taken for a constant
    program = torch.export.export(network.eval(), (example,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.export.save(program, folder / f"{name}.pt2")


def filled(layers: list[dict[str, Any]], weights: dict[str, Any]) -> nn.Sequential:
    network = sequential(layers)
    state = network.state_dict()
    owners = {key.rpartition(".")[0].rpartition(".")[2]: key.rpartition(".")[0] for key in state}
    for key, array in weights.items():
        owner, _, part = key.partition(".")
        named = KEYS.get(owner.rstrip("0123456789"), {}).get(part, part)
        path = f"{owners[owner]}.{named}" if owner in owners else named
        turned = array.ndim == 2 and not owner.startswith("position")  # nn.Linear and nn.LSTM keep (out, in)
        state[path].copy_(torch.from_numpy(array.T if turned else array))
    return network


def load(form: str, layers: list[dict[str, Any]], folder: Path, name: str) -> Callable[[Any], Any]:
    if form == "state_dict":
        network: Any = sequential(layers).eval()
        tensors = torch.load(folder / f"{name}.pt", map_location="cpu", weights_only=True)  # noqa: TID251 - tensors only
        network.load_state_dict(tensors)
    else:
        network = torch.export.load(folder / f"{name}.pt2").module()
    return lambda images: network(torch.from_numpy(images)).detach().numpy()


def sequential(layers: list[dict[str, Any]]) -> nn.Sequential:
    return nn.Sequential(OrderedDict((layer["name"], layer_of(layer)) for layer in layers))


class Residual(nn.Module):
    def __init__(self, branch: list[dict[str, Any]], shortcut: list[dict[str, Any]]) -> None:
        super().__init__()
        self.branch, self.shortcut = sequential(branch), sequential(shortcut)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.branch(x) + self.shortcut(x)


class GlobalAvgPool(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3) if x.ndim == 4 else 1)


class Reshape(nn.Module):
    def __init__(self, shape: list[int]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(-1, *self.shape)


class Patches(nn.Module):
    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.size = height, width

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.unfold(x, self.size, stride=self.size).transpose(1, 2)


class PositionEmbedding(nn.Module):
    def __init__(self, shape: list[int]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(*shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.weight


class Attention(nn.MultiheadAttention):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x, x, x, need_weights=False)[0]


class LSTM(nn.LSTM):
    def __init__(self, inputs: int, units: int, sequence: bool) -> None:
        super().__init__(inputs, units, batch_first=True)
        self.sequence = sequence
        nn.init.zeros_(self.bias_hh_l0)  # torch has two biases, the declaration one

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs, (last, _) = super().forward(x)
        return outputs if self.sequence else last[0]


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
            return nn.Flatten()
        case {"type": "Reshape", "shape": wanted}:
            return Reshape(wanted)
        case {"type": "Patches", "height": height, "width": width}:
            return Patches(height, width)
        case {"type": "PositionEmbedding"}:
            return PositionEmbedding(shape)
        case {"type": "BatchNorm", "momentum": kept, "epsilon": epsilon}:
            return (nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d)(shape[0], epsilon, 1 - kept)
        case {"type": "LayerNorm", "epsilon": epsilon}:
            return nn.LayerNorm(shape[-1], epsilon)
        case {"type": "RMSNorm", "epsilon": epsilon}:
            return nn.RMSNorm(shape[-1], epsilon)
        case {"type": "SelfAttention", "heads": heads}:
            return Attention(shape[1], heads, bias=False, batch_first=True)
        case {"type": "LSTM", "units": units, "sequence": sequence}:
            return LSTM(shape[1], units, sequence)
        case {"type": "Residual", "branch": branch, "shortcut": shortcut}:
            return Residual(branch, shortcut)
    raise ValueError(f"no layer of torch's for {layer}")
