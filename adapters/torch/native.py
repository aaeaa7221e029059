"""torch: the state_dict of an nn.Sequential, and the program of torch.export, which needs no code to load."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

FORMATS = ("state_dict", "export")
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def write(layers: list[dict[str, Any]], weights: dict[str, Any], folder: Path, name: str) -> None:
    network = sequential(layers)
    # nn.Linear keeps (out, in); a copy of its own for each, as load_state_dict makes it
    arrays = {key: torch.from_numpy(array.T if array.ndim == 2 else array) for key, array in weights.items()}
    network.load_state_dict(arrays)
    torch.save(network.state_dict(), folder / f"{name}.pt")
    example = torch.zeros(2, *layers[0]["input_shape"])  # of 2: a batch of 1 would be taken for a constant
    program = torch.export.export(network.eval(), (example,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.export.save(program, folder / f"{name}.pt2")


def load(form: str, layers: list[dict[str, Any]], folder: Path, name: str) -> Callable[[Any], Any]:
    if form == "state_dict":
        network: Any = sequential(layers)
        tensors = torch.load(folder / f"{name}.pt", map_location="cpu", weights_only=True)  # noqa: TID251 - tensors only
        network.load_state_dict(tensors)
    else:
        network = torch.export.load(folder / f"{name}.pt2").module()
    return lambda images: network(torch.from_numpy(images)).detach().numpy()


def sequential(layers: list[dict[str, Any]]) -> nn.Sequential:
    return nn.Sequential(OrderedDict((layer["name"], layer_of(layer)) for layer in layers))


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
        case {"type": "Activation", "function": "softmax"}:
            return nn.Softmax(-1)
        case {"type": "Activation", "function": function}:
            return ACTIVATIONS[function]()
        case {"type": "Flatten"}:
            return nn.Flatten()
    raise ValueError(f"no layer of torch's for {layer}")
