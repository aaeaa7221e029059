"""jax: a function of (weights, images) as jax.export serialises it, StableHLO for CPUs and CUDA, and its weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export, lax

FORMATS = ("export",)
ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid, "softmax": jax.nn.softmax}
NCHW = ("NCHW", "OIHW", "NCHW")


def write(layers: list[dict[str, Any]], weights: dict[str, Any], folder: Path, name: str) -> None:
    np.savez(folder / f"{name}.npz", **weights)
    shape = export.symbolic_shape("batch, " + ", ".join(map(str, layers[0]["input_shape"])))
    images = jax.ShapeDtypeStruct(shape, jnp.float32)
    jax.config.update("jax_default_matmul_precision", "highest")  # no TF32 where it runs on a card
    exported = export.export(jax.jit(partial(network, layers)), platforms=("cpu", "cuda"))(weights, images)
    (folder / f"{name}.jax_export").write_bytes(exported.serialize())


def load(form: str, layers: list[dict[str, Any]], folder: Path, name: str) -> Callable[[Any], Any]:
    exported = export.deserialize(bytearray((folder / f"{name}.jax_export").read_bytes()))
    with np.load(folder / f"{name}.npz", allow_pickle=False) as archive:
        weights = {key: archive[key] for key in archive.files}
    return lambda images: np.asarray(exported.call(weights, images))


def network(layers: list[dict[str, Any]], weights: dict[str, Any], x: Any) -> Any:
    for layer in layers:
        x = apply(layer, weights, x)
    return x


def apply(layer: dict[str, Any], weights: dict[str, Any], x: Any) -> Any:
    match layer:
        case {"type": "Conv2D", "name": name, "stride": stride, "padding": padding}:
            pads = [(padding, padding)] * 2
            convolved = lax.conv_general_dilated(x, weights[f"{name}.weight"], (stride, stride), pads, None, None, NCHW)
            return convolved + weights[f"{name}.bias"][:, None, None]
        case {"type": "Dense", "name": name}:
            return x @ weights[f"{name}.weight"] + weights[f"{name}.bias"]
        case {"type": "MaxPool2D", "size": size, "stride": stride}:
            return lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, size, size), (1, 1, stride, stride), "VALID")
        case {"type": "AvgPool2D", "size": size, "stride": stride}:
            return lax.reduce_window(x, 0.0, lax.add, (1, 1, size, size), (1, 1, stride, stride), "VALID") / size**2
        case {"type": "Activation", "function": function}:
            return ACTIVATIONS[function](x)
        case {"type": "Flatten"}:
            return x.reshape(x.shape[0], -1)
    raise ValueError(f"no function of jax's for {layer}")
