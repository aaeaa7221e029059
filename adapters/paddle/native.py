"""paddle: the state_dict of an nn.Sequential as .pdparams, and the program of paddle.jit.save.

paddle.load unpickles, and knows no other way for .pdparams: never call it on a file from somebody else. Here it reads
what this project has just written, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import paddle
from paddle import nn
from paddle.static import InputSpec

FORMATS = ("pdparams", "jit")
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "softmax": nn.Softmax}


def write(layers: list[dict[str, Any]], weights: dict[str, Any], folder: Path, name: str) -> None:
    paddle.device.set_device("cpu")
    network = sequential(layers)
    for key, parameter in network.state_dict().items():
        parameter.set_value(weights[key])  # nn.Linear keeps (in, out), as the declaration does
    network.eval()
    paddle.save(network.state_dict(), str(folder / f"{name}.pdparams"))
    images = InputSpec([None, *layers[0]["input_shape"]], "float32", "images")
    paddle.jit.save(network, str(folder / name), input_spec=[images])


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


def layer_of(layer: dict[str, Any]) -> nn.Layer:
    match layer:
        case {"type": "Conv2D", "channels": channels, "kernel": kernel, "stride": stride, "padding": padding}:
            return nn.Conv2D(layer["input_shape"][0], channels, kernel, stride, padding)
        case {"type": "Dense", "units": units}:
            return nn.Linear(layer["input_shape"][0], units)
        case {"type": "MaxPool2D", "size": size, "stride": stride}:
            return nn.MaxPool2D(size, stride)
        case {"type": "AvgPool2D", "size": size, "stride": stride}:
            return nn.AvgPool2D(size, stride)
        case {"type": "Activation", "function": function}:
            return ACTIVATIONS[function]()
        case {"type": "Flatten"}:
            return nn.Flatten()
    raise ValueError(f"no layer of paddle's for {layer}")
