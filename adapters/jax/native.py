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
ACTIVATIONS = {
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "gelu": partial(jax.nn.gelu, approximate=False),
    "gelu_tanh": jax.nn.gelu,
    "softmax": jax.nn.softmax,
}
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
    own = {key.partition(".")[2]: array for key, array in weights.items() if key.startswith(f"{layer['name']}.")}
    match layer:
        case {"type": "Conv2D", "stride": stride, "padding": padding, "groups": groups}:
            given = {"dimension_numbers": NCHW, "feature_group_count": groups}
            y = lax.conv_general_dilated(x, own["weight"], (stride, stride), [(padding, padding)] * 2, **given)
            return y + own["bias"][:, None, None] if layer["bias"] else y
        case {"type": "Dense"}:
            return x @ own["weight"] + own.get("bias", 0)
        case {"type": "MaxPool2D", "size": size, "stride": stride}:
            return lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, size, size), (1, 1, stride, stride), "VALID")
        case {"type": "AvgPool2D", "size": size, "stride": stride}:
            return lax.reduce_window(x, 0.0, lax.add, (1, 1, size, size), (1, 1, stride, stride), "VALID") / size**2
        case {"type": "GlobalAvgPool"}:
            return x.mean((2, 3) if x.ndim == 4 else 1)
        case {"type": "Activation", "function": function}:
            return ACTIVATIONS[function](x)
        case {"type": "Flatten"}:
            return x.reshape(x.shape[0], -1)
        case {"type": "Reshape", "shape": shape}:
            return x.reshape(x.shape[0], *shape)
        case {"type": "Patches", "height": height, "width": width}:
            n, channels, rows, columns = x.shape
            grid = x.reshape(n, channels, rows // height, height, columns // width, width)
            return grid.transpose(0, 2, 4, 1, 3, 5).reshape(n, -1, channels * height * width)
        case {"type": "PositionEmbedding"}:
            return x + own["weight"]
        case {"type": "BatchNorm", "epsilon": epsilon}:
            scale = own["weight"] / jnp.sqrt(own["variance"] + epsilon)
            shift = own["bias"] - own["mean"] * scale
            return x * scale[:, None, None] + shift[:, None, None] if x.ndim == 4 else x * scale + shift
        case {"type": "LayerNorm", "epsilon": epsilon}:
            return jax.nn.standardize(x, epsilon=epsilon) * own["weight"] + own["bias"]
        case {"type": "RMSNorm", "epsilon": epsilon}:
            return x * lax.rsqrt(jnp.square(x).mean(-1, keepdims=True) + epsilon) * own["weight"]
        case {"type": "SelfAttention", "heads": heads}:
            n, tokens, width = x.shape
            q, k, v = jnp.moveaxis((x @ own["weight"]).reshape(n, tokens, 3, heads, width // heads), 2, 0)
            return jax.nn.dot_product_attention(q, k, v).reshape(n, tokens, width) @ own["output_weight"]
        case {"type": "LSTM", "sequence": sequence}:
            last, outputs = recurred(own, x)
            return outputs if sequence else last
        case {"type": "Residual", "branch": branch, "shortcut": shortcut}:
            return network(branch, weights, x) + network(shortcut, weights, x)
    raise ValueError(f"no function of jax's for {layer}")


def recurred(own: dict[str, Any], x: Any) -> tuple[Any, Any]:
    """Return an LSTM's last output and all of them."""

    def step(carried: Any, added: Any) -> Any:
        h, c = carried
        i, f, g, o = jnp.split(added + h @ own["recurrent_weight"], 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    zeros = jnp.zeros((x.shape[0], own["recurrent_weight"].shape[0]), x.dtype)
    (last, _), outputs = lax.scan(step, (zeros, zeros), (x @ own["weight"] + own["bias"]).transpose(1, 0, 2))
    return last, outputs.transpose(1, 0, 2)
