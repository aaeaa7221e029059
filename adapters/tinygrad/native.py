"""tinygrad: the state of a network of its ordinary layers, as safetensors."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.update(DEV="CPU:CLANG", PARALLEL="0")  # read when tinygrad is imported; 0: no pool of compiling processes
from tinygrad import Tensor, nn

FORMATS = ("safetensors",)
ACTIVATIONS = {"relu": Tensor.relu, "tanh": Tensor.tanh, "sigmoid": Tensor.sigmoid, "softmax": Tensor.softmax}


class Network:
    """Layers one after another, those with weights as attributes, by which the state names them."""

    def __init__(self, layers: list[dict[str, Any]]) -> None:
        functions = [function_of(layer) for layer in layers]
        for layer, function in zip(layers, functions, strict=True):
            if isinstance(function, nn.Conv2d | nn.Linear):
                setattr(self, layer["name"], function)
        # A list of them here would be a part of the state, too.
        self.infer: Callable[[Tensor], Tensor] = lambda x: x.sequential(functions)


def write(layers: list[dict[str, Any]], weights: dict[str, Any], folder: Path, name: str) -> None:
    # nn.Linear keeps (out, in)
    state = {key: Tensor(array.T.copy() if array.ndim == 2 else array) for key, array in weights.items()}
    nn.state.safe_save(state, str(folder / f"{name}.safetensors"))


def load(form: str, layers: list[dict[str, Any]], folder: Path, name: str) -> Callable[[Any], Any]:
    network = Network(layers)
    state = nn.state.safe_load(folder / f"{name}.safetensors")
    nn.state.load_state_dict(network, state, verbose=False)
    return lambda images: network.infer(Tensor(images)).numpy()


def function_of(layer: dict[str, Any]) -> Callable[[Tensor], Tensor]:
    match layer:
        case {"type": "Conv2D", "channels": channels, "kernel": kernel, "stride": stride, "padding": padding}:
            return nn.Conv2d(layer["input_shape"][0], channels, kernel, stride, padding)
        case {"type": "Dense", "units": units}:
            return nn.Linear(layer["input_shape"][0], units)
        case {"type": "MaxPool2D", "size": size, "stride": stride}:
            return lambda x: x.max_pool2d((size, size), stride)
        case {"type": "AvgPool2D", "size": size, "stride": stride}:
            return lambda x: x.avg_pool2d((size, size), stride)
        case {"type": "Activation", "function": function}:
            return ACTIVATIONS[function]
        case {"type": "Flatten"}:
            return lambda x: x.flatten(1)
    raise ValueError(f"no function of tinygrad's for {layer}")
