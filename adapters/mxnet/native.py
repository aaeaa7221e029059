"""mxnet: a gluon network as symbol and parameters, as HybridBlock.export writes and SymbolBlock.imports reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mxnet as mx
from mxnet.gluon import nn

FORMATS = ("symbol",)


def write(layers: list[dict[str, Any]], weights: dict[str, Any], folder: Path, name: str) -> None:
    network = nn.HybridSequential(prefix="")
    for layer in layers:
        network.add(layer_of(layer))
    network.initialize(ctx=mx.cpu())
    for key, parameter in network.collect_params().items():
        array = weights[key.replace("_", ".")]
        parameter.set_data(mx.nd.array(array.T if array.ndim == 2 else array))  # nn.Dense keeps (out, in)
    network.hybridize()
    network(mx.nd.zeros((1, *layers[0]["input_shape"])))  # export writes the graph of a forward pass
    network.export(str(folder / name))


def load(form: str, layers: list[dict[str, Any]], folder: Path, name: str) -> Callable[[Any], Any]:
    files = (str(folder / f"{name}-symbol.json"), ["data"], str(folder / f"{name}-0000.params"))
    network = nn.SymbolBlock.imports(*files, ctx=mx.cpu())
    return lambda images: network(mx.nd.array(images)).asnumpy()


def layer_of(layer: dict[str, Any]) -> nn.HybridBlock:
    prefix = f"{layer['name']}_"
    match layer:
        case {"type": "Conv2D", "channels": channels, "kernel": kernel, "stride": stride, "padding": padding}:
            return nn.Conv2D(channels, kernel, stride, padding, in_channels=layer["input_shape"][0], prefix=prefix)
        case {"type": "Dense", "units": units}:
            return nn.Dense(units, in_units=layer["input_shape"][0], prefix=prefix)
        case {"type": "MaxPool2D", "size": size, "stride": stride}:
            return nn.MaxPool2D(size, stride, prefix=prefix)
        case {"type": "AvgPool2D", "size": size, "stride": stride}:
            return nn.AvgPool2D(size, stride, prefix=prefix)
        case {"type": "Activation", "function": "softmax"}:
            return nn.HybridLambda("softmax", prefix=prefix)
        case {"type": "Activation", "function": function}:
            return nn.Activation(function, prefix=prefix)
        case {"type": "Flatten"}:
            return nn.Flatten(prefix=prefix)
    raise ValueError(f"no layer of gluon's for {layer}")
