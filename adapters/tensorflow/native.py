"""tensorflow: a Keras model as .keras, and as a SavedModel for whatever serves those. Images are (N, H, W, C).

Of Keras's own layers alone, because a file with functions or classes in it loads only beside their code.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers as nn

FORMATS = ("keras", "saved_model")


def write(layers: list[dict[str, Any]], weights: dict[str, Any], folder: Path, name: str) -> None:
    network = filled(layers, weights, name)
    network.save(folder / f"{name}.keras")
    network.export(str(folder / f"{name}_saved_model"), verbose=False)


def filled(layers: list[dict[str, Any]], weights: dict[str, Any], name: str) -> tf.keras.Model:
    channels, *size = layers[0]["input_shape"]
    images = nn.Input((*size, channels))
    network = tf.keras.Model(images, chain(layers, images), name=name)
    owned: dict[str, list[Any]] = {}
    for key, array in weights.items():
        owned.setdefault(key.partition(".")[0], []).append(array)
    for owner, arrays in owned.items():
        layer = network.get_layer(owner)
        pairs = zip(own_arrays(layer, arrays), layer.weights, strict=True)
        layer.set_weights([array.reshape(variable.shape) for array, variable in pairs])
    return network


def load(form: str, layers: list[dict[str, Any]], folder: Path, name: str) -> Callable[[Any], Any]:
    if form == "keras":
        network = tf.keras.models.load_model(folder / f"{name}.keras")  # noqa: TID251 - safe_mode refuses code
    else:
        network = tf.saved_model.load(str(folder / f"{name}_saved_model"))
    # What is loaded must live as long as its function: that holds the variables weakly.
    return lambda images: getattr(network, "serve", network)(tf.constant(images.transpose(0, 2, 3, 1))).numpy()


def own_arrays(layer: Any, arrays: list[Any]) -> list[Any]:
    """Return a layer's canonical arrays as Keras has them, but for shapes that hold the same values in order."""
    if isinstance(layer, nn.MultiHeadAttention):
        return [*np.split(arrays[0], 3, axis=1), arrays[1]]
    if isinstance(layer, nn.EinsumDense):
        return [np.ones(arrays[0].shape[-1:], arrays[0].dtype), *arrays]
    # (out, in, kh, kw) -> (kh, kw, in, out)
    return [array.transpose(2, 3, 1, 0) if array.ndim == 4 else array for array in arrays]


def chain(layers: list[dict[str, Any]], x: Any) -> Any:
    for layer in layers:
        x = applied(layer, x)
    return x


def applied(layer: dict[str, Any], x: Any) -> Any:
    name, shape = layer["name"], layer["input_shape"]
    match layer:
        case {"type": "Conv2D"}:
            return convolved(layer, x)
        case {"type": "Dense", "units": units, "bias": bias}:
            return nn.Dense(units, use_bias=bias, name=name)(x)
        case {"type": "MaxPool2D", "size": size, "stride": stride}:
            return nn.MaxPooling2D(size, stride, name=name)(x)
        case {"type": "AvgPool2D", "size": size, "stride": stride}:
            return nn.AveragePooling2D(size, stride, name=name)(x)
        case {"type": "GlobalAvgPool"}:
            return (nn.GlobalAveragePooling2D if len(shape) == 3 else nn.GlobalAveragePooling1D)(name=name)(x)
        case {"type": "Activation", "function": "gelu_tanh"}:
            return tf.keras.ops.gelu(x, approximate=True)
        case {"type": "Activation", "function": function}:
            return nn.Activation(function, name=name)(x)
        case {"type": "Flatten"}:
            return nn.Flatten(name=name)(in_c_order(x))
        case {"type": "Reshape", "shape": [channels, height, width]}:
            return nn.Permute((2, 3, 1))(nn.Reshape((channels, height, width), name=name)(in_c_order(x)))
        case {"type": "Reshape", "shape": wanted}:
            return nn.Reshape(wanted, name=name)(in_c_order(x))
        case {"type": "Patches", "height": height, "width": width}:
            channels, rows, columns = shape
            grid = nn.Reshape((rows // height, height, columns // width, width, channels))(x)
            return nn.Reshape((-1, channels * height * width), name=name)(nn.Permute((1, 3, 5, 2, 4))(grid))
        case {"type": "PositionEmbedding"}:  # its kernel is ones, its bias the embedding
            return nn.EinsumDense("btd,d->btd", tuple(shape), bias_axes="td", name=name)(x)
        case {"type": "BatchNorm", "momentum": momentum, "epsilon": epsilon}:
            return nn.BatchNormalization(-1, momentum, epsilon, name=name)(x)
        case {"type": "LayerNorm", "epsilon": epsilon}:
            return nn.LayerNormalization(-1, epsilon, name=name)(x)
        case {"type": "RMSNorm", "epsilon": epsilon}:
            return nn.RMSNormalization(-1, epsilon, name=name)(x)
        case {"type": "SelfAttention", "heads": heads}:
            return nn.MultiHeadAttention(heads, shape[1] // heads, use_bias=False, name=name)(x, x)
        case {"type": "LSTM", "units": units, "sequence": sequence}:
            return nn.LSTM(units, return_sequences=sequence, name=name)(x)
        case {"type": "Residual", "branch": branch, "shortcut": shortcut}:
            return nn.Add(name=name)([chain(branch, x), chain(shortcut, x)])
    raise ValueError(f"no layer of Keras's for {layer}")


def convolved(layer: dict[str, Any], x: Any) -> Any:
    kernel, stride, padding, groups = (layer[key] for key in ("kernel", "stride", "padding", "groups"))
    same = padding and stride == 1 and 2 * padding == kernel - 1  # Keras's own way to keep the size
    if padding and not same:
        x = nn.ZeroPadding2D(padding)(x)
    settings = {"padding": "same" if same else "valid", "use_bias": layer["bias"], "name": layer["name"]}
    if groups == layer["input_shape"][0] > 1:
        return nn.DepthwiseConv2D(kernel, stride, depth_multiplier=layer["channels"] // groups, **settings)(x)
    return nn.Conv2D(layer["channels"], kernel, stride, groups=groups, **settings)(x)


def in_c_order(x: Any) -> Any:
    """Return images as (C, H, W), the order in which the declaration flattens them; anything else as it is."""
    return nn.Permute((3, 1, 2))(x) if len(x.shape) == 4 and x.shape[3] > 1 else x
