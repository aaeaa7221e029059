"""The declared layers in torch as functions: one line each, images and kernels with their channels last in memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch.nn import functional

from adapters import declaration
from adapters.weights import Arrays

Function = Callable[[torch.Tensor], torch.Tensor]


def _softmax(x: torch.Tensor) -> torch.Tensor:
    """In float32 at least, which a GPU's autocast sees to and a CPU's does not (pytorch.org/docs/stable/amp.html)."""
    return torch.softmax(x.to(torch.promote_types(x.dtype, torch.float32)), dim=-1)


ACTIVATIONS: dict[str, Function] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "gelu": functional.gelu,
    "gelu_tanh": partial(functional.gelu, approximate="tanh"),
    "softmax": _softmax,
}


def channels_last(tensor: torch.Tensor) -> torch.Tensor:
    """Return images or kernels with their channels last in memory; anything else as it is."""
    return tensor.to(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def turned(parameter: declaration.Parameter) -> bool:
    """Return whether torch keeps a weight the other way round: (out, in), as nn.Linear and nn.LSTM have it."""
    return len(parameter.shape) == 2 and not parameter.name.startswith("position")


def layer_of(layer: declaration.Layer) -> Callable[[torch.Tensor, Arrays], torch.Tensor]:
    """Return a declared layer as a function of (batch, arrays), which takes what it has off their iterators.

    No modules: nn.Sequential's calls and torch.optim.SGD's Python take a sixth of mlp's step at batch 100.
    """
    match layer:
        case declaration.Conv2D(_, _, stride, padding, groups, bias):

            def convolve(x: torch.Tensor, arrays: Arrays) -> torch.Tensor:
                kernel, added = next(arrays.parameters), next(arrays.parameters) if bias else None
                return functional.conv2d(x, kernel, added, stride, padding, 1, groups)

            return convolve
        case declaration.Dense(_, bias):
            if bias:
                return lambda x, arrays: functional.linear(x, next(arrays.parameters), next(arrays.parameters))
            return lambda x, arrays: functional.linear(x, next(arrays.parameters))
        case declaration.MaxPool2D(size, stride):
            return lambda x, arrays: functional.max_pool2d(x, size, stride)
        case declaration.AvgPool2D(size, stride):
            return lambda x, arrays: functional.avg_pool2d(x, size, stride)
        case declaration.GlobalAvgPool():
            return lambda x, arrays: x.mean((2, 3) if x.ndim == 4 else 1)
        case declaration.Activation(function):
            activation = ACTIVATIONS[function]
            return lambda x, arrays: activation(x)
        case declaration.Flatten():
            return lambda x, arrays: x.flatten(1)
        case declaration.Reshape(shape):
            return lambda x, arrays: x.reshape(-1, *shape)
        case declaration.Patches(height, width):
            return lambda x, arrays: _patches(x, height, width)
        case declaration.PositionEmbedding():
            return lambda x, arrays: x + next(arrays.parameters)
        case declaration.BatchNorm(_, epsilon):
            return lambda x, arrays: _normalised(x, arrays, epsilon)
        case declaration.LayerNorm(epsilon):
            return lambda x, arrays: functional.layer_norm(
                x, x.shape[-1:], next(arrays.parameters), next(arrays.parameters), epsilon
            )
        case declaration.RMSNorm(epsilon):
            return lambda x, arrays: _rms_norm(x, next(arrays.parameters), epsilon)
        case declaration.SelfAttention(heads):
            return lambda x, arrays: _attended(x, arrays, heads)
        case declaration.LSTM(units, sequence):
            return lambda x, arrays: _recurred(x, arrays, units, sequence)
        case declaration.Residual():
            return _Residual(layer)
    raise TypeError(layer)


class _Residual:
    def __init__(self, layer: declaration.Residual) -> None:
        self.branch, self.shortcut = ([layer_of(part) for part in side] for side in (layer.branch, layer.shortcut))

    def __call__(self, x: torch.Tensor, arrays: Arrays) -> torch.Tensor:
        y = x
        for layer in self.branch:
            y = layer(y, arrays)
        for layer in self.shortcut:
            x = layer(x, arrays)
        return y + x


def _patches(x: torch.Tensor, height: int, width: int) -> torch.Tensor:  # (B, C, H, W) -> (B, T, C*h*w)
    parts = x.unflatten(3, (-1, width)).unflatten(2, (-1, height))  # (B, C, H/h, h, W/w, w)
    return parts.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)


def _normalised(x: torch.Tensor, arrays: Arrays, epsilon: float) -> torch.Tensor:
    """BatchNorm; nn.BatchNorm2d keeps the variance divided by one less than the number, which is not declared."""
    weight, bias = next(arrays.parameters), next(arrays.parameters)
    if arrays.statistics is not None:
        mean, variance = next(arrays.statistics), next(arrays.statistics)
        return functional.batch_norm(x, mean, variance, weight, bias, eps=epsilon)
    y, mean, inverse = torch.native_batch_norm(x, weight, bias, None, None, True, 0.0, epsilon)
    inverse = inverse.detach()
    arrays.found += [mean.detach(), 1 / (inverse * inverse) - epsilon]
    return y


def _rms_norm(x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
    """In the weight's type, which a GPU's autocast sees to and a CPU's does not, as of softmax."""
    return functional.rms_norm(x.to(weight.dtype), x.shape[-1:], weight, epsilon)


def _attended(x: torch.Tensor, arrays: Arrays, heads: int) -> torch.Tensor:  # (B, T, D), the same
    mixed = functional.linear(x, next(arrays.parameters)).unflatten(2, (3, heads, -1))
    q, k, v = mixed.permute(2, 0, 3, 1, 4)  # (B, heads, T, d) each
    y = functional.scaled_dot_product_attention(q, k, v)
    return functional.linear(y.transpose(1, 2).flatten(2), next(arrays.parameters))


def _recurred(x: torch.Tensor, arrays: Arrays, units: int, sequence: bool) -> torch.Tensor:
    weight, recurrent, bias = (next(arrays.parameters) for _ in range(3))
    if _in_halves(x) or (torch.compiler.is_compiling() and x.is_cuda):
        return _unrolled(functional.linear(x, weight, bias), recurrent, sequence)
    return _in_one_call(x, weight, recurrent, bias, units, sequence)


@torch.compiler.disable  # Inductor has no code for it, and single steps in its place take twice as long on a CPU
def _in_one_call(
    x: torch.Tensor, weight: torch.Tensor, recurrent: torch.Tensor, bias: torch.Tensor, units: int, sequence: bool
) -> torch.Tensor:
    zeros = x.new_zeros(1, len(x), units)
    both = weight, recurrent, bias, torch.zeros_like(bias)  # cuDNN and oneDNN have two biases
    y, last, _ = torch.lstm(x, (zeros, zeros), both, True, 1, 0.0, torch.is_grad_enabled(), False, True)
    return y if sequence else last[0]


def _in_halves(x: torch.Tensor) -> bool:
    """Return whether products are of float16 on a CPU, for which oneDNN has no LSTM on most processors."""
    narrow = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.float16
    return narrow and x.device.type == "cpu"


def _unrolled(gates: torch.Tensor, recurrent: torch.Tensor, sequence: bool) -> torch.Tensor:  # (B, T, 4H)
    """An LSTM as single steps, which a CUDA graph can hold, and float16 on a CPU.

    What is carried is of the weights' type, whatever products multiply.
    """
    h = c = recurrent.new_zeros(len(gates), recurrent.shape[1])
    outputs = []
    for added in gates.unbind(1):
        i, f, g, o = (added + functional.linear(h, recurrent)).to(recurrent.dtype).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        outputs.append(h)
    return torch.stack(outputs, 1) if sequence else h
