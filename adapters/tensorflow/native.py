"""tensorflow: a Keras Sequential as .keras, and as a SavedModel for whatever serves those. Images are (N, H, W, C)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.keras import layers as nn

FORMATS = ("keras", "saved_model")


def write(layers: list[dict[str, Any]], weights: dict[str, Any], folder: Path, name: str) -> None:
    channels, *size = layers[0]["input_shape"]
    network = tf.keras.Sequential([nn.Input((*size, channels))], name=name)
    flattened = None
    for layer in layers:
        network.add(layer_of(layer))
        if layer["type"] == "Flatten":
            flattened = layer["input_shape"]
        elif layer["type"] in ("Conv2D", "Dense"):
            weight = channels_last(weights[f"{layer['name']}.weight"], flattened)
            network.get_layer(layer["name"]).set_weights([weight, weights[f"{layer['name']}.bias"]])
            flattened = None
    network.save(folder / f"{name}.keras")
    network.export(str(folder / f"{name}_saved_model"), verbose=False)


def load(form: str, layers: list[dict[str, Any]], folder: Path, name: str) -> Callable[[Any], Any]:
    if form == "keras":
        network = tf.keras.models.load_model(folder / f"{name}.keras")  # noqa: TID251 - safe_mode refuses code
    else:
        network = tf.saved_model.load(str(folder / f"{name}_saved_model"))
    # What is loaded must live as long as its function: that holds the variables weakly.
    return lambda images: getattr(network, "serve", network)(tf.constant(images.transpose(0, 2, 3, 1))).numpy()


def channels_last(weight: Any, flattened: list[int] | None) -> Any:
    """Return a canonical weight as Keras has it; the rows of a Dense that reads a flattened image in its (H, W, C)."""
    if weight.ndim == 4:
        return weight.transpose(2, 3, 1, 0)  # (out, in, kh, kw) -> (kh, kw, in, out)
    if flattened is None:
        return weight
    return weight.reshape(*flattened, -1).transpose(1, 2, 0, 3).reshape(weight.shape)


def layer_of(layer: dict[str, Any]) -> Any:
    name = layer["name"]
    match layer:
        case {"type": "Conv2D", "channels": channels, "kernel": kernel, "stride": stride, "padding": padding}:
            if padding not in (0, (kernel - 1) / 2) or (padding and stride != 1):
                raise ValueError(
                    f"Keras pads a convolution as much as its output keeps the size or not at all: {layer}"
                )
            return nn.Conv2D(channels, kernel, stride, "same" if padding else "valid", name=name)
        case {"type": "Dense", "units": units}:
            return nn.Dense(units, name=name)
        case {"type": "MaxPool2D", "size": size, "stride": stride}:
            return nn.MaxPooling2D(size, stride, name=name)
        case {"type": "AvgPool2D", "size": size, "stride": stride}:
            return nn.AveragePooling2D(size, stride, name=name)
        case {"type": "Activation", "function": function}:
            return nn.Activation(function, name=name)
        case {"type": "Flatten"}:
            return nn.Flatten(name=name)
    raise ValueError(f"no layer of Keras's for {layer}")
