"""Batches on which float32 can be judged: samples whose ReLU and max pooling no rounding can decide otherwise.

Where an input of a ReLU is next to zero, or two values of a window are next to each other, float32 may take the other
side. One such flip moves the gradient of a whole batch by 1e-3 and says nothing of a framework: the NumPy adapter
itself stood at 4.5e-3 in float32 so, beside 7e-7 without. Samples of that kind are left out; what remains is held to
sharp bounds. What float32 may do to each value is followed through the layers (running error analysis: Higham,
Accuracy and Stability of Numerical Algorithms, section 3.3).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.numpy import NumpyAdapter
from adapters.numpy_layers import Activation, Flatten, Pool2D, Weighted

Array = npt.NDArray[Any]
EPSILON = 2.0**-23  # a sum of products is off by about this times the sum of their magnitudes
TIED = 1e-6  # of that: float64's own rounding. Such ties come from equal patches, whose gradients are equal too
SPARE = 3  # candidates for every sample needed


def sure(oracle: NumpyAdapter, images: Array) -> npt.NDArray[np.bool_]:
    """Return which samples (B,) no rounding in float32 can flip at the oracle's weights; images (B, C, H, W)."""
    x = np.ascontiguousarray(images.transpose(1, 0, 2, 3))
    error = np.zeros_like(x)
    unsure = np.zeros(len(images), np.bool_)
    for layer in oracle.layers:
        y = layer.forward(x).copy()  # a layer's buffer is its own
        if isinstance(layer, Weighted):
            error = propagated(layer, x, error)
        elif isinstance(layer, Pool2D):
            errors = layer.views(error)
            largest = np.maximum.reduce(errors)
            for view in layer.views(x) if layer.largest else ():
                unsure |= doubtful(y - view, 2 * largest)
            error = largest
        elif isinstance(layer, Flatten):
            error = layer.forward(error).copy()
        elif isinstance(layer, Activation):  # none of them is steeper than 1
            if layer.function == "relu":
                unsure |= doubtful(np.abs(x), error)
            error = error + EPSILON * np.abs(y)
        x = y
    return ~unsure


def propagated(layer: Weighted, x: Array, error: Array) -> Array:
    """Return what a weighted layer makes of its input's errors, its own rounding added."""
    weight, bias = layer.weight, layer.bias
    layer.weight, layer.bias = np.abs(weight), np.zeros_like(bias)
    inherited = layer.forward(error).copy()
    layer.bias = np.abs(bias)
    magnitude = layer.forward(np.abs(x)).copy()
    layer.weight, layer.bias = weight, bias
    return np.asarray(inherited + EPSILON * magnitude)


def doubtful(gap: Array, error: Array) -> npt.NDArray[np.bool_]:
    """Return for each sample whether a gap lies within its error; (C, B, H, W) or (B, features)."""
    found = (gap < error) & (gap > TIED * error)
    return np.asarray(found.any(axis=(0, 2, 3) if gap.ndim == 4 else 1))


def sure_batches(oracle: NumpyAdapter, images: Array, labels: Array, count: int) -> tuple[Array, Array]:
    """Return `count` batches out of more candidates, each sure at the weights that the oracle has when it comes to it.

    images (S, B, C, H, W) and labels (S, B) hold the candidates in order, S >= count; the oracle is trained on what
    is chosen. Where too few samples are sure, others fill the batch.
    """
    size = labels.shape[1]
    chosen: list[tuple[Array, Array]] = []
    first = 0  # of the candidates that no batch has looked at
    for step in range(count):
        last, found = first + 1, sure(oracle, images[first])
        while found.sum() < size and len(labels) - last > count - step - 1:
            found = np.concatenate([found, sure(oracle, images[last])])
            last += 1
        order = np.argsort(~found, kind="stable")[:size]
        pixels, digits = (part[first:last].reshape(-1, *part.shape[2:])[order] for part in (images, labels))
        oracle.train(oracle.put(pixels[None], digits[None]), 0, 1)
        chosen.append((pixels, digits))
        first = last
    return np.stack([pixels for pixels, _ in chosen]), np.stack([digits for _, digits in chosen])
