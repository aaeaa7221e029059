"""The declared layers in torch as functions: one line each, images and kernels with their channels last in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch.nn import functional

from adapters import declaration


def _softmax(x: torch.Tensor) -> torch.Tensor:
    """In float32 at least, which a GPU's autocast sees to and a CPU's does not (pytorch.org/docs/stable/amp.html)."""
    return torch.softmax(x.to(torch.promote_types(x.dtype, torch.float32)), dim=-1)


ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "softmax": _softmax}


def channels_last(tensor: torch.Tensor) -> torch.Tensor:
    """Return images or kernels with their channels last in memory; anything else as it is."""
    return tensor.to(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def layer_of(layer: declaration.Layer) -> Callable[[torch.Tensor, Iterator[torch.Tensor]], torch.Tensor]:
    """Return a declared layer as a function of (batch, parameters); weighted layers take theirs off the iterator.

    No modules: nn.Sequential's calls and torch.optim.SGD's Python take a sixth of mlp's step at batch 100.
    """
    match layer:
        case declaration.Conv2D(_, _, stride, padding):
            return lambda x, rest: functional.conv2d(x, next(rest), next(rest), stride, padding)
        case declaration.Dense():
            return lambda x, rest: functional.linear(x, next(rest), next(rest))
        case declaration.MaxPool2D(size, stride):
            return lambda x, rest: functional.max_pool2d(x, size, stride)
        case declaration.AvgPool2D(size, stride):
            return lambda x, rest: functional.avg_pool2d(x, size, stride)
        case declaration.Activation(function):
            activation = ACTIVATIONS[function]
            return lambda x, rest: activation(x)
        case declaration.Flatten():
            return lambda x, rest: x.flatten(1)
