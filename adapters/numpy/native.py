"""numpy: the weights as .npz, and the few lines that compute the network with them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

FORMATS = ("npz",)


def write(layers: list[dict[str, Any]], weights: dict[str, Any], folder: Path, name: str) -> None:
    np.savez(folder / f"{name}.npz", **weights)


def load(form: str, layers: list[dict[str, Any]], folder: Path, name: str) -> Callable[[Any], Any]:
    with np.load(folder / f"{name}.npz", allow_pickle=False) as archive:
        weights = {key: archive[key] for key in archive.files}

    return lambda x: chained(layers, weights, x)


def chained(layers: list[dict[str, Any]], weights: dict[str, Any], x: Any) -> Any:
    for layer in layers:
        x = apply(layer, weights, x)
    return x


def apply(layer: dict[str, Any], weights: dict[str, Any], x: Any) -> Any:
    own = {key.partition(".")[2]: array for key, array in weights.items() if key.startswith(f"{layer['name']}.")}
    match layer:
        case {"type": "Conv2D", "kernel": kernel, "stride": stride, "padding": padding, "groups": groups}:
            seen = windows(np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding))), kernel, stride)
            pairs = zip(np.split(seen, groups, 1), np.split(own["weight"], groups), strict=True)
            parts = [np.tensordot(part, weight, ([1, 4, 5], [1, 2, 3])) for part, weight in pairs]  # (N, H, W, out)
            return (np.concatenate(parts, -1) + own.get("bias", 0)).transpose(0, 3, 1, 2)
        case {"type": "Dense"}:
            return x @ own["weight"] + own.get("bias", 0)
        case {"type": "MaxPool2D", "size": size, "stride": stride}:
            return windows(x, size, stride).max((4, 5))
        case {"type": "AvgPool2D", "size": size, "stride": stride}:
            return windows(x, size, stride).mean((4, 5))
        case {"type": "GlobalAvgPool"}:
            return x.mean((2, 3) if x.ndim == 4 else 1)
        case {"type": "Activation", "function": function}:
            return ACTIVATIONS[function](x)
        case {"type": "Flatten"}:
            return x.reshape(len(x), -1)
        case {"type": "Reshape", "shape": shape}:
            return x.reshape(len(x), *shape)
        case {"type": "Patches", "height": height, "width": width}:
            n, channels, rows, columns = x.shape
            grid = x.reshape(n, channels, rows // height, height, columns // width, width)
            return grid.transpose(0, 2, 4, 1, 3, 5).reshape(n, -1, channels * height * width)
        case {"type": "PositionEmbedding"}:
            return x + own["weight"]
        case {"type": "BatchNorm", "epsilon": epsilon}:
            scale = own["weight"] / np.sqrt(own["variance"] + epsilon)
            shift = own["bias"] - own["mean"] * scale
            return x * scale[:, None, None] + shift[:, None, None] if x.ndim == 4 else x * scale + shift
        case {"type": "LayerNorm", "epsilon": epsilon}:
            centred = x - x.mean(-1, keepdims=True)
            deviation = np.sqrt(np.square(centred).mean(-1, keepdims=True) + epsilon)
            return centred / deviation * own["weight"] + own["bias"]
        case {"type": "RMSNorm", "epsilon": epsilon}:
            return x / np.sqrt(np.square(x).mean(-1, keepdims=True) + epsilon) * own["weight"]
        case {"type": "SelfAttention", "heads": heads}:
            n, tokens, width = x.shape
            mixed = (x @ own["weight"]).reshape(n, tokens, 3, heads, width // heads)
            q, k, v = mixed.transpose(2, 0, 3, 1, 4)
            share = softmax(q @ k.swapaxes(2, 3) / np.sqrt(width // heads))
            return (share @ v).transpose(0, 2, 1, 3).reshape(n, tokens, width) @ own["output_weight"]
        case {"type": "LSTM", "sequence": sequence}:
            outputs = recurred(own, x)
            return np.stack(outputs, 1) if sequence else outputs[-1]
        case {"type": "Residual", "branch": branch, "shortcut": shortcut}:
            return chained(branch, weights, x) + chained(shortcut, weights, x)
    raise ValueError(f"no line of NumPy's for {layer}")


def recurred(own: dict[str, Any], x: Any) -> list[Any]:
    units = len(own["recurrent_weight"])
    h = c = np.zeros((len(x), units), x.dtype)
    outputs = []
    for token in x.transpose(1, 0, 2):
        gates = token @ own["weight"] + h @ own["recurrent_weight"] + own["bias"]
        i, f, g, o = np.split(gates, 4, 1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return outputs


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def softmax(x: Any) -> Any:
    raised = np.exp(x - x.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def gelu(x: Any) -> Any:
    return x / 2 * (1 + np.vectorize(math.erf, [x.dtype])(x / np.sqrt(2)))  # NumPy has no erf


def gelu_tanh(x: Any) -> Any:
    return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "softmax": softmax,
    "gelu": gelu,
    "gelu_tanh": gelu_tanh,
}


def windows(x: Any, size: int, stride: int) -> Any:
    """Return (N, C, H', W', size, size), what each place of a window sees of x (N, C, H, W)."""
    return sliding_window_view(x, (size, size), (2, 3))[:, :, ::stride, ::stride]
