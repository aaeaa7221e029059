"""numpy: the weights as .npz, and the few lines that compute the network with them."""

from __future__ import annotations

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

    def network(x: Any) -> Any:
        for layer in layers:
            x = apply(layer, weights, x)
        return x

    return network


def apply(layer: dict[str, Any], weights: dict[str, Any], x: Any) -> Any:
    match layer:
        case {"type": "Conv2D", "name": name, "kernel": kernel, "stride": stride, "padding": padding}:
            seen = windows(np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding))), kernel, stride)
            convolved = np.tensordot(seen, weights[f"{name}.weight"], ([1, 4, 5], [1, 2, 3]))  # (N, H, W, out)
            return (convolved + weights[f"{name}.bias"]).transpose(0, 3, 1, 2)
        case {"type": "Dense", "name": name}:
            return x @ weights[f"{name}.weight"] + weights[f"{name}.bias"]
        case {"type": "MaxPool2D", "size": size, "stride": stride}:
            return windows(x, size, stride).max((4, 5))
        case {"type": "AvgPool2D", "size": size, "stride": stride}:
            return windows(x, size, stride).mean((4, 5))
        case {"type": "Activation", "function": "relu"}:
            return np.maximum(x, 0)
        case {"type": "Activation", "function": "tanh"}:
            return np.tanh(x)
        case {"type": "Activation", "function": "sigmoid"}:
            return 1 / (1 + np.exp(-x))
        case {"type": "Activation", "function": "softmax"}:
            raised = np.exp(x - x.max(-1, keepdims=True))
            return raised / raised.sum(-1, keepdims=True)
        case {"type": "Flatten"}:
            return x.reshape(len(x), -1)
    raise ValueError(f"no line of NumPy's for {layer}")


def windows(x: Any, size: int, stride: int) -> Any:
    """Return (N, C, H', W', size, size), what each place of a window sees of x (N, C, H, W)."""
    return sliding_window_view(x, (size, size), (2, 3))[:, :, ::stride, ::stride]
